"""The three gates: what a steward is shown, and the vote."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from privacy import selectors as privacy
from privacy.duo_advice import advise
from synthesis import disclosures, envelope, policies, reusing, selectors, services
from synthesis.forms import VoteForm, add_refusal
from synthesis.models import SynthesisRequest
from synthesis.states import Decision, Gate
from synthesis.transitions import allowed_actions, check
from synthesis.views import structure_pages
from synthesis.views.common import reviewed_request, told_when_too_late
from synthesis.views.requests import frame, offer, protected
from synthesis.views.review_steps import review_of, standing_of
from synthesis.views.simulations import simulation_of


def gate_named(name: str) -> Gate:
    try:
        return Gate(name)
    except ValueError:
        raise Http404("There is no such gate.") from None


@require_safe
def gate_page(http: HttpRequest, pk: UUID, gate: str) -> HttpResponse:
    request, at = reviewed_request(http, pk), gate_named(gate)
    shown = SHOWN[at](request)
    if shown is None:
        raise Http404("The request has not come to this gate.")
    if at == Gate.OUTPUT and policies.may_see_exact(request, http.user):
        shown |= {"may_see_exact": True, "exact": disclosures.exact(request)}
    return render(http, f"synthesis/gate_{at}.html", frame(request, http.user) | decision(http, request, at) | shown)


def decision(http: HttpRequest, request: SynthesisRequest, at: Gate) -> dict[str, Any]:
    """The foot of a gate page: the vote this person may cast, has cast, or may not cast and why."""
    open_here = policies.open_gate(request) == at
    offers = [offer(request, action) for action in allowed_actions(request, http.user)]
    votes = [vote for vote in selectors.votes_shown(request) if vote.gate == at]
    return {
        "gate": at,
        "open_here": open_here,
        "vote": next((one for one in offers if one["name"] == f"vote_{at}"), None) if open_here else None,
        "condition": next((one for one in offers if one["name"] == "condition" and one["allowed"]), None),
        "claim_": next((one for one in offers if one["name"] == "claim" and one["allowed"]), None),
        "return_": next((one for one in offers if one["name"] == "return" and one["allowed"]), None),
        "my_vote": selectors.my_vote(request, at, http.user),
        **standing_of(request, http.user),
        "votes": votes,
        "votes_needed": policies.votes_needed(request, at),
        "seen": policies.content_hash(request, at),
    }


def shown_measure(request: SynthesisRequest) -> dict[str, Any] | None:
    if not request.content_hash:
        return None
    return {
        "budget": privacy.budget(request.dataset.population_id),
        "columns": privacy.dictionary(request.dataset),
        "rules": request.snapshot.get("rules", []),
        "uses": privacy.schema(request.dataset).uses.in_words(),
        "fits": advise(privacy.schema(request.dataset).uses.codes, request.use, request.use_by),
        **counted(request),
        "question": structure_pages.question(request),
        "paid": reusing.on_offer(request.dataset).filter(release=request.reused_id).first(),
        **review_of(request),
        **simulation_of(request),
    }


def counted(request: SynthesisRequest) -> dict[str, Any]:
    """What the page says of related tables: tables of two columns, and the votes that rows of a unit share."""
    related, plan = privacy.schema(request.dataset).related, request.snapshot["plan"]
    if related is None:
        return {"related": None}
    members = [each for each in plan["tied"] if each["size_column"] == related.size]
    leaves = [each for each in plan["tied"] if each["size_column"] != related.size]
    return {
        "related": related,
        "several": sum(len(axes) > 1 for axes in (*plan["fixed"], *(each["slots"][0] for each in members))),
        "shared": max(each["votes"] for each in members),
        "leaves_several": sum(len(each["slots"][0]) > 1 for each in leaves),
        "leaves_shared": sorted({each["votes"] for each in leaves}),
    }


def shown_egress(request: SynthesisRequest) -> dict[str, Any] | None:
    if not hasattr(request, "manifest"):
        return None
    texts = {template.sha256: template.text for template in envelope.wording(request)}
    body = request.manifest.body
    return {
        "manifest": body,
        "templates": [one | {"text": texts.get(one["sha256"], "")} for one in body["templates"]],
        "suggested": request.suggested_rules.all(),
        "probe": request.endpoint.probed if body["address"] and request.endpoint else None,
    }


def shown_output(request: SynthesisRequest) -> dict[str, Any] | None:
    run = getattr(request, "run", None)
    if run is None or not hasattr(run, "package"):
        return None
    return {
        "report": run.report,
        "package": run.package,
        "iterations": selectors.iterations(run),
        "distinct": run.handed_over.distinct if hasattr(run, "handed_over") else None,
    }


SHOWN = {Gate.MEASURE: shown_measure, Gate.EGRESS: shown_egress, Gate.OUTPUT: shown_output}


@require_http_methods(["GET", "HEAD", "POST"])
@told_when_too_late
def gate_decide(http: HttpRequest, pk: UUID, gate: str) -> HttpResponse:
    """The confirmation page of a vote. The hash of what was on the gate page travels with it."""
    request, at = reviewed_request(http, pk), gate_named(gate)
    check(request, f"vote_{at}", http.user)
    form = VoteForm(http.POST) if http.method == "POST" else VoteForm(initial=http.GET.dict())
    if form["decision"].value() not in Decision.values:
        raise Http404("A vote approves or rejects.")
    if form.is_valid():
        try:
            cast(http, request, at, form)
            return redirect("request-gate", pk, gate)
        except ValidationError as refusal:
            add_refusal(form, refusal)
    context = {"request_": request, "gate": at, "form": form, "decision": form["decision"].value()}
    context |= protected(request)
    return render(http, "synthesis/gate_decide.html", context)


def cast(http: HttpRequest, request: SynthesisRequest, at: Gate, form: VoteForm) -> None:
    given = form.cleaned_data
    services.vote(
        by=http.user,
        request=request,
        gate=at,
        decision=Decision(given["decision"]),
        comment=given["comment"],
        seen_hash=given["seen"],
    )
    messages.success(http, "Your vote is recorded.")
