"""Rules that a language model suggested: all of one request, and the decision on one of them."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from synthesis import policies, suggestions
from synthesis.forms import RuleForm, add_refusal
from synthesis.models import SynthesisRequest
from synthesis.states import RequestState as S
from synthesis.suggestions import DECIDE, Decision
from synthesis.transitions import check
from synthesis.views.common import reviewed_request, told_when_too_late
from synthesis.views.requests import frame
from synthesis.workflow import REVIEW, RULES_CLOSED

BEFORE = (S.STRUCTURING, S.RESERVED, S.MEASURING)


@require_safe
def rule_list(http: HttpRequest, pk: UUID) -> HttpResponse:
    request = reviewed_request(http, pk)
    found = list(request.suggested_rules.select_related("decided_by"))
    if not found:
        raise Http404("No model suggested a rule for this request.")
    may = http.user.has_perm(REVIEW) and policies.may_decide_rules(request, http.user)
    context = {
        "suggested": found,
        "decidable": may and request.state == S.MEASURED,
        "undecided": any(not one.decision for one in found),
        "early": request.state in BEFORE,
        "denial": RULES_CLOSED,
        "declared": request.snapshot.get("rules", []),
    }
    return render(http, "synthesis/rule_list.html", frame(request, http.user) | context)


@require_http_methods(["GET", "HEAD", "POST"])
@told_when_too_late
def rule_decide(http: HttpRequest, pk: UUID, number: int, decision: str) -> HttpResponse:
    """The confirmation page of one decision."""
    request = reviewed_request(http, pk)
    rule = get_object_or_404(request.suggested_rules, number=number)
    if decision not in Decision.values:
        raise Http404("A rule is accepted or rejected.")
    check(request, DECIDE, http.user)
    form = RuleForm(http.POST or None)
    if http.method == "POST" and form.is_valid():
        try:
            return decided(http, request, number, Decision(decision), form)
        except ValidationError as refusal:
            add_refusal(form, refusal)
    told = {"request_": request, "rule": rule, "decision": decision, "verb": Decision(decision).label, "form": form}
    return render(http, "synthesis/rule_decide.html", told)


def decided(
    http: HttpRequest, request: SynthesisRequest, number: int, decision: Decision, form: RuleForm
) -> HttpResponse:
    suggestions.decide(by=http.user, request=request, number=number, decision=decision, **form.cleaned_data)
    messages.success(http, "Your decision is recorded.")
    return redirect("request-rules", request.pk)
