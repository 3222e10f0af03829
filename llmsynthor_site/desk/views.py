"""Pages of the auditor's desk."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from audit import checking
from audit.forms import ListExportForm, PeriodForm, zone_of
from audit.models import PromptRecord
from audit.views.common import Lines, export_page, may_export, may_read, number_in
from llmsynthor_site.desk import access, duties, ledger, lineage
from llmsynthor_site.desk.forms import AccessFilter, DutiesFilter, LedgerFilter, LineageFilter
from llmsynthor_site.desk.steps import step
from privacy import overviews
from synthesis.models import Run

PAGE = 25


@require_safe
@may_read
def overview(http: HttpRequest) -> HttpResponse:
    states = PromptRecord.State
    context = {
        "badge": checking.badge(),
        "in_doubt": PromptRecord.objects.filter(state=states.IN_DOUBT).count(),
        "grants": access.open_grants(AccessFilter(http.GET)).count(),
    }
    return render(http, "desk/overview.html", context)


@require_safe
@may_read
def run_of(http: HttpRequest, run: UUID) -> HttpResponse:
    """From a run, which is all that a prompt names, to its request."""
    return redirect("request-detail", get_object_or_404(Run, pk=run).request_id)


@require_safe
@may_read
def ledger_page(http: HttpRequest) -> HttpResponse:
    form = LedgerFilter(http.GET, zone=zone_of(http.COOKIES))
    page = step(ledger.chosen(form), before=number_in(http, "before"), after=number_in(http, "after"))
    context = {
        "form": form,
        "filtered": bool(form.asked),
        "standings": overviews.standings(),
        "page": page,
        "lines": ledger.explained(page.rows),
    }
    return render(http, "desk/ledger.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@may_export
def ledger_export(http: HttpRequest) -> HttpResponse | StreamingHttpResponse:
    form = LedgerFilter(http.GET, zone=zone_of(http.COOKIES))
    told = told_of(form)

    def make(made_as: str, by: str, reason: str) -> Lines:
        return ledger.export(form, told=told, made_as=made_as, by=by, reason=reason)

    shown = {"title": "Export the ledger", "what": "The lines that fit these filters, of all populations.",
             "narrowed": told, "wrong": form.errors, "back": back(http, "desk-ledger")}  # fmt: skip
    return export_page(http, form=ListExportForm(http.POST or None), make=make, name="ledger", shown=shown)


@require_safe
@may_read
def duties_page(http: HttpRequest) -> HttpResponse:
    form = DutiesFilter(http.GET, zone=zone_of(http.COOKIES))
    lines = duties.report(person=form.asked.get("person", ""), **form.moments())
    shown = [line for line in lines if line.conflicts] if form.asked.get("only") else lines
    page = Paginator(shown, PAGE).get_page(http.GET.get("page"))
    duties.compare_with_log(page.object_list)  # what it finds on this page is counted too
    context = {"form": form, "filtered": bool(form.asked), "page": page, "requests": len(lines),
               "conflicting": sum(bool(line.conflicts) for line in lines)}  # fmt: skip
    return render(http, "desk/duties.html", context)


@require_safe
@may_read
def downloads_page(http: HttpRequest) -> HttpResponse:
    form = AccessFilter(http.GET, zone=zone_of(http.COOKIES))
    page = step(access.receipts(form), before=number_in(http, "before"), after=number_in(http, "after"))
    return render(http, "desk/downloads.html", {"form": form, "filtered": bool(form.asked), "page": page})


@require_safe
@may_read
def grants_page(http: HttpRequest) -> HttpResponse:
    form = AccessFilter(http.GET, zone=zone_of(http.COOKIES))
    page = step(access.open_grants(form), before=number_in(http, "before"), after=number_in(http, "after"))
    return render(http, "desk/grants.html", {"form": form, "filtered": bool(form.asked), "page": page})


@require_safe
@may_read
def people_page(http: HttpRequest) -> HttpResponse:
    form = AccessFilter(http.GET, zone=zone_of(http.COOKIES))
    page = Paginator(access.people(form.asked.get("person", "")), PAGE).get_page(http.GET.get("page"))
    people = access.with_activity(list(page.object_list))
    return render(http, "desk/people.html", {"page": page, "people": people})


@require_safe
@may_read
def lineage_page(http: HttpRequest) -> HttpResponse:
    form = LineageFilter(http.GET, zone=zone_of(http.COOKIES))
    page = Paginator(lineage.packages(form), PAGE).get_page(http.GET.get("page"))
    context = {"form": form, "filtered": bool(form.asked), "page": page, "templates": lineage.templates()}
    return render(http, "desk/lineage.html", context)


def told_of(form: PeriodForm) -> dict[str, str]:
    """The filters that were set, in words for a page and for the log; days with their time zone."""
    told: dict[str, Any] = {name: getattr(value, "pk", value) for name, value in form.asked.items()}
    days = {"zone": form.data["zone"]} if {"since", "until"} & set(told) else {}
    return {name: str(value) for name, value in told.items()} | days


def back(http: HttpRequest, name: str) -> str:
    return f"{reverse(name)}?{http.GET.urlencode()}"
