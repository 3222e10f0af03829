"""Endpoints: where language models answer, and what is known of each."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from synthesis import probe_words, probing, services
from synthesis.models import Endpoint, Probe

SHOWN, PAGE = 20, 25
READERS = (services.MANAGE, "synthesis.view_request", "synthesis.make_request")


def may_see(http: HttpRequest) -> None:
    if not any(http.user.has_perm(permission) for permission in READERS):
        raise PermissionDenied("Endpoints are shown to people with a role.")


@require_safe
def endpoint_list(http: HttpRequest) -> HttpResponse:
    may_see(http)
    page = Paginator(Endpoint.with_newest_probe(), PAGE).get_page(http.GET.get("page"))
    probes = Probe.objects.in_bulk([one.newest for one in page if one.newest])
    found = [{"endpoint": one, "probe": probes.get(one.newest)} for one in page]
    return render(http, "synthesis/endpoint_list.html", {"page": page, "endpoints": found})


@require_safe
def endpoint_page(http: HttpRequest, number: int) -> HttpResponse:
    may_see(http)
    return render(http, "synthesis/endpoint.html", shown(get_object_or_404(Endpoint, pk=number)))


def shown(endpoint: Endpoint) -> dict[str, Any]:
    probes = list(endpoint.probes.all()[:SHOWN])
    latest = next((probe for probe in probes if probe.finished_at), None)
    return {
        "endpoint": endpoint,
        "under_way": next((probe for probe in probes if not probe.finished_at), None),
        "latest": latest,
        "findings": probe_words.in_words(latest.found) if latest and latest.found.get("answers") else (),
        "moved": latest is not None and (latest.address, latest.model) != (endpoint.base_url, endpoint.model),
        "earlier": [probe for probe in probes if probe.finished_at and probe != latest],
        "most": probing.most(endpoint),
    }


@require_POST
def endpoint_probe(http: HttpRequest, number: int) -> HttpResponse:
    endpoint = get_object_or_404(Endpoint, pk=number)
    try:
        services.probe_endpoint(by=http.user, endpoint=endpoint)
        messages.success(http, "The probe is on its way. This page follows by itself.")
    except ValidationError as refusal:
        messages.warning(http, " ".join(refusal.messages))
    return redirect("endpoint", number)
