"""What other rooms may read of key discovery: what a dataset's releases spend on it, and what one of them found."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID

from privacy import selectors
from privacy.models import Dataset, LedgerEntry, ReleaseRecord
from privacy.values import Clique


def delta_of(dataset: Dataset) -> Decimal:
    """What one release of this dataset spends on key discovery; 0 where every category is declared."""
    return sum((search.delta for search in selectors.schema(dataset).searches), Decimal(0))


def found_by(release_id: UUID | str) -> list[dict[str, Any]]:
    """One plain-JSON line per column that a release searched, for the manifest of what may leave."""
    record = ReleaseRecord.objects.get(pk=release_id)
    charges = LedgerEntry.objects.filter(reservation=record.reservation_id, facts__kind="discovery")
    return [_line(charge, record) for charge in charges.order_by("id")]


def keys_of(charge: LedgerEntry) -> dict[str, Any]:
    """The column that a charge searched, and its keys; None for them where the release was never finished."""
    record = ReleaseRecord.objects.filter(reservation=charge.reservation_id).first()
    return {"column": _column(charge), "keys": record.discovered.get(_column(charge)) if record else None}


def _column(charge: LedgerEntry) -> str:
    return Clique.from_json(charge.facts["cliques"][0]).columns[0]


def _line(charge: LedgerEntry, record: ReleaseRecord) -> dict[str, Any]:
    return {
        "measurement": str(charge.pk),
        "column": _column(charge),
        "keys": len(record.discovered.get(_column(charge), ())),
        "mechanism": charge.facts["mechanism"],
        "scale": charge.facts["scale"],
        "threshold": charge.facts["threshold"],
        "rho": f"{charge.rho:f}",
        "delta": f"{charge.delta:f}",
    }
