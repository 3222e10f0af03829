"""The run while it happens, and the prompts it sent."""

from __future__ import annotations

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
from synthesis import policies, selectors
from synthesis.models import SynthesisRequest
from synthesis.states import RequestState as S
from synthesis.views.common import visible_request
from synthesis.views.requests import frame

PAGE = 50
WORKING = (S.APPROVED, S.RESERVED, S.MEASURING, S.SYNTHESISING)


def progress(request: SynthesisRequest) -> dict[str, Any]:
    """What the live part shows; while statistics are measured, only that they are."""
    run = getattr(request, "run", None)
    return {
        "request_": request,
        "live": request.state in WORKING,
        "iterations": selectors.iterations(run) if run else [],
        "run": run,
    }


@require_safe
def run_page(http: HttpRequest, pk: UUID) -> HttpResponse:
    request = visible_request(http, pk)
    return render(http, "synthesis/run.html", frame(request, http.user) | progress(request))


@require_safe
@never_cache
def run_progress(http: HttpRequest, pk: UUID) -> HttpResponse:
    """The live part alone, asked for each second; once nothing moves any more it no longer asks again."""
    request = visible_request(http, pk)
    return render(http, "synthesis/progress.html", frame(request, http.user) | progress(request) | {"htmx": True})


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
    context = {"request_": request, "page": page, "prompts": page.object_list}
    return render(http, "synthesis/prompt_list.html", context)


@require_safe
def prompt_page(http: HttpRequest, pk: UUID, intent: str) -> HttpResponse:
    """One prompt of this run, every number of it marked with where it came from."""
    request = run_with_prompts(http, pk)
    record = get_object_or_404(audit.prompts_of(str(request.run.pk)), intent_id=intent)
    steps = audit.run_tree(record.run, address=lambda one: reverse("request-prompt", args=[pk, one.intent_id]))
    shown = audit.viewer(record, steps, compared=http.GET.get("show") == "changes")
    return render(http, "synthesis/prompt.html", {"request_": request, **shown})
