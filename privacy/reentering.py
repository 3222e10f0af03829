"""Lines of the privacy ledger that a restored, older database lacks, entered again from the audit log.

What was spent stays spent. What was only reserved is held: the run it was reserved for may be gone, and nobody
can tell from here whether it touched the data.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.core.management.color import no_style
from django.db import connection

from audit.leaves import Leaf, time_of
from privacy.models import Dataset, LedgerEntry, Population

ACTIONS = "privacy:ledger:"
BESIDE = frozenset({"population", "dataset", "entry", "request", "rho", "delta", "reservation"})
"""Facts that are columns of their own."""
Kind = LedgerEntry.Kind


@dataclass(frozen=True, slots=True)
class Lost:
    """Lines that can be entered again, and the populations that are unknown here together with their lines."""

    lines: Sequence[Leaf]
    populations: frozenset[str]


def lost(leaves: Sequence[Leaf]) -> Lost:
    """Those among these entries that are lines of the ledger, oldest first."""
    lines = [leaf for leaf in leaves if leaf.action.startswith(ACTIONS)]
    here = {str(key) for key in Population.objects.values_list("pk", flat=True)}
    unknown = frozenset(str(leaf.facts["population"]) for leaf in lines) - here
    return Lost([leaf for leaf in lines if leaf.facts["population"] in here], unknown)


def reenter(lines: Sequence[Leaf]) -> int:
    """Enter these lines under their old numbers, in the caller's transaction; how many."""
    for leaf in lines:
        _line(leaf).save(force_insert=True)
    _go_on_after_them()
    return len(lines)


def _line(leaf: Leaf) -> LedgerEntry:
    facts, kind = leaf.facts, leaf.action.removeprefix(ACTIONS).upper()
    reservation = LedgerEntry.objects.filter(pk=facts.get("reservation", "0")).first()
    return LedgerEntry(
        pk=int(facts["entry"]), population_id=facts["population"], dataset=_dataset(leaf, reservation), kind=kind,
        rho=Decimal(facts["rho"]), delta=Decimal(facts["delta"]), reservation=reservation, request=facts["request"],
        key=_key(kind, leaf, reservation), facts={name: told for name, told in facts.items() if name not in BESIDE},
        by=leaf.by, at=reservation.at if reservation and kind == Kind.COMMIT else time_of(leaf.time),
    )  # fmt: skip


def _dataset(leaf: Leaf, reservation: LedgerEntry | None) -> Dataset | None:
    if reservation is not None:
        return reservation.dataset
    named = leaf.facts.get("dataset")
    return None if named is None else Dataset.objects.filter(pk=named).first()


def _key(kind: str, leaf: Leaf, reservation: LedgerEntry | None) -> str:
    """The same key as before where a repeated call must find the line; a raise's proposal is in its own event."""
    if kind == Kind.RESERVE:
        return LedgerEntry.reservation_key(leaf.facts["request"], str(leaf.facts.get("purpose", "")))
    if reservation is None:
        return f"{kind.lower()}:{leaf.event}"
    return (
        f"commit:{reservation.pk}:{reservation.charges.count()}" if kind == Kind.COMMIT else f"close:{reservation.pk}"
    )


def _go_on_after_them() -> None:
    """New lines are numbered after these: a server's counter does not see numbers that were given to it."""
    with connection.cursor() as cursor:
        for statement in connection.ops.sequence_reset_sql(no_style(), [LedgerEntry]):
            cursor.execute(statement)
