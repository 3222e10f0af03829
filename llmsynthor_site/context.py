"""What every page needs to know about the site."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest

from llmsynthor_site import notices
from llmsynthor_site.roles import Role


def site(request: HttpRequest) -> dict[str, Any]:
    user = getattr(request, "user", None)
    signed_in = user is not None and user.is_authenticated
    return {
        "demo": settings.DEMO,
        "my_roles": held(user) if signed_in else (),
        "unread": notices.unread(user) if signed_in else 0,
        "theme": request.COOKIES.get("theme", ""),
    }


def held(user: Any) -> tuple[type[Role], ...]:
    """The person's roles, as they were looked up for this page's permissions."""
    user.has_perm("")
    found: tuple[type[Role], ...] = getattr(user, "roles_now", ())
    return found
