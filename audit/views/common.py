"""What the pages of the log have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render

from audit.actors import actor
from audit.forms import ReasonForm

TYPES = {"jsonl": "application/x-ndjson", "csv": "text/csv; charset=utf-8", "json": "application/json"}

may_read = permission_required("audit.view_log", raise_exception=True)
may_export = permission_required("audit.export_log", raise_exception=True)

Lines = Iterator[bytes]


def number_in(http: HttpRequest, name: str) -> int | None:
    """A whole number from the address; anything else is as if it were not there."""
    asked = http.GET.get(name, "")
    return int(asked) if asked.isdecimal() and len(asked) < 16 else None


def as_file(lines: Lines, *, name: str, form: str) -> StreamingHttpResponse:
    """A download that is made while it is sent, and that no browser keeps."""
    answer = StreamingHttpResponse(lines, content_type=TYPES[form])
    answer["Content-Disposition"] = f'attachment; filename="{name}.{form}"'
    answer["Cache-Control"] = "no-store"
    return answer


def export_page(
    http: HttpRequest,
    *,
    form: ReasonForm,
    make: Callable[[str, str, str], Lines],
    name: str,
    shown: dict[str, Any],
) -> HttpResponse | StreamingHttpResponse:
    """Ask for a reason, then hand out the file; ``make`` takes format, person and reason, and logs them first.

    ``shown["wrong"]``: what is wrong with the filters in the address; one that cannot be read widens nothing.
    """
    if shown["wrong"]:
        return render(http, "audit/export.html", {"form": form, **shown}, status=422)
    if http.method == "POST" and form.is_valid():
        given = form.cleaned_data
        made_as = given.get("form", "json")
        return as_file(make(made_as, actor(http.user), given["reason"]), name=name, form=made_as)
    return render(http, "audit/export.html", {"form": form, **shown})
