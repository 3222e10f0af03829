"""The list of entries, one entry with its proof, and a part of the list as a file."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from audit import checking, entries, keys, listing
from audit.errors import AuditError
from audit.forms import ListExportForm, LogFilter, zone_of
from audit.merkle import leaf_hash
from audit.models import LogEntry
from audit.notes import Checkpoint, NoteError
from audit.views.common import Lines, export_page, may_export, may_read, number_in


@require_safe
@may_read
def log_page(http: HttpRequest) -> HttpResponse:
    form = LogFilter(http.GET, zone=zone_of(http.COOKIES))
    filters = form.filters()
    shown = entries.step(filters, before=number_in(http, "before"), after=number_in(http, "after"))
    context = {
        "form": form,
        "filtered": bool(form.asked),
        "page": shown,
        "searching": bool(filters.texts),
        "badge": checking.badge(),
        "checkpoint": entries.newest_checkpoint(),
    }
    return render(http, "audit/log.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@may_export
def list_export(http: HttpRequest) -> HttpResponse | StreamingHttpResponse:
    """What stands in the address is what is exported."""
    asked = LogFilter(http.GET, zone=zone_of(http.COOKIES))
    filters = asked.filters()

    def make(form: str, by: str, reason: str) -> Lines:
        return listing.export(filters, form=form, by=by, reason=reason)

    shown = {
        "title": "Export entries of the log",
        "what": "The entries that fit these filters, as the log stands now.",
        "narrowed": listing.told(filters),
        "wrong": asked.errors,
        "back": f"{reverse('audit-log')}?{http.GET.urlencode()}",
    }
    return export_page(http, form=ListExportForm(http.POST or None), make=make, name="log-entries", shown=shown)


@require_safe
@may_read
def entry_page(http: HttpRequest, index: int) -> HttpResponse:
    entry = get_object_or_404(LogEntry, index=index)
    context = {
        "entry": entry,
        "leaf": entries.leaf_of(entry),
        "exact": bytes(entry.leaf).decode(errors="replace"),
        "hash": leaf_hash(bytes(entry.leaf)).hex(),
        "stored_hash": bytes(entry.leaf_hash).hex(),
        "last": LogEntry.objects.filter(index=index + 1).exists(),
    }
    return render(http, "audit/entry.html", context)


@require_safe
@may_read
def entry_bytes(http: HttpRequest, index: int) -> HttpResponse:
    """The entry exactly as it was hashed, for anyone who wants to hash it."""
    entry = get_object_or_404(LogEntry, index=index)
    answer = HttpResponse(bytes(entry.leaf), content_type="application/json")
    answer["Content-Disposition"] = f'attachment; filename="entry-{index}.json"'
    return answer


@require_safe
@may_read
def entry_proof(http: HttpRequest, index: int) -> HttpResponse:
    """The part of an entry's page that needs every entry before the checkpoint; that page asks for it."""
    part = "proof.html" if http.headers.get("HX-Request") else "proof_page.html"
    return render(http, f"audit/{part}", proof_of(get_object_or_404(LogEntry, index=index)))


def proof_of(entry: LogEntry) -> dict[str, Any]:
    newest = entries.newest_checkpoint()
    if newest is None or newest.size <= entry.index:
        return {"entry": entry, "checkpoint": newest}
    try:
        signed = Checkpoint.opened(bytes(newest.note), keys.public())
    except (NoteError, AuditError) as problem:
        return {"entry": entry, "checkpoint": newest, "problem": str(problem)}
    proof = entries.inclusion(entry, newest, signed)
    path = [one.hex() for one in proof.path]
    return {"entry": entry, "checkpoint": newest, "proof": proof, "path": path, "note": proof.note.decode()}
