"""One-steward mode: a dataset's owner signs a waiver of the second steward, and may end it at any time."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from audit import events
from audit.actors import actor
from privacy import policies
from privacy.models import Dataset, StewardWaiver
from privacy.waiver_text import WAIVER_TEXT, WAIVER_VERSION, digest

OWNER = "A dataset's owner alone signs and ends its waiver, and not in the 24 hours after others reset their password."


@transaction.atomic
def sign(*, by: Any, dataset: Dataset, seen: str, reason: str) -> StewardWaiver:
    """Sign the words whose SHA-256 is ``seen``. Signing what stands already changes nothing.

    ValidationError where other words were shown than are in force now, or without a reason.
    """
    dataset = Dataset.objects.select_for_update().get(pk=dataset.pk)
    policies.require(policies.may_waive(by, dataset), OWNER)
    if standing := dataset.waivers.filter(ended_at=None).first():
        return standing
    if seen != digest():
        raise ValidationError("The words have changed since this page was loaded. Read them again.")
    made = StewardWaiver.objects.create(
        dataset=dataset, version=WAIVER_VERSION, text=WAIVER_TEXT, reason=said(reason), signed_by=by
    )
    facts = {"text_version": made.version, "text_sha256": made.text_sha256, "reason": made.reason}
    _tell(made, "signed", by, facts)
    return made


@transaction.atomic
def end(*, by: Any, waiver: StewardWaiver, reason: str) -> StewardWaiver:
    """Two stewards decide again, at every gate that has not decided yet. Ending what has ended changes nothing."""
    held = StewardWaiver.objects.select_for_update().select_related("dataset").get(pk=waiver.pk)
    policies.require(policies.may_waive(by, held.dataset), OWNER)
    if not held.stands:
        return held
    held.ended_by, held.ended_at, held.end_reason = by, timezone.now(), said(reason)
    held.save(update_fields=["ended_by", "ended_at", "end_reason"])
    _tell(held, "ended", by, {"reason": held.end_reason})
    return held


def said(reason: str) -> str:
    if not reason.strip():
        raise ValidationError({"reason": "Say why: it stays in the log, and every auditor reads it."})
    return reason.strip()


def _tell(waiver: StewardWaiver, what: str, by: Any, facts: dict[str, Any]) -> None:
    told = {"waiver": str(waiver.pk), "dataset": str(waiver.dataset_id), **facts}
    events.record(action=f"privacy:waiver:{what}", by=actor(by), subject=f"dataset:{waiver.dataset_id}", facts=told)
