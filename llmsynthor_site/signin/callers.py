"""Who tries to sign in, and from where, as the lockout counts them."""

from __future__ import annotations

from collections.abc import Mapping

from allauth.core.internal.httpkit import get_client_ip
from django.http import HttpRequest

NOWHERE = "::"
"""The unspecified address, where a connection has none, as of a Unix socket: PostgreSQL keeps addresses, not words."""


def username(request: HttpRequest | None, credentials: Mapping[str, str] | None = None) -> str:
    """The name that was typed: what was tried, or the field of the form (another one when a session is confirmed)."""
    if credentials and credentials.get("username"):
        return credentials["username"]
    return request.POST.get("login", "") if request is not None else ""


def address(request: HttpRequest) -> str:
    """The caller's address: of the connection, or, behind TRUSTED_PROXIES, as the outermost of them tells it."""
    return get_client_ip(request) or NOWHERE
