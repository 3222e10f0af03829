"""The page that tells administrators how the machines are."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from llmsynthor_site import health

WATCH = "llmsynthor_site.watch_machines"


@require_safe
@never_cache
def health_page(http: HttpRequest) -> HttpResponse:
    if not http.user.has_perm(WATCH):
        raise PermissionDenied("How the machines are is for administrators.")
    return render(http, "health.html", health.standing())
