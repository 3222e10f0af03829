"""One prompt: the run it belongs to, what was sent and came back, and what changed since the call before."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_safe

from audit import selectors
from audit.models import PromptRecord
from audit.views.common import may_read


@require_safe
@may_read
def prompt_page(http: HttpRequest, intent: str) -> HttpResponse:
    record = get_object_or_404(PromptRecord, intent_id=intent)
    steps = selectors.run_tree(record.run, address=lambda one: reverse("audit-prompt", args=[one.intent_id]))
    shown = selectors.viewer(record, steps, compared=http.GET.get("show") == "changes")
    return render(http, "audit/prompt.html", shown)
