"""Pages of the log, for those who may read all of it."""

from __future__ import annotations

from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from audit import selectors
from audit.forms import LogFilter
from audit.models import PromptRecord

may_read = permission_required("audit.view_log", raise_exception=True)


@require_safe
@may_read
def log_page(http: HttpRequest) -> HttpResponse:
    form = LogFilter(http.GET)
    page = selectors.entries(form.filters(), page=page_number(http))
    context = {
        "form": form,
        "filtered": any(form.cleaned_data.values()),
        "page": page,
        "leaves": [selectors.leaf_of(entry) for entry in page],
        "checkpoint": selectors.newest_checkpoint(),
    }
    return render(http, "audit/log.html", context)


def page_number(http: HttpRequest) -> int:
    asked = http.GET.get("page", "1")
    return int(asked) if asked.isdecimal() and len(asked) < 9 else 1


@require_safe
@may_read
def prompt_page(http: HttpRequest, intent: str) -> HttpResponse:
    record = get_object_or_404(PromptRecord, intent_id=intent)
    return render(http, "audit/prompt.html", {"view": selectors.prompt_view(record)})
