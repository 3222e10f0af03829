"""The synthetic table beside the noised statistics it was made from: columns, pairs and tables, the worst first.

Everything shown is in the package's quality.json; the true rows are not looked at again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from synthesis import policies
from synthesis.report import drawing, purpose
from synthesis.views.common import visible_request
from synthesis.views.requests import frame

VIEWS = {"columns": "Columns", "pairs": "Pairs of columns", "tables": "Every table"}
PAGE = {"columns": 12, "pairs": 50, "tables": 50}
WORDS = 100

Facts = dict[str, Any]


@require_safe
def compare_page(http: HttpRequest, pk: UUID, show: str = "columns") -> HttpResponse:
    request = visible_request(http, pk)
    if not policies.may_compare(request, http.user):
        raise PermissionDenied("The comparison is for stewards and auditors until the package is released.")
    if show not in VIEWS:
        raise Http404("There is no such comparison.")
    report, words = request.run.report, http.GET.get("words", "").strip()[:WORDS]
    page = Paginator(listed(report, show, words), PAGE[show]).get_page(http.GET.get("page"))
    context = frame(request, http.user) | {
        "views": VIEWS, "show": show, "words": words, "page": page, "report": report,
        "charts": [drawing.bars(one) for one in page] if show == "columns" else [],
        "heat": drawing.heat(names_of(report), report["tables"]) if show == "pairs" else None,
        "strip": drawing.strip(report["tables"]) if show == "tables" else None,
    }  # fmt: skip
    return render(http, f"synthesis/compare_{show}.html", context)


def listed(report: Facts, show: str, words: str) -> Sequence[Facts]:
    """The lines of one comparison, worst first; of those whose columns' names hold ``words``, if there are any."""
    if show == "columns":
        return [one for one in report["columns"] if words.lower() in one["column"].lower()]
    lines = report["tables"] if show == "tables" else pairs(report)
    return [one for one in lines if any(words.lower() in name.lower() for name in one["columns"])]


def names_of(report: Facts) -> list[str]:
    return sorted(one["column"] for one in report["columns"])


def pairs(report: Facts) -> list[Facts]:
    """Every pair: the worst residual of a table that holds both, those never measured last."""
    found = [
        {
            "columns": list(pair),
            "residual": one and one["residual_over_sigma"],
            "standing": one and purpose.standing(one),
        }
        for pair, one in purpose.pairs_of(names_of(report), report["tables"]).items()
    ]
    return sorted(found, key=lambda one: (one["residual"] is None, -(one["residual"] or 0)))
