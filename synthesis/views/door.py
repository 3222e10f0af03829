"""What stands in the way of calls, and what did not add up about them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.paginator import Paginator
from django.db.models import Count, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from synthesis import reconciling, switches
from synthesis.forms import ReasonForm, SwitchForm, add_refusal
from synthesis.models import CallFinding, KillSwitch

SHOWN, PAGE = 10, 25
READ_LOG = "audit.view_log"
SWITCHES, FINDINGS = ("standing", "lifted"), ("open", "closed")


def may_see(http: HttpRequest) -> None:
    if not (http.user.has_perm(switches.STOP) or http.user.has_perm(READ_LOG)):
        raise PermissionDenied("The door is for stewards, owners, auditors and administrators.")


@require_safe
def door_page(http: HttpRequest) -> HttpResponse:
    """The newest of each kind; the whole lists are pages of their own."""
    may_see(http)
    reads = reads_findings(http.user)
    stand, lifted = (list(switches_that(name)[:SHOWN]) for name in SWITCHES)
    shown = rows([*stand, *lifted], http.user)
    context: dict[str, Any] = {
        "reads_findings": reads, "shown": SHOWN, "standing": shown[: len(stand)], "lifted": shown[len(stand) :],
        **KillSwitch.objects.aggregate(standing_count=standing_of("lifted_at"), lifted_count=Count("lifted_at")),
    }  # fmt: skip
    if reads:
        context |= {f"{name}_findings": findings_that(name)[:SHOWN] for name in FINDINGS}
        context |= CallFinding.objects.aggregate(open_count=standing_of("closed_at"), closed_count=Count("closed_at"))
    return render(http, "synthesis/door.html", context)


def standing_of(ended: str) -> Count:
    """How many rows have no such moment yet."""
    return Count("pk", filter=Q(**{f"{ended}__isnull": True}))


@require_safe
def switch_list(http: HttpRequest, which: str) -> HttpResponse:
    may_see(http)
    page = Paginator(switches_that(which), PAGE).get_page(http.GET.get("page"))
    context = {"which": which, "page": page, "switches": rows(page.object_list, http.user)}
    return render(http, "synthesis/switch_list.html", context)


@require_safe
def finding_list(http: HttpRequest, which: str) -> HttpResponse:
    if not reads_findings(http.user):
        raise PermissionDenied("Findings are for stewards, administrators and auditors.")
    page = Paginator(findings_that(which), PAGE).get_page(http.GET.get("page"))
    return render(http, "synthesis/finding_list.html", {"which": which, "page": page, "findings": page.object_list})


def switches_that(which: str) -> QuerySet[KillSwitch]:
    if which not in SWITCHES:
        raise Http404("There is no such list.")
    return (
        KillSwitch.objects.exclude(lifted_at=None) if which == "lifted" else KillSwitch.objects.filter(lifted_at=None)
    )


def findings_that(which: str) -> QuerySet[CallFinding]:
    if which not in FINDINGS:
        raise Http404("There is no such list.")
    return (
        CallFinding.objects.exclude(closed_at=None) if which == "closed" else CallFinding.objects.filter(closed_at=None)
    )


def reads_findings(user: Any) -> bool:
    return bool(user.has_perm(reconciling.CLOSE) or user.has_perm(READ_LOG))


def rows(found: Iterable[KillSwitch], user: Any) -> list[dict[str, Any]]:
    """Switches with the name of what each stops, where this person may know it, and why they may not lift it."""
    found = list(found)
    told = switches.names(user, [one.target for one in found])
    return [
        {"switch": one, "name": told.get(one.target) or switches.anonymous(one.target),
         "denial": switches.why_not_lift(one, user, named=one.target in told)}
        for one in found
    ]  # fmt: skip


@require_http_methods(["GET", "HEAD", "POST"])
def switch_set(http: HttpRequest) -> HttpResponse:
    if not http.user.has_perm(switches.STOP):
        raise PermissionDenied("Stewards, owners and administrators set a kill switch.")
    wished = http.POST.get("target", "") or http.GET.get("target", "")
    form = SwitchForm(http.POST or None, choices=switches.choices(http.user, wished), initial=http.GET.dict())
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
    [row] = rows([switch], http.user)
    return render(http, "synthesis/switch_lift.html", {"form": form, "row": row})


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
