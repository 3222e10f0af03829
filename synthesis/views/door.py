"""What stands in the way of calls, and what did not add up about them."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from synthesis import reconciling, switches
from synthesis.forms import ReasonForm, SwitchForm, add_refusal
from synthesis.models import CallFinding, KillSwitch

SHOWN = 50
READ_LOG = "audit.view_log"


def may_see(http: HttpRequest) -> None:
    if not (http.user.has_perm(switches.STOP) or http.user.has_perm(READ_LOG)):
        raise PermissionDenied("The door is for stewards, owners, auditors and administrators.")


@require_safe
def door_page(http: HttpRequest) -> HttpResponse:
    may_see(http)
    reads_findings = http.user.has_perm(reconciling.CLOSE) or http.user.has_perm(READ_LOG)
    found = CallFinding.objects.all() if reads_findings else CallFinding.objects.none()
    context = {
        "standing": [row(one, http.user) for one in KillSwitch.objects.filter(lifted_at=None)],
        "lifted": [row(one, http.user) for one in KillSwitch.objects.exclude(lifted_at=None)[:SHOWN]],
        "reads_findings": reads_findings,
        "open_findings": found.filter(closed_at=None)[:SHOWN],
        "closed_findings": found.exclude(closed_at=None)[:SHOWN],
    }
    return render(http, "synthesis/door.html", context)


def row(switch: KillSwitch, user: Any) -> dict[str, Any]:
    """A switch with the name of what it stops, where this person may know it."""
    scope, _, key = switch.target.partition(":")
    name = dict(switches.choices(user)).get(switch.target) or f"{scope.capitalize()} {key[:8]}"
    return {"switch": switch, "name": name, "denial": switches.why_not_lift(switch, user)}


@require_http_methods(["GET", "HEAD", "POST"])
def switch_set(http: HttpRequest) -> HttpResponse:
    if not http.user.has_perm(switches.STOP):
        raise PermissionDenied("Stewards, owners and administrators set a kill switch.")
    form = SwitchForm(http.POST or None, choices=switches.choices(http.user), initial=http.GET.dict())
    if http.method == "POST" and form.is_valid():
        try:
            switches.set_switch(by=http.user, **form.cleaned_data)
            messages.success(http, "The kill switch is set: nothing that it names leaves any more.")
            return redirect("door")
        except ValidationError as refusal:
            add_refusal(form, refusal)
    return render(http, "synthesis/switch_set.html", {"form": form})


@require_http_methods(["GET", "HEAD", "POST"])
def switch_lift(http: HttpRequest, number: int) -> HttpResponse:
    may_see(http)
    switch = get_object_or_404(KillSwitch, pk=number)
    if denial := switches.why_not_lift(switch, http.user):
        raise PermissionDenied(denial)
    form = ReasonForm(http.POST or None)
    if http.method == "POST" and form.is_valid():
        try:
            switches.lift(by=http.user, switch=switch, **form.cleaned_data)
            messages.success(http, "The kill switch is lifted. Runs that it paused go on.")
            return redirect("door")
        except ValidationError as refusal:
            add_refusal(form, refusal)
    return render(http, "synthesis/switch_lift.html", {"form": form, "row": row(switch, http.user)})


@require_http_methods(["GET", "HEAD", "POST"])
def finding_close(http: HttpRequest, number: int) -> HttpResponse:
    if not http.user.has_perm(reconciling.CLOSE):
        raise PermissionDenied("Findings are closed by stewards and administrators.")
    finding = get_object_or_404(CallFinding, pk=number)
    form = ReasonForm(http.POST or None)
    if http.method == "POST" and form.is_valid():
        try:
            reconciling.close(by=http.user, finding=finding, **form.cleaned_data)
            messages.success(http, "The finding is closed, and stays on record.")
            return redirect("door")
        except ValidationError as refusal:
            add_refusal(form, refusal)
    return render(http, "synthesis/finding_close.html", {"form": form, "finding": finding})
