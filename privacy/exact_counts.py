"""Counts without noise, for stewards and auditors at one gate: in the site's database, sealed (privacy/check_seals.py).

Once the gate has decided, or the rows' version ends, their key is destroyed: whoever kept a copy of the database then
has bytes that nobody opens.
"""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.utils import timezone

from audit import events
from audit.actors import SYSTEM
from privacy import check_seals
from privacy.models import CheckRecord, DatasetVersion

ROWS_ENDED = "the rows' version ended"


def opened(key: str) -> list[dict[str, Any]]:
    """What the check of the request called ``key`` counted; empty once it was destroyed, or its key is elsewhere."""
    check = CheckRecord.objects.filter(key=key).exclude(sealed=b"").first()
    return check_seals.opened(check.pk, bytes(check.sealed)) if check else []


def waiting() -> list[str]:
    """The requests whose counts are still sealed."""
    return list(CheckRecord.objects.exclude(sealed=b"").values_list("key", flat=True))


def destroy(key: str, *, reason: str) -> None:
    """End what the check of the request called ``key`` counted, if there is anything; its key goes with the commit."""
    for check in CheckRecord.objects.filter(key=key).exclude(sealed=b""):
        _destroy(check, reason)


def destroy_of(version: DatasetVersion) -> None:
    """End every count that was made of these rows."""
    for check in CheckRecord.objects.filter(release__version=version).exclude(sealed=b""):
        _destroy(check, ROWS_ENDED)


@transaction.atomic
def _destroy(check: CheckRecord, reason: str) -> None:
    """Empty, told and, when that is committed, without a key; what dies before is found by the next sweep."""
    if CheckRecord.objects.filter(pk=check.pk).exclude(sealed=b"").update(sealed=b"", destroyed_at=timezone.now()):
        facts = check.as_facts() | {"reason": reason}
        events.record(action="privacy:check:destroyed", by=SYSTEM, subject=f"release:{check.release_id}", facts=facts)

    def end() -> None:
        check_seals.end(check.pk)

    transaction.on_commit(end, robust=True)


def sweep() -> None:
    """End counts that came too late for their version's end, and the keys that a crash left behind without counts."""
    for check in CheckRecord.objects.filter(release__version__destroyed_at__isnull=False).exclude(sealed=b""):
        _destroy(check, ROWS_ENDED)
    for check in CheckRecord.objects.filter(pk__in=list(check_seals.keys()), finished_at__isnull=False, sealed=b""):
        check_seals.end(check.pk)
