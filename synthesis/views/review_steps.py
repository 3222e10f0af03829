"""Steps of the review and of the time after a release, each on a confirmation page, and what the gates show of them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from synthesis import policies, reviewing, rounds
from synthesis.forms import LINES, add_refusal
from synthesis.models import SynthesisRequest
from synthesis.transitions import check
from synthesis.views.common import reviewed_request, told_when_too_late

SHOWN = 10


class ConditionForm(forms.Form):
    seen = forms.RegexField(r"^[0-9a-f]{64}$", widget=forms.HiddenInput)
    text = forms.CharField(
        max_length=2000, widget=LINES, label="The condition",
        help_text="The requester reads exactly this, and accepts it or takes the request back.",
    )  # fmt: skip


@require_http_methods(["GET", "HEAD", "POST"])
@told_when_too_late
def condition_page(http: HttpRequest, pk: UUID) -> HttpResponse:
    """The confirmation page of a conditional approval. The hash of what was on the gate page travels with it."""
    request = reviewed_request(http, pk)
    check(request, "condition", http.user)
    form = ConditionForm(http.POST or None, initial=http.GET.dict())
    if http.method == "POST" and form.is_valid():
        try:
            reviewing.state_condition(by=http.user, request=request, **form.cleaned_data)
            messages.success(http, "The requester is asked to accept your condition.")
            return redirect("request-gate", pk, "measure")
        except ValidationError as refusal:
            add_refusal(form, refusal)
    return render(http, "synthesis/condition.html", {"request_": request, "form": form})


def review_of(request: SynthesisRequest) -> dict[str, Any]:
    """What the measuring gate shows beside the request: what changed since it came back, and earlier releases."""
    submitted = list(request.submissions.all())
    earlier = submitted[-2] if len(submitted) > 1 else None
    return {
        "earlier": earlier,
        "rounds": submitted[:-1],
        "changes": rounds.changes(earlier.snapshot, request.snapshot) if earlier else [],
        "releases": released_before(request),
    }


def released_before(request: SynthesisRequest) -> list[SynthesisRequest]:
    """Requests about the same dataset that were measured already, newest first."""
    found = SynthesisRequest.objects.filter(dataset=request.dataset_id, release__isnull=False).exclude(pk=request.pk)
    return list(found.select_related("requester").defer("snapshot")[:SHOWN])


def standing_of(request: SynthesisRequest, user: Any) -> dict[str, Any]:
    """Who says that they look at it, conditions that wait for the requester, and who knows of a recall."""
    claim = getattr(request, "claim", None)
    told = policies.is_requester(request, user) and request.state == "in_review"
    reviews = user.has_perm("synthesis.view_request")
    recalled = request.state == "recalled" and reviews
    return {
        "claim": claim if reviews and claim and claim.stands and policies.open_gate(request) else None,
        "conditions": list(policies.open_conditions(request)) if told else [],
        "recalled": list(reviewing.grants_on(request).select_related("user")) if recalled else [],
    }
