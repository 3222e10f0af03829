"""Pages that belong to no room: home and help."""

from __future__ import annotations

from django.conf import settings
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from llmsynthor_site import notices
from llmsynthor_site.people import changes
from llmsynthor_site.roles import ROLES, roles_of
from synthesis import selectors, suggestions

SHOWN = 10
PAGE = 25
EXAMPLE_RHO = 0.125


@require_safe
def home(http: HttpRequest) -> HttpResponse:
    """What waits for this person, and what of theirs waits for others."""
    waiting, others = selectors.waiting_for(http.user), selectors.waiting_for_others(http.user)
    context = {
        "waiting": waiting[:SHOWN],
        "more_waiting": max(0, waiting.count() - SHOWN),
        "others": others[:SHOWN],
        "more_others": max(0, others.count() - SHOWN),
        "rules": suggestions.waiting_for(http.user)[:SHOWN],
        "changes": changes.waiting_for(http.user)[:SHOWN],
        "my_changes": changes.waiting_for_others(http.user)[:SHOWN],
        "roles": roles_of(http.user),
    }
    return render(http, "home.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def notice_list(http: HttpRequest) -> HttpResponse:
    """Everything this person was told, newest first; a post marks all of it as read."""
    if http.method == "POST":
        notices.mark_read(http.user)
        return redirect("notices")
    page = Paginator(notices.of(http.user), PAGE).get_page(http.GET.get("page"))
    return render(http, "notices.html", {"page": page, "by_mail": settings.NOTICES_BY_MAIL})


@require_safe
def help_page(http: HttpRequest) -> HttpResponse:
    return render(http, "help.html", {"roles": ROLES, "example_rho": EXAMPLE_RHO})
