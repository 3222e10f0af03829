"""How long a version's raw rows can be read: until its owner destroys its key, or a day set in advance comes."""

from __future__ import annotations

import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from audit import events
from audit.actors import SYSTEM, actor
from privacy import locks, places, policies, wrapping
from privacy.errors import PrivacyError
from privacy.models import DatasetVersion


@transaction.atomic
def keep_until(*, by: Any, version: DatasetVersion, day: datetime.date) -> None:
    """Set the last day on which this version may be measured. PrivacyError for a day that has passed."""
    policies.require(policies.may_upload(by, version.dataset), "Only the dataset's owner says how long it is kept.")
    if day < timezone.localdate():
        raise PrivacyError("the last day of a version must not lie in the past")
    DatasetVersion.objects.filter(pk=version.pk).update(keep_until=day)
    facts = {"dataset": str(version.dataset_id), "version": str(version.pk), "day": day.isoformat()}
    events.record(
        action="privacy:version:retention_set", by=actor(by), subject=f"dataset:{version.dataset_id}", facts=facts
    )


def destroy_version(*, by: Any, version: DatasetVersion, reason: str) -> None:
    """Destroy a version's key: nobody can read its rows again. What was released from it before stays released."""
    policies.require(policies.may_upload(by, version.dataset), "Only the dataset's owner destroys a version.")
    if not reason.strip():
        raise PrivacyError("destroying a version needs a reason, which stands in the log")
    _destroy(version, by=actor(by), reason=reason.strip()[:500])


def destroy_expired() -> int:
    """Destroy every version whose last day has passed; how many."""
    over = DatasetVersion.objects.filter(keep_until__lt=timezone.localdate(), destroyed_at=None)
    for version in over:
        _destroy(version, by=SYSTEM, reason="its retention ended")
    return len(over)


def _destroy(version: DatasetVersion, *, by: str, reason: str) -> None:
    """First mark it and say so, then destroy: what is half done is refused by the mark, and done again."""
    with transaction.atomic(durable=True):
        held = DatasetVersion.objects.select_for_update().get(pk=version.pk)
        if held.destroyed_at is None:
            DatasetVersion.objects.filter(pk=held.pk).update(destroyed_at=timezone.now())
            facts = {"dataset": str(held.dataset_id), "version": str(held.pk), "reason": reason}
            events.record(action="privacy:version:destroyed", by=by, subject=f"dataset:{held.dataset_id}", facts=facts)
    with locks.alone(places.wrapped_keys()):
        wrapping.destroy(places.wrapped_key(version.pk))
    places.discard(version.pk)
