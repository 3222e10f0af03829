"""The button that makes a pack. A pack holds every entry of the log, so it is for those who may read and export it."""

from __future__ import annotations

import tempfile
from datetime import date
from pathlib import Path
from typing import Any
from uuid import UUID

from django import forms
from django.conf import settings
from django.contrib.auth.decorators import permission_required
from django.http import FileResponse, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from audit.selection import Scope
from llmsynthor_site.evidence.making import make
from privacy import selectors as privacy
from synthesis import selectors

may_export = permission_required(("audit.view_log", "audit.export_log"), raise_exception=True)
LINES = forms.Textarea({"rows": 3})
DAY = forms.DateInput({"type": "date"})


class ReasonForm(forms.Form):
    reason = forms.CharField(
        max_length=500, widget=LINES, label="Why you need it", help_text="It stands in the log and in the pack."
    )


class PeriodForm(ReasonForm):
    since = forms.DateField(widget=DAY, label="First day (UTC)")
    until = forms.DateField(widget=DAY, label="Last day (UTC)")
    field_order = ("since", "until", "reason")

    def clean(self) -> None:
        given = self.cleaned_data
        if "since" in given and "until" in given and given["since"] > given["until"]:
            self.add_error("until", "The last day comes before the first.")


@may_export
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def of_request(http: HttpRequest, pk: UUID) -> HttpResponseBase:
    request = get_object_or_404(selectors.visible_to(http.user).exclude(content_hash=""), pk=pk)
    about = {"title": f"{request.title} ({request.reference})", "back": request.get_absolute_url()}
    return _answer(http, ReasonForm(http.POST or None), Scope("request", str(pk)), about)


@may_export
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def of_dataset(http: HttpRequest, pk: UUID) -> HttpResponseBase:
    dataset = get_object_or_404(privacy.datasets_for(http.user), pk=pk)
    about = {"title": dataset.title, "back": dataset.get_absolute_url()}
    return _answer(http, ReasonForm(http.POST or None), Scope("dataset", str(pk)), about)


@may_export
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def of_period(http: HttpRequest) -> HttpResponseBase:
    form = PeriodForm(http.POST or None)
    scope = days(**form.cleaned_data) if form.is_valid() else Scope("period")
    return _answer(http, form, scope, {"title": "Audit log", "back": reverse("audit-log")})


def days(since: date, until: date, **_: Any) -> Scope:
    """From the first moment of one day to the last of another, UTC."""
    return Scope("period", since=f"{since}T00:00:00Z", until=f"{until}T23:59:59Z")


def _answer(http: HttpRequest, form: forms.Form, scope: Scope, about: dict[str, str]) -> HttpResponseBase:
    if http.method == "POST" and form.is_valid():
        return download(http, scope, form.cleaned_data["reason"])
    status = 422 if form.is_bound else 200
    page: HttpResponse = render(http, "evidence/make.html", {"form": form, "scope": scope, **about}, status=status)
    return page


def download(http: HttpRequest, scope: Scope, reason: str) -> FileResponse:
    """The file is unlinked before it is sent, so that nothing is left behind whatever becomes of the connection."""
    with tempfile.TemporaryDirectory(dir=settings.SITE_DIR, prefix=".evidence-") as folder:
        made = make(scope, by=http.user, reason=reason, target=Path(folder) / "pack.zip")
        opened = made.path.open("rb")
    return FileResponse(opened, as_attachment=True, filename=f"evidence-{made.number[:8]}.zip")
