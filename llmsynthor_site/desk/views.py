"""Pages of the auditor's desk."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.dateparse import parse_datetime
from django.utils.timezone import is_aware
from django.views.decorators.http import require_http_methods, require_safe

from audit import checking
from audit.forms import ListExportForm, PeriodForm, zone_of
from audit.models import PromptRecord
from audit.views.common import Lines, export_page, may_export, may_read, number_in
from llmsynthor_site.desk import access, conflicts, duties, ledger, lineage
from llmsynthor_site.desk.forms import AccessFilter, DutiesFilter, LedgerFilter, LineageFilter
from llmsynthor_site.desk.steps import step
from privacy import overviews
from synthesis import selectors
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
    populations = Paginator(overviews.populations(), PAGE).get_page(http.GET.get("populations"))
    context = {
        "form": form,
        "filtered": bool(form.asked),
        "populations": populations,
        "standings": overviews.standings(populations.object_list),
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
    known = duties.found(person=form.asked.get("person", ""), **form.moments())
    context: dict[str, Any] = {"form": form, "filtered": bool(form.asked)}
    if form.asked.get("only"):
        looked = conflicts.stretch(known, moment_in(http))
        context |= {"looked": looked, "lines": duties.lines_of(looked.requests)}
    else:
        page = selectors.page_of(
            known, http.GET.get("page"), size=PAGE, with_=("dataset__owner", "requester", "waiver")
        )
        context |= {"page": page, "lines": duties.lines_of(list(page.object_list))}
    duties.compare_with_log(context["lines"])
    return render(http, "desk/duties.html", context)


def moment_in(http: HttpRequest) -> datetime | None:
    """The moment a list goes on before, from the address; none where it cannot be read."""
    found = parse_datetime(http.GET.get("before", ""))
    return found if found and is_aware(found) else None


@require_safe
@may_read
def duties_count(http: HttpRequest) -> HttpResponse:
    """How many requests have a conflict: looks at every vote there is, so the page asks for it once it is there."""
    form = DutiesFilter(http.GET, zone=zone_of(http.COOKIES))
    known = duties.found(person=form.asked.get("person", ""), **form.moments())
    context = {"requests": known.count(), "conflicting": conflicts.among(known).count(), "form": form}
    return render(http, f"desk/duties_count{'' if http.headers.get('HX-Request') else '_page'}.html", context)


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
