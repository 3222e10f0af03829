"""How long a version's raw rows can be read: until its owner destroys its key, or a day set in advance comes."""

from __future__ import annotations

import contextlib
import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from audit import events
from audit.actors import SYSTEM, actor
from privacy import exact_counts, locks, places, policies, wrapping
from privacy.errors import PrivacyError
from privacy.models import DatasetVersion, site_today

OWNER = "Only the dataset's owner says how long its versions are kept."


@transaction.atomic
def keep_until(*, by: Any, version: DatasetVersion, day: datetime.date) -> None:
    """Set the last day on which this version may be measured, or move it as long as it is not over.

    PrivacyError for a day that has passed, and for a version that is over: nothing brings it back.
    """
    policies.require(policies.may_destroy(by, version.dataset), OWNER)
    held = DatasetVersion.objects.select_for_update().get(pk=version.pk)
    if not held.measurable:
        raise PrivacyError("this version was destroyed, or its last day is over")
    if day < site_today():
        raise PrivacyError("the last day of a version must not lie in the past")
    if day == held.keep_until:
        return
    DatasetVersion.objects.filter(pk=held.pk).update(keep_until=day)
    facts = {"dataset": str(held.dataset_id), "version": str(held.pk), "day": day.isoformat()}
    events.record(
        action="privacy:version:retention_set", by=actor(by), subject=f"dataset:{held.dataset_id}", facts=facts
    )


def destroy_version(*, by: Any, version: DatasetVersion, reason: str) -> None:
    """Destroy a version's key: nobody can read its rows again. What was released from it before stays released."""
    policies.require(policies.may_destroy(by, version.dataset), OWNER)
    if not reason.strip():
        raise PrivacyError("destroying a version needs a reason, which stands in the log")
    _destroy(version, by=actor(by), reason=reason.strip()[:500])


def destroy_expired() -> int:
    """Destroy every version whose last day is over; how many. Keys that a crash left behind go too."""
    over = DatasetVersion.objects.filter(keep_until__lt=site_today(), destroyed_at=None)
    marked = DatasetVersion.objects.filter(destroyed_at__isnull=False)
    half_done = [version for version in marked if places.wrapped_key(version.pk).exists()]
    ended = [*over, *half_done]
    for version in ended:
        _destroy(version, by=SYSTEM, reason="its retention ended")
    return len(ended)


def _destroy(version: DatasetVersion, *, by: str, reason: str) -> None:
    """First mark it and say so, then destroy: what is half done is refused by the mark, and done again."""
    with transaction.atomic(durable=True):
        held = DatasetVersion.objects.select_for_update().get(pk=version.pk)
        if held.destroyed_at is None:
            DatasetVersion.objects.filter(pk=held.pk).update(destroyed_at=timezone.now())
            facts = {"dataset": str(held.dataset_id), "version": str(held.pk), "reason": reason}
            events.record(action="privacy:version:destroyed", by=by, subject=f"dataset:{held.dataset_id}", facts=facts)
    exact_counts.destroy_of(version)
    with locks.alone(places.wrapped_keys()):
        wrapping.destroy(places.wrapped_key(version.pk))
    with contextlib.suppress(PermissionError):  # whoever sweeps may not reach the sealed rows, which nothing opens now
        places.discard(version.pk)
