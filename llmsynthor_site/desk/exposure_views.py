"""The LLM exposure statement as a page and as a file."""

from __future__ import annotations

import json
from collections.abc import Iterator

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from audit import events, log
from audit.forms import ReasonForm, zone_of
from audit.views.common import Lines, export_page, may_export, may_read
from llmsynthor_site.desk import exposure
from llmsynthor_site.desk.forms import ExposureForm
from llmsynthor_site.desk.views import back

SHOWN = 100


def scope_of(form: ExposureForm) -> exposure.Scope:
    asked = form.asked
    return exposure.Scope(asked.get("endpoint", ""), asked.get("dataset"), **form.moments())


@require_safe
@may_read
def exposure_page(http: HttpRequest) -> HttpResponse:
    """The filters; the statement itself adds up every call, so the page asks for it once it is there."""
    form = ExposureForm(http.GET, zone=zone_of(http.COOKIES))
    return render(http, "desk/exposure.html", {"form": form, "filtered": bool(form.asked), "scope": scope_of(form)})


@require_safe
@may_read
def statement_part(http: HttpRequest) -> HttpResponse:
    form = ExposureForm(http.GET, zone=zone_of(http.COOKIES))
    if form.errors:  # never a wider statement than was asked for
        return redirect(back(http, "desk-exposure"))
    context = {"filtered": bool(form.asked), "found": exposure.statement(scope_of(form)), "shown": SHOWN,
               "all": reverse("desk-exposure")}  # fmt: skip
    return render(http, f"desk/statement{'' if http.headers.get('HX-Request') else '_page'}.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@may_export
def exposure_export(http: HttpRequest) -> HttpResponse | StreamingHttpResponse:
    form = ExposureForm(http.GET, zone=zone_of(http.COOKIES))
    scope = scope_of(form)

    def make(made_as: str, by: str, reason: str) -> Lines:
        return exported(scope, form=made_as, by=by, reason=reason)

    shown = {"title": "Export the exposure statement", "what": "The statement as JSON, with the signed checkpoint "
             "of the log it was made on.", "narrowed": scope.told(), "wrong": form.errors,
             "back": back(http, "desk-exposure")}  # fmt: skip
    return export_page(http, form=ReasonForm(http.POST or None), make=make, name="llm-exposure", shown=shown)


def exported(scope: exposure.Scope, *, form: str, by: str, reason: str) -> Lines:
    """The statement's file, whose reason is in the log before it is made."""
    facts = {"reason": reason, "format": form, "filters": scope.told(), "size": log.size()}
    events.append(action="audit:statement_export:made", by=by, subject="log:prompts", facts=facts)
    return as_json(scope)


def as_json(scope: exposure.Scope) -> Iterator[bytes]:
    yield json.dumps(exposure.statement(scope), indent=2, ensure_ascii=False).encode() + b"\n"
