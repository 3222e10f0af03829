"""Asking for a table from statistics that were let out before: no row is read again, and nothing is charged.

Differential privacy is closed under post-processing: whatever is made of a release is covered by what that release
cost. So a request may take a finished release of its dataset's newest version, and goes from gate A straight to
gate B. It tells the same epsilon, delta and rho as the request that paid for them.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db.models import QuerySet

from privacy import selectors
from synthesis.models import SynthesisRequest
from synthesis.states import RequestState

SHOWN = 10


def on_offer(dataset: Any) -> QuerySet[SynthesisRequest]:
    """The requests that paid for the dataset's reusable releases, newest first.

    Not those that were recalled: something was found wrong, and what it was may lie in the statistics.
    """
    found = SynthesisRequest.objects.filter(release__in=selectors.reusable(dataset), reused=None)
    found = found.exclude(state=RequestState.RECALLED)
    return found.select_related("release", "waiver__signed_by").defer("snapshot").order_by("-release__finished_at")


def payer(dataset: Any, release: UUID) -> SynthesisRequest:
    """The request that paid for this release; ValidationError where it cannot be used again."""
    found = on_offer(dataset).filter(release=release).first()
    if found is None:
        rule = "only finished statistics of the newest version of the same dataset, not recalled, can be used again"
        raise ValidationError({"reused_id": f"{rule}. Choose others, or have it measured anew."})
    return found


def terms(dataset: Any, release: UUID) -> dict[str, Any]:
    """What a request that uses this release says of its privacy loss: what was paid then."""
    paid = payer(dataset, release)
    return {"epsilon": paid.epsilon, "delta": paid.delta, "rho": paid.rho}


def facts_of(request: SynthesisRequest) -> dict[str, Any] | None:
    """What stewards approve of it at gate A; None where the data are measured anew."""
    if request.reused_id is None:
        return None
    paid = payer(request.dataset, request.reused_id)
    waiver = paid.waiver.as_json() if paid.waiver else None
    return {"release": str(request.reused_id), "paid_by": str(paid.pk), "one_steward": waiver}


def measured_under(request: SynthesisRequest) -> dict[str, Any] | None:
    """The waiver under which what is used again was measured, as it stood when this was submitted."""
    reused: dict[str, Any] = request.snapshot.get("reused") or {}
    return reused.get("one_steward")
