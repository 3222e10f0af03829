"""Calling the API in tests: as a program with a token, or as a browser with a session."""

from __future__ import annotations

import json
from typing import Any

from django.test import Client

from llmsynthor_site import tokens
from llmsynthor_site.models import User

EVERY = list(tokens.SCOPES)


class Caller:
    """One person's program. ``token`` is its secret; without scopes it asks with a session."""

    def __init__(self, user: User, *scopes: str) -> None:
        self.user, self.client, self.token = user, Client(), ""
        if scopes:
            self.token = tokens.make(by=user, name="tests", scopes=list(scopes), days=1)[1]
        else:
            self.client.force_login(user)

    def _headers(self, headers: dict[str, str]) -> dict[str, str]:
        return ({"Authorization": f"Bearer {self.token}"} if self.token else {}) | headers

    def get(self, place: str, **headers: str) -> Any:
        return self.client.get(f"/api/v1/{place}", headers=self._headers(headers))

    def post(self, place: str, body: Any = None, **headers: str) -> Any:
        return self._send("post", place, body, headers)

    def patch(self, place: str, body: Any = None, **headers: str) -> Any:
        return self._send("patch", place, body, headers)

    def files(self, place: str, key: str = "", **parts: Any) -> Any:
        named = {"Idempotency-Key": key} if key else {}
        return self.client.post(f"/api/v1/{place}", parts, headers=self._headers(named))

    def _send(self, method: str, place: str, body: Any, headers: dict[str, str]) -> Any:
        data = json.dumps({} if body is None else body)
        call = getattr(self.client, method)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return call(f"/api/v1/{place}", data, content_type="application/json", headers=self._headers(named))
