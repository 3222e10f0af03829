"""What the pages of a request have in common."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect

from synthesis import selectors
from synthesis.models import SynthesisRequest
from synthesis.transitions import NotNow

View = Callable[..., HttpResponse]


def visible_request(http: HttpRequest, pk: UUID) -> SynthesisRequest:
    """The request, if this person may know that it exists; otherwise there is no such page."""
    return get_object_or_404(
        selectors.visible_to(http.user).select_related("manifest", "run__package", "claim__steward"), pk=pk
    )


def reviewed_request(http: HttpRequest, pk: UUID) -> SynthesisRequest:
    """The request, for people who read other people's requests: stewards, owners, auditors."""
    if not http.user.has_perm("synthesis.view_request"):
        raise PermissionDenied("The gates are for the people who review requests.")
    return visible_request(http, pk)


def told_when_too_late(view: View) -> View:
    """Somebody was faster, or the page is old: go back to the request and say so."""

    @wraps(view)
    def answer(http: HttpRequest, pk: UUID, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return view(http, pk, *args, **kwargs)
        except NotNow as reason:
            messages.warning(http, str(reason))
            return redirect("request-detail", pk)

    return answer
