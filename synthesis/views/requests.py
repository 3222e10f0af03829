"""Asking for a synthetic table: the list, the form, one request, and the steps its table allows."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from audit.workflow import Action
from privacy import selectors as privacy
from privacy.plans import MeasurementPlan
from synthesis import expecting, linting, policies, reusing, selectors, services, suggestions, wishes
from synthesis.forms import PriceForm, RequestFilter, RequestForm, add_refusal, initial_of, lines_of
from synthesis.models import SynthesisRequest
from synthesis.states import RequestState
from synthesis.transitions import allowed_actions, check
from synthesis.views.common import told_when_too_late, visible_request
from synthesis.views.review_steps import standing_of
from synthesis.views.steps import STEPS
from synthesis.workflow import ASK, BEFORE_MEASURING

PAGE = 25
ASIDE = (
    "withdraw",
    "return",
    "revoke",
    "recall",
    "take_back",
    "claim",
    "condition",
)  # offered last and more quietly: they lead away from the goal
GATE_OF_ACTION = {"condition": "measure", "vote_measure": "measure", "vote_egress": "egress", "vote_output": "output"}


@require_safe
def request_list(http: HttpRequest) -> HttpResponse:
    filters = RequestFilter(http.GET, user=http.user)
    found = selectors.visible_to(http.user).filter(**filters.chosen())
    page = selectors.page_of(found, http.GET.get("page"), size=PAGE)
    return render(http, "synthesis/request_list.html", {"filters": filters, "page": page, "filtered": filters.chosen()})


@require_safe
def requests_of_dataset(http: HttpRequest, dataset: UUID) -> HttpResponse:
    """The part of a dataset's page that is about requests; asked for by that page, which is in another room."""
    found = selectors.visible_to(http.user).filter(dataset=dataset)
    context = {"dataset": dataset, "found": found[:5], "count": found.count(), "released": released_of(http, dataset)}
    return render(http, "synthesis/requests_of_dataset.html", context)


def released_of(http: HttpRequest, dataset: UUID) -> list[SynthesisRequest]:
    """What a researcher may ask for a table of without any further loss: when it was released and what it cost.

    Who asked for it, and what for, is another project's business.
    """
    shown = privacy.visible_dataset(http.user, dataset) if http.user.has_perm(ASK) else None
    return list(reusing.on_offer(shown)[: reusing.SHOWN]) if shown else []


@require_http_methods(["GET", "HEAD", "POST"])
def request_new(http: HttpRequest) -> HttpResponse:
    if not http.user.has_perm(ASK):
        raise PermissionDenied("Only researchers ask for synthetic tables.")
    started = wished(http)
    held = started["dataset"] if "reused_id" in started else None
    form = RequestForm(http.POST or None, user=http.user, dataset=held, initial=started)
    if http.method == "POST" and form.is_valid():
        try:
            made = services.create_request(by=http.user, **form.cleaned_data)
            return redirect("request-detail", made.pk)
        except ValidationError as refusal:
            add_refusal(form, refusal)
    return render(http, "synthesis/request_form.html", {"form": form, "paid": paid_for(form)})


def paid_for(form: RequestForm) -> SynthesisRequest | None:
    """The request that paid for the statistics to be used again, where the form names any that can be."""
    try:
        release, dataset = UUID(str(form["reused_id"].value())), form.initial.get("dataset")
        return reusing.payer(dataset, release) if dataset else None
    except (ValueError, ValidationError):
        return None


def wished(http: HttpRequest) -> dict[str, Any]:
    """What a new request starts from: the dataset one came from, the delta its owner declared, statistics to use."""
    try:
        dataset = privacy.visible_dataset(http.user, UUID(http.GET.get("dataset", "")))
    except ValueError:
        return {}
    if dataset is None:
        return {}
    found = {"dataset": dataset, "delta": f"{privacy.schema(dataset).delta:g}"}
    try:
        release = UUID(http.GET.get("release", ""))
        return found | {"reused_id": release} | reusing.terms(dataset, release)
    except (ValueError, ValidationError):
        return found


@require_http_methods(["GET", "HEAD", "POST"])
@told_when_too_late
def request_edit(http: HttpRequest, pk: UUID) -> HttpResponse:
    request = visible_request(http, pk)
    check(request, "submit", http.user)
    form = RequestForm(http.POST or None, user=http.user, dataset=request.dataset, initial=initial_of(request))
    if http.method == "POST" and form.is_valid():
        try:
            fields = {name: value for name, value in form.cleaned_data.items() if name != "dataset"}
            services.edit_request(by=http.user, request=request, **fields)
            return redirect("request-detail", pk)
        except ValidationError as refusal:
            add_refusal(form, refusal)
    return render(http, "synthesis/request_form.html", {"form": form, "request_": request, "paid": paid_for(form)})


@require_safe
def request_price(http: HttpRequest) -> HttpResponse:
    """What the epsilon being typed would mean, for the form; nothing is kept."""
    form, dataset = PriceForm(http.GET), wished(http).get("dataset")
    context: dict[str, Any] = {}
    if form.is_valid():
        try:
            asked = wishes.priced(**form.cleaned_data, dataset=dataset)
            context = {"rho": asked, **form.cleaned_data}
            context |= expected(dataset, http.GET.get("targets", ""), asked) if dataset else {}
        except ValidationError as refusal:
            context = {"problem": " ".join(refusal.messages)}
    return render(http, "synthesis/price.html", context)


def expected(dataset: Any, targets: str, rho: Decimal) -> dict[str, Any]:
    """How far off counts would be: from the plan alone, so that a slider may ask as often as it moves."""
    schema, wanted = privacy.schema(dataset), lines_of(targets)
    if schema.related is not None:  # whose shares of rho follow from released sizes, so that no plan foretells them
        return {"unit": schema.unit_in_words, "meaning": schema.unit_meaning}
    public = {column.name for column in privacy.dictionary(dataset, public_only=True)}
    known = public.issuperset(wanted)  # a name that is not public is answered like one that nobody declared
    asked = MeasurementPlan.from_json(privacy.plan(dataset, wanted if known else ()))
    found = expecting.margins(asked, schema.domain, schema.unit, rho=rho)
    told = {"margins": found, "rows": expecting.ROWS, "unknown_target": not known}
    return told | {"unit": schema.unit_in_words, "meaning": schema.unit_meaning}


@require_safe
def request_detail(http: HttpRequest, pk: UUID) -> HttpResponse:
    request = visible_request(http, pk)
    return render(http, "synthesis/request_detail.html", detail_context(http, request))


def detail_context(http: HttpRequest, request: SynthesisRequest) -> dict[str, Any]:
    user = http.user
    actions = [action for action in allowed_actions(request, user) if action.reason != "permission"]
    suggested = request.suggested_rules.exists()
    actions = [action for action in actions if suggested or action.name != suggestions.DECIDE]
    return frame(request, user) | {
        "suggested": suggested,
        "steps": sorted((offer(request, action) for action in actions), key=lambda step: step["aside"]),
        "votes": selectors.votes_shown(request),
        "budget": privacy.budget(request.dataset.population_id) if user.has_perm("privacy.view_ledger") else None,
        "advice": linting.findings(request) if may_change(request, user) else [],
        **standing_of(request, user),
        "may_edit": any(action.name == "submit" and action.allowed for action in actions),
        "may_see_prompts": policies.may_see_prompts(request, user) and hasattr(request, "run"),
        "may_compare": policies.may_compare(request, user),
        "may_download": policies.may_download(request, user),
    }


def may_change(request: SynthesisRequest, user: Any) -> bool:
    return policies.is_requester(request, user) and request.state in (RequestState.DRAFT, RequestState.RETURNED)


def frame(request: SynthesisRequest, user: Any) -> dict[str, Any]:
    """What the head and the side of every page of a request show."""
    return {
        "request_": request,
        "dataset_title": privacy.title(request.dataset),
        "stages": selectors.stages(request),
        "whose_move": selectors.whose_move(request),
        "my_move": selectors.is_my_move(request, user),
        "open_gate": policies.open_gate(request),
        **protected(request),
        "counted": request.state not in BEFORE_MEASURING,
        "reviewer": user.has_perm("synthesis.view_request"),
        "note": selectors.note_for(request, user),
        "outside": not policies.is_open_to(request, request.requester),
    }


def protected(request: SynthesisRequest) -> dict[str, str]:
    """Whose presence is hidden: as a rule, and in the owner's words for one of them."""
    return {"unit": privacy.unit_in_words(request.dataset), "meaning": privacy.schema(request.dataset).unit_meaning}


def offer(request: SynthesisRequest, action: Action) -> dict[str, Any]:
    """An action as a button: where it leads, or why it is closed to this person."""
    gate = GATE_OF_ACTION.get(action.name)
    step = reverse("request-step", args=[request.pk, action.name])
    return {
        "name": action.name,
        "label": action.label,
        "aside": action.name in ASIDE,
        "url": reverse("request-gate", args=[request.pk, gate]) if gate else rules_page(request, action) or step,
        "allowed": action.allowed,
        "denial": action.denial,
    }


def rules_page(request: SynthesisRequest, action: Action) -> str:
    return reverse("request-rules", args=[request.pk]) if action.name == suggestions.DECIDE else ""


@require_http_methods(["GET", "HEAD", "POST"])
@told_when_too_late
def request_step(http: HttpRequest, pk: UUID, action: str) -> HttpResponse:
    request = visible_request(http, pk)
    if action not in STEPS:
        raise Http404("There is no such step.")
    step = STEPS[action]
    check(request, action, http.user)
    form = (step.form or forms.Form)(http.POST or None)
    if http.method == "POST" and (form.is_valid() or step.form is None):
        try:
            step.take(by=http.user, request=request, **getattr(form, "cleaned_data", {}))
            messages.success(http, step.done)
            return redirect("request-detail", pk)
        except ValidationError as refusal:
            add_refusal(form, refusal)
    context: dict[str, Any] = {"step": step, "form": form, "request_": request}
    if action == "submit":
        context |= {"advice": linting.findings(request), "waiver": privacy.standing_waiver(request.dataset)}
        context |= protected(request)
    return render(http, "synthesis/step.html", context)
