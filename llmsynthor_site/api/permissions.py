"""What a token covers. A session has every scope; what a person's roles allow is asked by each endpoint."""

from __future__ import annotations

from typing import Any

from rest_framework.exceptions import PermissionDenied
from rest_framework.permissions import SAFE_METHODS, IsAuthenticated
from rest_framework.request import Request

from llmsynthor_site.api_models import ApiToken

SESSION = "session"
SIGNED_IN = (
    "This is decided by somebody who is signed in, never by a token: a token proves that a program holds a string, and "
    "this opens something for others. Use the portal, or the API with a session."
)


class Scoped(IsAuthenticated):
    """Views say ``scope`` (of reading) and ``write_scope``; ``session`` means that no token is enough."""

    def has_permission(self, request: Request, view: Any) -> bool:
        if not super().has_permission(request, view):
            return False
        if isinstance(request.auth, ApiToken):
            self.check(request.auth, needed(request, view))
        return True

    def check(self, token: ApiToken, scope: str) -> None:
        if scope == SESSION:
            raise PermissionDenied(SIGNED_IN)
        if scope not in token.scopes:
            raise PermissionDenied(f"This token lacks the scope {scope}.")


def needed(request: Request, view: Any) -> str:
    reading = request.method in SAFE_METHODS
    return str(getattr(view, "scope", "read") if reading else getattr(view, "write_scope", SESSION))
