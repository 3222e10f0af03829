"""What other rooms may read of a check of a synthetic table against the rows behind it."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from privacy.errors import NotReady
from privacy.models import CheckRecord, LedgerEntry

Kind = LedgerEntry.Kind
PURPOSE = "check"
"""What the reservation of a check is called in the ledger."""
CLOSING = (Kind.RELEASE_RESERVE, Kind.FORFEIT)


def of_request(key: str) -> CheckRecord:
    """The finished check of the request called ``key``. NotReady where there is none."""
    check = CheckRecord.objects.filter(key=key, state=CheckRecord.State.MEASURED).first()
    if check is None:
        raise NotReady("this request has no finished check")
    return check


def reservation(key: str) -> LedgerEntry | None:
    """What the request called ``key`` set aside for its check."""
    return LedgerEntry.objects.filter(key=LedgerEntry.reservation_key(key, PURPOSE)).first()


def spent(key: str) -> Decimal:
    """What the check of the request called ``key`` cost, its forfeited rest included; 0 where it was not charged."""
    reservation = CheckRecord.objects.filter(key=key).values("reservation")
    lines = LedgerEntry.objects.filter(reservation__in=reservation, kind__in=(Kind.COMMIT, Kind.FORFEIT))
    return sum(lines.values_list("rho", flat=True), Decimal(0))


def open_reservations() -> Iterator[str]:
    """The requests that still hold privacy loss for a check."""
    held = LedgerEntry.objects.filter(kind=Kind.RESERVE, facts__purpose=PURPOSE).exclude(charges__kind__in=CLOSING)
    yield from held.values_list("request", flat=True)
