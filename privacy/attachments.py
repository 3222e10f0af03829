"""What a finished release writes beside its log entry, so that a prompt's numbers and labels can be matched to it."""

from __future__ import annotations

from privacy.dp import discovery
from privacy.schema import Schema
from privacy.values import NoisyTable, NoisyTied


def keys(found: discovery.Found, settled: Schema) -> dict[str, object]:
    """What was found, and all labels of the column since, so that those in a prompt can be matched to them."""
    return {"column": found.column, "keys": list(found.keys), "labels": list(settled.labels(found.column))}


def tables(released: tuple[NoisyTable, ...]) -> dict[str, object]:
    """Every released table by the charge that paid for it, so that a prompt's numbers can be matched to it."""
    return {
        table.measurement: {
            "shape": list(table.counts.shape),
            "counts": table.counts.ravel().tolist(),
            **({"parts": table.parts} if isinstance(table, NoisyTied) else {}),
        }
        for table in released
    }
