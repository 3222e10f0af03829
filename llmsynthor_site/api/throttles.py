"""How often somebody may ask, by their role; whoever holds several has the widest."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle

from llmsynthor_site.roles import roles_of


class PerRole(SimpleRateThrottle):
    scope = "role"

    def __init__(self) -> None:
        """The rate depends on who asks, and is found when they do."""

    def allow_request(self, request: Request, view: Any) -> bool:
        rates = [settings.API_RATES[name] for name in names(request.user)]
        self.rate = max(rates, key=self.per_second)
        self.num_requests, self.duration = self.parse_rate(self.rate)
        return super().allow_request(request, view)

    def per_second(self, rate: str) -> float:
        most, seconds = self.parse_rate(rate)
        return (most or 0) / (seconds or 1)

    def get_cache_key(self, request: Request, view: Any) -> str:
        ident = request.user.pk if request.user.is_authenticated else self.get_ident(request)
        return f"api-rate-{ident}"


def names(user: Any) -> list[str]:
    held = [role.name for role in roles_of(user)] if user.is_authenticated else []
    return held or ["nobody"]
