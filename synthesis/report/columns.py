"""Each column of a synthetic table beside its noised counts, value by value, as shares of the table. Pure.

Counts are released ones, so everything here is post-processing and costs no privacy loss. A share comes with what
noise alone may do to it, and with what noise and the synthetic table's own sampling may do together: two standard
deviations to each side, about 19 of 20 times.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from privacy.values import NoisyMarginal
from synthesis.report import sampling

FloatArray = NDArray[np.float64]
Labels = Callable[[str], Sequence[str]]

SHOWN = 40
"""Values of one column that are listed; the rest, the rarest by their noised counts, stand together."""
DEVIATIONS = 2.0
"""A noised count within so many standard deviations of 0 cannot be told from none: the value is called rare."""


def columns(
    pairs: Sequence[tuple[FloatArray, NoisyMarginal]], total: float, rows: int, labels: Labels
) -> list[dict[str, Any]]:
    """One entry a measured column, worst first. ``pairs``: counts of ``rows``, scaled to ``total``, and the table."""
    best: dict[str, tuple[FloatArray, NoisyMarginal]] = {}
    for counts, table in pairs:
        if is_full(table) and closer(table, best.get(name_of(table))):
            best[name_of(table)] = (counts, table)
    found = [column(counts, table, total, rows, labels) for counts, table in best.values()]
    return sorted(found, key=lambda one: -float(one["residual_over_sigma"]))


def is_full(table: NoisyMarginal) -> bool:
    """Whether it is of one column, in that column's own values."""
    return len(table.clique.axes) == 1 and not table.clique.axes[0].bins


def name_of(table: NoisyMarginal) -> str:
    return table.clique.axes[0].column


def closer(table: NoisyMarginal, other: tuple[FloatArray, NoisyMarginal] | None) -> bool:
    return other is None or table.sigma < other[1].sigma


def column(counts: FloatArray, table: NoisyMarginal, total: float, rows: int, labels: Labels) -> dict[str, Any]:
    noised = np.asarray(table.counts, dtype=float)
    residual = float(np.sqrt(np.mean((noised - counts) ** 2)))
    own = sampling.variance(counts, total=total, rows=rows)
    both = DEVIATIONS * np.sqrt(table.sigma**2 + own)
    rare = noised < DEVIATIONS * table.sigma
    names, order = labels(name_of(table)), np.argsort(-noised, kind="stable")
    common = order[:SHOWN].tolist()
    return {
        "column": name_of(table),
        **sampling.told(residual, table.sigma, own),
        "band": share(DEVIATIONS * table.sigma, total),
        "values": [value(names[code], noised[code], counts[code], both[code], total, rare[code]) for code in common],
        "others": others(counts[order[SHOWN:]], noised[order[SHOWN:]], total),
        "rare": [names[code] for code in np.flatnonzero(rare).tolist()][:SHOWN],
        "rare_values": int(rare.sum()),
    }  # fmt: skip


def value(name: str, noised: float, synthetic: float, both: float, total: float, rare: np.bool_) -> dict[str, Any]:
    """``both``: as far as noise and sampling together may take the synthetic count from the noised one."""
    shares = {"noised": share(max(noised, 0), total), "synthetic": share(synthetic, total), "both": share(both, total)}
    return {"value": name, **shares, "rare": bool(rare)}


def others(counts: FloatArray, noised: FloatArray, total: float) -> dict[str, Any] | None:
    if not len(counts):
        return None
    return {
        "values": len(counts), "noised": share(max(noised.sum(), 0), total), "synthetic": share(counts.sum(), total)
    }  # fmt: skip


def share(amount: float, total: float) -> float:
    return round(float(amount) / max(total, 1.0), 5)
