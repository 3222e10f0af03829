"""Who asks: a program with a token, or a browser with a session and its CSRF token."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from llmsynthor_site import tokens
from llmsynthor_site.api_models import ApiToken

REFUSED = "This token is unknown, expired or revoked, or its person's password or roles have changed since it was made."


class TokenAuthentication(BaseAuthentication):
    """``Authorization: Bearer llms_...``; ``request.auth`` is the token then."""

    def authenticate(self, request: Request) -> tuple[Any, ApiToken] | None:
        secret = secret_in(request._request)
        if secret is None:
            return None
        token = token_of(request._request)
        if token is None:
            raise AuthenticationFailed(REFUSED)
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


def secret_in(http: HttpRequest) -> str | None:
    """What follows "Bearer", if that is how somebody asks."""
    kind, _, secret = http.headers.get("Authorization", "").partition(" ")
    return secret.strip() if kind.lower() == "bearer" else None


def token_of(http: HttpRequest) -> ApiToken | None:
    """The token a request shows, while it stands; looked up once a request."""
    if not hasattr(http, "_api_token"):
        secret = secret_in(http)
        http._api_token = tokens.found(secret) if secret else None  # type: ignore[attr-defined]
    return http._api_token  # type: ignore[attr-defined]


class TokenInSchema(OpenApiAuthenticationExtension):
    target_class = "llmsynthor_site.api.authentication.TokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        return {"type": "http", "scheme": "bearer", "description": "A token made on the settings page."}
