"""The check of the log: what the last one found, and a button that makes another."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from audit import checking, verify
from audit.actors import actor
from audit.models import LogCheck
from audit.views.common import may_read

EARLIER = 20


@require_http_methods(["GET", "HEAD", "POST"])
@may_read
def check_page(http: HttpRequest) -> HttpResponse:
    if http.method == "POST":
        told_of(http, checking.ask(by=actor(http.user)))
        return redirect("audit-check")
    context = {
        "badge": checking.badge(),
        "earlier": LogCheck.objects.exclude(finished_at=None)[:EARLIER],
        "not_covered": verify.NOT_COVERED,
    }
    return render(http, "audit/check.html", context)


def told_of(http: HttpRequest, row: LogCheck) -> None:
    if row.finished_at is None:
        messages.info(http, "The check waits for a worker. This page shows its result when it is done.")
    elif row.verdict == LogCheck.Verdict.HOLDS:
        messages.success(http, f"{row.size:,} entries checked: the log holds.")
    else:
        messages.error(http, "The log was checked, and not everything holds. The findings are below.")
