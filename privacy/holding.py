"""What a measuring worker does with the row it works on, a release or a check: take it, pay out of it, hand it back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TypeVar

from django.conf import settings
from django.db import OperationalError, close_old_connections, transaction
from django.utils import timezone

from audit.actors import SYSTEM
from privacy import ledger, pacing
from privacy.errors import AlreadyMeasuring
from privacy.models import CheckRecord, LedgerEntry, ReleaseRecord
from privacy.values import Measurement

Held = TypeVar("Held", ReleaseRecord, CheckRecord)
Found = TypeVar("Found")
Beat = Callable[[], None]
State = ReleaseRecord.State
PATIENCE = (1.0, 4.0, 15.0, 40.0)
"""Seconds between asking a database that is away whether anything was charged: together far below a lease."""
OF_A_LEASE = 0.9
"""Before a job's own lease ends its record counts as silent, so that whoever takes the job over takes both."""


def claim(record: Held, *, tick: float, fail: Callable[[Held], None]) -> str:
    """MEASURING when it is ours to measure now; otherwise how it ended. A dead worker's record is failed.

    ``tick``: the record's, in seconds. An exact stage may take all of it between two signs of life, so one that is in
    time is never failed for its silence, which would tell how long it took.
    """
    with transaction.atomic(durable=True):
        held = type(record).objects.select_for_update().get(pk=record.pk)
        if held.state == State.RESERVED:
            changed(held, state=State.MEASURING, beat_at=timezone.now())
            return State.MEASURING
        if held.state != State.MEASURING:
            return held.state
        silent = timezone.now() - (held.beat_at or held.created_at)
    if silent < timedelta(seconds=tick + OF_A_LEASE * settings.JOB_LEASE_SECONDS):
        raise AlreadyMeasuring("another worker is measuring this")
    fail(record)
    return State.FAILED


def handed_back(record: ReleaseRecord | CheckRecord) -> bool:
    """Leave an untouched record to the next worker; False where a step was charged, or the database stays away.

    One without a reservation may be worked again: it costs nothing, and shows nothing that it would not show anyway.
    """
    for patience in PATIENCE:
        try:
            close_old_connections()
            with transaction.atomic(durable=True):
                if record.reservation is not None:  # a charge may still be committing when its answer was lost
                    ledger.wait_for_charges(record.reservation)
                held = type(record).objects.select_for_update().get(pk=record.pk)
                untouched = held.state == State.MEASURING and not charged(record.reservation)
                if untouched:
                    changed(held, state=State.RESERVED, beat_at=None)
                return untouched
        except OperationalError:
            pacing.sleep(patience)
    return False


def shown(
    record: ReleaseRecord | CheckRecord,
    clock: pacing.Tick,
    found: Found | None,
    finish: Callable[[Found], None],
    beat: Beat,
) -> bool:
    """Wait for the tick, then store what was found: whether it was there in time and is stored."""
    in_time = not clock.overrun

    def alive() -> None:
        changed(record, beat_at=timezone.now())
        beat()

    clock.wait(alive)
    if found is None or not in_time:
        return False
    try:
        finish(found)
    except Exception:
        return False  # why is not told: nothing of the exact stage is
    return True


def charged(reservation: LedgerEntry | None) -> bool:
    return reservation is not None and reservation.charges.exists()


class Charge:
    """Pays out of a record's reservation, and gives a sign of life each time."""

    def __init__(self, record: ReleaseRecord | CheckRecord, reservation: LedgerEntry, beat: Beat) -> None:
        self._record, self._reservation, self._beat = record, reservation, beat

    def __call__(self, measurement: Measurement) -> str:
        return self.many([measurement])[0]

    def many(self, measurements: Sequence[Measurement]) -> list[str]:
        entries = ledger.commit_all(reservation=self._reservation, measurements=measurements, by=SYSTEM)
        changed(self._record, beat_at=timezone.now())
        self._beat()
        return [str(entry.pk) for entry in entries]


def close(reservation: LedgerEntry, *, reason: str) -> None:
    """Give a reservation back if no step was ever charged to it; otherwise its rest is forfeited."""
    if reservation.charges.exists():
        ledger.forfeit(reservation=reservation, by=SYSTEM, reason=reason)
    else:
        ledger.release_reserve(reservation=reservation, by=SYSTEM)


def changed(record: ReleaseRecord | CheckRecord, **values: object) -> None:
    type(record).objects.filter(pk=record.pk).update(**values)
