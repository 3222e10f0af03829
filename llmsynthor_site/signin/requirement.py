"""Whoever decides, owns data, audits or administers has a second factor before anything else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from allauth.mfa.models import Authenticator
from django.conf import settings
from django.db.models import Exists, OuterRef
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect

from llmsynthor_site.models import RoleGrant

FIRST = "Set up a second factor first."
FACTORS = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)
OPEN = frozenset({
    "mfa_index", "mfa_activate_totp", "mfa_add_webauthn", "mfa_view_recovery_codes", "mfa_download_recovery_codes",
    "account_reauthenticate", "mfa_reauthenticate", "mfa_reauthenticate_webauthn", "logout", "account_login", "help",
})  # fmt: skip


def lacks_factor(user: Any) -> bool:
    """Whether a role held now asks for a second factor that this person has not set up. One query."""
    if not settings.SECOND_FACTOR_ROLES or not user.is_authenticated:
        return False
    factors = Authenticator.objects.filter(user=OuterRef("user"), type__in=FACTORS)
    duties = RoleGrant.objects.filter(user=user, ended_at=None, role__in=settings.SECOND_FACTOR_ROLES)
    return duties.filter(~Exists(factors)).exists()


class SecondFactorFirst:
    """Leads people who lack a second factor to the page that sets one up, from wherever they want to go."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, *_: Any) -> HttpResponse | None:
        match = request.resolver_match
        if (match is not None and match.url_name in OPEN) or not lacks_factor(request.user):
            return None
        if request.path.startswith("/api/"):
            told = {"type": "about:blank", "title": "Forbidden", "status": 403, "detail": FIRST}
            return JsonResponse(told, status=403, content_type="application/problem+json")
        if request.method not in ("GET", "HEAD"):
            return HttpResponse(FIRST, status=403, content_type="text/plain")
        return redirect("mfa_index")
