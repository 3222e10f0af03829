"""Pages that belong to no room: home and help."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from llmsynthor_site.people import changes
from llmsynthor_site.roles import ROLES, roles_of
from synthesis import selectors

SHOWN = 10
EXAMPLE_RHO = 0.125


@require_safe
def home(http: HttpRequest) -> HttpResponse:
    """What waits for this person, and what of theirs waits for others."""
    waiting, others = selectors.waiting_for(http.user), selectors.waiting_for_others(http.user)
    context = {
        "waiting": waiting[:SHOWN],
        "more_waiting": max(0, len(waiting) - SHOWN),
        "others": others[:SHOWN],
        "more_others": max(0, len(others) - SHOWN),
        "changes": changes.waiting_for(http.user)[:SHOWN],
        "my_changes": changes.waiting_for_others(http.user)[:SHOWN],
        "roles": roles_of(http.user),
    }
    return render(http, "home.html", context)


@require_safe
def help_page(http: HttpRequest) -> HttpResponse:
    return render(http, "help.html", {"roles": ROLES, "example_rho": EXAMPLE_RHO})
