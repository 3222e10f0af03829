"""Compares a synthetic table with the rows behind its release: charged and with noise, or exact for stewards alone.

As measuring does, it charges before the vault is opened, tells nothing of the exact stage in any error, and shows
itself on a tick that public facts set. A check is carried out once: one whose worker died half-way is failed, and what
it was charged stays charged.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import OperationalError, transaction
from django.utils import timezone

from audit import canonical, events
from audit.actors import SYSTEM
from privacy import check_seals, checking, holding, ledger, pacing, selectors, texts, vault
from privacy.dp import disclosure, matching
from privacy.dp.disclosure import Compared, Comparison
from privacy.errors import ROWS_GONE, MeasuringFailed, NotReady, TryAgain
from privacy.models import CheckRecord, Dataset, LedgerEntry, ReleaseRecord
from privacy.values import IntArray

State = CheckRecord.State


def reserve(*, dataset: Dataset, rho: Decimal, key: str) -> LedgerEntry:
    """Set a check's privacy loss aside, beside its release's, for the request called ``key``."""
    return ledger.reserve(dataset=dataset, rho=rho, delta=Decimal(0), key=key, by=SYSTEM, purpose=checking.PURPOSE)


def open_check(*, release: ReleaseRecord, key: str, table: str, radius: int, charged: bool) -> CheckRecord:
    """The check of the request called ``key``; made once. NotReady where its reservation or its rows are not there.

    ``table``: the SHA-256 of what was handed over, ``charged``: whether its counts get noise and are paid for.
    """
    reserved = checking.reservation(key) if charged else None
    if charged and reserved is None:
        raise NotReady("a charged check needs a reservation in the ledger")
    if not release.version.measurable:
        raise NotReady(ROWS_GONE)
    values = {"release": release, "reservation": reserved, "table": table, "radius": radius}
    with transaction.atomic():
        check, made = CheckRecord.objects.get_or_create(key=key, defaults=values)
        if made:
            events.record(
                action="privacy:check:opened", by=SYSTEM, subject=f"release:{check.release_id}",
                facts=check.as_facts() | {"table": table, "radius": radius, "exact": check.exact},
            )  # fmt: skip
    if (check.table, check.radius, check.exact) != (table, radius, not charged):
        raise NotReady("another check was opened for this request before")
    return check


def run(check: CheckRecord, records: IntArray, *, beat: holding.Beat) -> CheckRecord:
    """Carry it out, or find it as it ended. ``records``: the distinct synthetic ones, in the release's codes.

    ``beat`` is called with every step, to keep the caller's lease through ``tick_seconds`` of silence.
    AlreadyMeasuring while another worker holds it; TryAgain where the database failed before any charge;
    MeasuringFailed otherwise.
    """
    comparison, tick = _comparison(check, records), tick_seconds(check, records)
    state = holding.claim(check, tick=tick, fail=_fail)
    if state == State.MEASURING and not _carried_out(check, comparison, tick, beat):
        _fail(check)
        state = State.FAILED
    if state == State.FAILED:
        raise MeasuringFailed("the check stopped")
    check.refresh_from_db()
    return check


def _comparison(check: CheckRecord, records: IntArray) -> Comparison:
    return Comparison(records, check.table, selectors.shapes(check.release), check.radius)


def tick_seconds(check: CheckRecord, records: IntArray) -> float:
    """How long a check takes to show itself, from the declaration, the synthetic table and the settings alone."""
    comparison = _comparison(check, records)
    schema = selectors.schema(check.release.version.dataset)
    return pacing.lookups(
        rows=(schema.maximum_rows or settings.LIMITS["upload_rows"]) + len(comparison.records),
        times=matching.comparisons(comparison.domain, comparison.radius),
        pace=pacing.Pace(**settings.MEASURING_PACE),
    )


def _carried_out(check: CheckRecord, comparison: Comparison, tick: float, beat: holding.Beat) -> bool:
    """Whether it was done in time and stored. Whatever went wrong ends here and is not told."""
    clock = pacing.Tick(tick)
    results = _tried(check, comparison, beat)
    return holding.shown(check, clock, results, lambda found: _finish(check, found), beat)


def _tried(check: CheckRecord, comparison: Comparison, beat: holding.Beat) -> tuple[Compared, ...] | None:
    """What came out, or None: the reason is dropped here, with whatever it might quote."""
    try:
        return _compared(check, comparison, beat)
    except OperationalError:
        pass
    except Exception:
        return None
    if holding.handed_back(check):
        raise TryAgain("the database could not be reached before anything was charged")
    return None


def _compared(check: CheckRecord, comparison: Comparison, beat: holding.Beat) -> tuple[Compared, ...]:
    opened = _opening(check)
    if check.reservation is None:
        return disclosure.unnoised(comparison, opened())
    unit = selectors.schema(check.release.version.dataset).unit
    charge = holding.Charge(check, check.reservation, beat)
    return disclosure.noised(comparison, opened=opened, charge=charge, unit=unit, rho=check.reservation.rho)


def _opening(check: CheckRecord) -> Callable[[], matching.Batches]:
    """What opens the rows, in the codes of the release: once its categories were found, these are other codes."""
    release = check.release
    declared = selectors.schema(release.version.dataset)
    settled = selectors.schema(release.version.dataset, release=release.pk)

    def opened() -> matching.Batches:
        passes = vault.passes(release.version)
        numbered = vault.numbered(release.version) if declared.searches else {}
        recoded = texts.recoder(declared, settled, numbered)
        return lambda: map(recoded, passes())

    return opened


def _finish(check: CheckRecord, results: tuple[Compared, ...]) -> None:
    """Store it, log that it was done and, of a charged one, what came out; the reservation is closed."""
    paid = [each.measurement for each in results if each.measurement]
    attached = {"compared": canonical.dumps([_as_logged(each) for each in results])} if paid else {}
    events.append(
        action="privacy:check:measured", by=SYSTEM, subject=f"release:{check.release_id}",
        facts=check.as_facts() | {"measurements": paid, "exact": check.exact}, event_id=f"checked-{check.pk}",
        attachments=attached,
    )  # fmt: skip
    if check.reservation is not None:
        ledger.forfeit(reservation=check.reservation, by=SYSTEM, reason="the rest of a finished check")
    told = [asdict(each) for each in results]
    kept = {"sealed": check_seals.sealed(check.pk, told)} if check.exact else {"results": told}
    holding.changed(check, state=State.MEASURED, finished_at=timezone.now(), beat_at=None, **kept)


def _as_logged(each: Compared) -> dict[str, Any]:
    return {"question": each.question, "count": each.count, "measurement": each.measurement}


def give_back(key: str) -> None:
    """Close what the request called ``key`` reserved for a check and will not use; nothing where it reserved none."""
    reserved = checking.reservation(key)
    if reserved is not None:
        holding.close(reserved, reason="the check was not finished")


def _fail(check: CheckRecord) -> None:
    """Close a check without a result. Its reservation returns only if no step was ever charged to it."""
    if check.reservation is not None:
        holding.close(check.reservation, reason="the check stopped")
    with transaction.atomic():
        holding.changed(check, state=State.FAILED, finished_at=timezone.now(), beat_at=None)
        events.record(
            action="privacy:check:failed", by=SYSTEM, subject=f"release:{check.release_id}", facts=check.as_facts()
        )
