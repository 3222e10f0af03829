"""What the review and the time after a release add to the plain way of a request.

As in services: keyword-only, by whom, one transaction, one event.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from audit.actors import actor
from synthesis import ballots, policies
from synthesis.hashing import hash_of
from synthesis.models import Claim, Condition, DownloadGrant, SynthesisRequest
from synthesis.services import decide, locked
from synthesis.states import Decision, Gate
from synthesis.states import RequestState as S
from synthesis.transitions import SYSTEM, check, move
from synthesis.workflow import UNDECIDED

CLAIMED = timedelta(hours=48)
LAPSES = timedelta(days=180)
"""A request on which nobody decides, or that its author does not submit again, ends after so long."""


@transaction.atomic
def claim(*, by: Any, request: SynthesisRequest) -> SynthesisRequest:
    """Say that one is looking at it, for CLAIMED; others may still vote."""
    move(request, "claim", by=by)
    Claim.objects.update_or_create(request=request, defaults={"steward": by, "until": timezone.now() + CLAIMED})
    return request


@transaction.atomic
def state_condition(*, by: Any, request: SynthesisRequest, text: str, seen: str) -> Condition:
    """Approve at gate A on a condition, which the requester reads. It is no vote until they accept it."""
    request = locked(request)
    check(request, "condition", by)
    if seen != policies.content_hash(request, Gate.MEASURE):
        raise ValidationError("What you were shown has changed since. Reload the page and look again.")
    if not text.strip():
        raise ValidationError({"text": "Say what the approval depends on; the requester will read it."})
    move(request, "condition", by=by, facts={"content_hash": seen, "condition_sha256": hash_of(text.strip())})
    return Condition.objects.create(
        request=request, round=request.round, steward=by, text=text.strip(), content_hash=seen
    )


@transaction.atomic
def accept_conditions(*, by: Any, request: SynthesisRequest) -> SynthesisRequest:
    """Accept every condition that stands: each becomes the vote of the steward who stated it."""
    request = locked(request)
    check(request, "accept", by)
    accepted = list(policies.open_conditions(request).select_related("steward"))
    move(request, "accept", by=by, facts={"condition_sha256": [hash_of(one.text) for one in accepted]})
    for one in accepted:
        cast_on(request, one)
    decide(request, Gate.MEASURE, request.content_hash)
    return request


def cast_on(request: SynthesisRequest, condition: Condition) -> None:
    """The vote that a condition was, from its acceptance on."""
    Condition.objects.filter(pk=condition.pk).update(accepted_at=timezone.now())
    ballots.cast(
        request=request, gate=Gate.MEASURE, round=condition.round, voter=condition.steward,
        decision=Decision.APPROVE, comment=f"On a condition, which was accepted: {condition.text}",
        content_hash=condition.content_hash, told={"condition_sha256": hash_of(condition.text)},
    )  # fmt: skip


def take_back(*, by: Any, request: SynthesisRequest) -> SynthesisRequest:
    """The requester has it back to change it; votes and conditions of this round no longer count."""
    return move(request, "take_back", by=by)


@transaction.atomic
def recall(*, by: Any, request: SynthesisRequest, reason: str) -> SynthesisRequest:
    """End every grant and ask each person who had one to say that they know: copies may be in use."""
    if not reason.strip():
        raise ValidationError({"reason": "Say why it is recalled; everyone who downloaded it will read it."})
    move(request, "recall", by=by, facts={"reason_sha256": hash_of(reason)})
    SynthesisRequest.objects.filter(pk=request.pk).update(note=reason)
    grants_on(request).filter(revoked_at=None).update(revoked_at=timezone.now())
    return request


def grants_on(request: SynthesisRequest) -> Any:
    return DownloadGrant.objects.filter(package__run__request=request)


@transaction.atomic
def acknowledge(*, by: Any, request: SynthesisRequest) -> SynthesisRequest:
    """Say that one knows of the recall and has stopped using every copy."""
    move(request, "acknowledge", by=by, facts={"user": actor(by)})
    grants_on(request).filter(user=by, acknowledged_at=None).update(acknowledged_at=timezone.now())
    return request


@transaction.atomic
def ask_renewal(*, by: Any, request: SynthesisRequest, reason: str) -> SynthesisRequest:
    """Ask for the same package for another while: gate C decides again, in a round of its own."""
    if not reason.strip():
        raise ValidationError({"reason": "Say what it is still needed for; the stewards will read it."})
    move(request, "renew", by=by, facts={"reason_sha256": hash_of(reason)})
    counted = {"renewals": F("renewals") + 1, "round": F("round") + 1, "note": reason}
    SynthesisRequest.objects.filter(pk=request.pk).update(**counted)
    return request


def expire() -> int:
    """End every release whose grants are over; how many there were."""
    now = timezone.now()
    over = DownloadGrant.objects.filter(package__run__request__state=S.RELEASED, expires_at__lt=now, revoked_at=None)
    found = SynthesisRequest.objects.filter(pk__in=over.values("package__run__request"))
    return sum(bool(move(request, "expire", by=SYSTEM)) for request in found[:100])


def lapse() -> int:
    """End requests on which nobody decided for LAPSES; what was measured stays paid for."""
    found = SynthesisRequest.objects.filter(state__in=UNDECIDED, since__lt=timezone.now() - LAPSES)
    return sum(bool(move(request, "lapse", by=SYSTEM)) for request in found[:100])
