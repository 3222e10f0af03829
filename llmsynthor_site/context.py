"""What every page needs to know about the site."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest

from llmsynthor_site import notices
from llmsynthor_site.roles import roles_of


def site(request: HttpRequest) -> dict[str, Any]:
    user = getattr(request, "user", None)
    signed_in = user is not None and user.is_authenticated
    return {
        "demo": settings.DEMO,
        "my_roles": roles_of(user) if signed_in else (),
        "unread": notices.unread(user) if signed_in else 0,
        "theme": request.COOKIES.get("theme", ""),
    }
