"""The ledger across datasets: every line with the request it was for, its mechanism and who approved it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

from audit import approvals, events, sheets
from audit.approvals import Approval
from llmsynthor_site.desk.forms import LedgerFilter
from privacy import exporting, overviews
from privacy.models import LedgerEntry
from synthesis.models import SynthesisRequest

AT_ONCE = 1000
COLUMNS = (*exporting.COLUMNS, "approved_by")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a ledger; ``title`` of the request it was for, empty where there is none."""

    entry: LedgerEntry
    title: str
    approvals: tuple[Approval, ...]


def chosen(form: LedgerFilter) -> QuerySet[LedgerEntry]:
    """The lines that fit, newest first."""
    asked, moments = form.asked, form.moments()
    lookups = {
        "population": asked.get("population"), "dataset": asked.get("dataset"), "kind": asked.get("kind"),
        "request": str(asked.get("request", "")), "at__gte": moments["since"], "at__lte": moments["until"],
    }  # fmt: skip
    return overviews.lines().filter(**{name: value for name, value in lookups.items() if value})


def explained(entries: Iterable[LedgerEntry]) -> list[Line]:
    """These lines with titles and approvals, from two queries."""
    found = list(entries)
    requests = {one.request for one in found if one.request}
    approved = approvals.of_requests(requests)
    known = SynthesisRequest.objects.filter(pk__in=[one for one in requests if _is_id(one)])
    titles = {str(pk): title for pk, title in known.values_list("pk", "title")}
    return [Line(one, titles.get(one.request, ""), _of_gate_a(approved.get(one.request, []))) for one in found]


def export(form: LedgerFilter, *, told: dict[str, str], made_as: str, by: str, reason: str) -> Iterator[bytes]:
    """The lines that fit, oldest first, as they stood when the export was logged."""
    found = chosen(form).order_by("id")
    newest = found.last()
    facts = {
        "population": told.get("population", "all"), "reason": reason, "format": made_as, "filters": told,
        "to_entry": str(newest.pk) if newest else "",
    }  # fmt: skip
    events.append(action="privacy:ledger_export:made", by=by, subject="ledger:all", facts=facts)
    rows = _rows(found.filter(pk__lte=newest.pk) if newest else found.none())
    if made_as == "csv":
        return (line.encode() for line in sheets.csv_lines(COLUMNS, rows))
    return (json.dumps(row, sort_keys=True, ensure_ascii=False).encode() + b"\n" for row in rows)


def _rows(found: QuerySet[LedgerEntry]) -> Iterator[dict[str, Any]]:
    after = 0
    while batch := list(found.filter(pk__gt=after)[:AT_ONCE]):
        for line in explained(batch):
            yield exporting.line_of(line.entry) | {"approved_by": [one.voter for one in line.approvals]}
        after = batch[-1].pk


def _of_gate_a(found: list[Approval]) -> tuple[Approval, ...]:
    """Those who approved the measuring, which is what a charge is for."""
    return tuple(one for one in found if one.gate == "measure")


def _is_id(text: str) -> bool:
    return len(text) == 36 and text.count("-") == 4
