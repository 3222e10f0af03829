"""The run while it happens, and the prompts it sent."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from audit import selectors as audit
from privacy import selectors as privacy
from synthesis import policies, selectors
from synthesis.models import SynthesisRequest
from synthesis.states import RequestState as S
from synthesis.transitions import allowed_actions
from synthesis.views.common import visible_request
from synthesis.views.requests import frame, offer

PAGE = 100  # prompts; those about texts may be many
CONTROLS = ("stop", "resume", "withdraw")
WORKING = (S.APPROVED, S.STRUCTURING, S.RESERVED, S.MEASURING, S.SYNTHESISING, S.COMPARING)


def progress(request: SynthesisRequest, user: Any) -> dict[str, Any]:
    """What the live part shows; while statistics are measured, only that they are."""
    run = getattr(request, "run", None)
    return {
        "request_": request,
        "live": request.state in WORKING,
        "iterations": selectors.iterations(run) if run else [],
        "run": run,
        "what_if": selectors.told(run, "what_if") if run else None,
        "inference": getattr(run, "inference", None),
        "bought": bought(request, user),
        "controls": controls(request, user),
    }


def controls(request: SynthesisRequest, user: Any) -> list[dict[str, Any]]:
    """The steps that end or resume a run, for those who may take them."""
    return [offer(request, one) for one in allowed_actions(request, user) if one.name in CONTROLS and one.allowed]


def bought(request: SynthesisRequest, user: Any) -> list[dict[str, Any]]:
    """The released tables, the dearest first, as gate B lists them; none while measuring is not complete.

    Who reviews reads every column's name; others read names that the owner made public, and codes for the rest.
    """
    if not hasattr(request, "manifest"):
        return []
    known = privacy.columns(request.dataset)
    names = {name: f"c{place:02d}" for place, name in enumerate(known.names, start=1) if not known.is_public(name)}
    hidden = {} if user.has_perm("synthesis.view_request") else names
    found = sorted(request.manifest.body["statistics"], key=lambda one: -Decimal(one["rho"]))
    return [one | {"columns": [hidden.get(name, name) for name in one["columns"]]} for one in found]


@require_safe
def run_page(http: HttpRequest, pk: UUID) -> HttpResponse:
    request = visible_request(http, pk)
    return render(http, "synthesis/run.html", frame(request, http.user) | progress(request, http.user))


@require_safe
@never_cache
def run_progress(http: HttpRequest, pk: UUID) -> HttpResponse:
    """The live part alone, asked for each second; once nothing moves any more it no longer asks again."""
    request = visible_request(http, pk)
    context = frame(request, http.user) | progress(request, http.user) | {"htmx": True}
    return render(http, "synthesis/progress.html", context)


def run_with_prompts(http: HttpRequest, pk: UUID) -> SynthesisRequest:
    request = visible_request(http, pk)
    if not policies.may_see_prompts(request, http.user):
        raise PermissionDenied("Prompts and answers are for stewards and auditors until the package is released.")
    if not hasattr(request, "run"):
        raise Http404("Nothing was sent yet.")
    return request


@require_safe
def prompt_list(http: HttpRequest, pk: UUID) -> HttpResponse:
    request = run_with_prompts(http, pk)
    page = Paginator(audit.prompts_of(str(request.run.pk)), PAGE).get_page(http.GET.get("page"))
    return render(http, "synthesis/prompt_list.html", {"request_": request, "page": page})


@require_safe
def prompt_page(http: HttpRequest, pk: UUID, intent: str) -> HttpResponse:
    """One prompt of this run, every number of it marked with where it came from."""
    request = run_with_prompts(http, pk)
    record = get_object_or_404(audit.prompts_of(str(request.run.pk)), intent_id=intent)
    steps = audit.run_tree(record.run, address=lambda one: reverse("request-prompt", args=[pk, one.intent_id]))
    shown = audit.viewer(record, steps, compared=http.GET.get("show") == "changes")
    return render(http, "synthesis/prompt.html", {"request_": request, **shown})
