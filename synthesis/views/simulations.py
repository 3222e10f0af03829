"""The rehearsal of a plan on invented rows, as gate A shows it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from synthesis import expecting, simulating
from synthesis.models import SynthesisRequest
from synthesis.views.common import reviewed_request


def simulation_of(request: SynthesisRequest) -> dict[str, Any]:
    found = request.simulations.filter(content_hash=request.content_hash).first()
    return {"simulation": found, "supposed_rows": expecting.ROWS}


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def simulation_part(http: HttpRequest, pk: UUID) -> HttpResponse:
    """The part of gate A's page that follows a rehearsal; a post asks for one."""
    request = reviewed_request(http, pk)
    if http.method == "POST":
        try:
            simulating.ask_for(by=http.user, request=request)
        except ValidationError as refusal:
            return HttpResponse(" ".join(refusal.messages), status=409, content_type="text/plain; charset=utf-8")
        return redirect(reverse("request-gate", args=[pk, "measure"]) + "#simulation")
    return render(http, "synthesis/simulation.html", {"request_": request, **simulation_of(request)})
