"""What an endpoint was told: calls, bytes by kind of text, distinct released values and the rho behind them.

Worked out from the figures kept beside each prompt record, so that no body is opened twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Count, Q, QuerySet, Sum

from audit import entries, figures, log
from audit.figures import KINDS
from audit.leaves import time_text
from audit.models import PromptFigures, PromptRecord
from privacy import overviews
from privacy.models import Dataset
from synthesis.models import Probe, Run

State = PromptRecord.State
SENT = (State.SENDING, State.ANSWERED, State.FAILED, State.IN_DOUBT)
"""A call in one of these states left, or may have left: it counts as seen."""
PROBE = "Probe of the endpoint, in fixed wording"
SUMMED = ("total", *KINDS, "answer")


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose calls, and when they were recorded; an empty name or None is all of them."""

    endpoint: str = ""
    dataset: Dataset | None = None
    since: datetime | None = None
    until: datetime | None = None

    def told(self) -> dict[str, str]:
        """The scope as it stands in the log and in the statement's file."""
        moments = {name: time_text(at) for name in ("since", "until") if (at := getattr(self, name))}
        dataset = {"dataset": str(self.dataset.pk), "title": self.dataset.title} if self.dataset else {}
        return ({"endpoint": self.endpoint} if self.endpoint else {}) | dataset | moments


def statement(scope: Scope) -> dict[str, Any]:
    """The whole statement as plain JSON; bytes and counts are integers, rho decimal text."""
    uncounted = figures.catch_up()
    found = in_scope(scope)
    groups = grouped(found)
    sent = [one for one in groups if one["record__state"] in SENT]
    values = released_values(found)
    checkpoint = entries.newest_checkpoint()
    return {
        "scope": scope.told(),
        "calls": calls(groups),
        "bytes": bytes_of(sent),
        "released_values": sum(len(cells) for cells in values.values()),
        "rho": [rho_line(one) for one in overviews.behind(values)],
        "by_request": by_request(sent),
        "in_doubt": in_doubt(found),
        "unreadable": sum(one["unreadable"] for one in sent),
        "uncounted": uncounted,
        "log": {"size": log.size(), "checkpoint": bytes(checkpoint.note).decode() if checkpoint else ""},
    }


def in_scope(scope: Scope) -> QuerySet[PromptFigures]:
    found = PromptFigures.objects.all()
    if scope.endpoint:
        found = found.filter(record__endpoint=scope.endpoint)
    if scope.dataset:
        runs = Run.objects.filter(request__dataset=scope.dataset).values_list("pk", flat=True)
        found = found.filter(record__run__in=[str(run) for run in runs])
    if scope.since:
        found = found.filter(at__gte=scope.since)
    return found.filter(at__lte=scope.until) if scope.until else found


def grouped(found: QuerySet[PromptFigures]) -> list[dict[str, Any]]:
    """Sums by run, endpoint and state, in one query."""
    sums = {f"sum_{name}": Sum(name) for name in SUMMED}
    groups = found.values("record__run", "record__endpoint", "record__state")
    gone = Count("pk", filter=Q(readable=False))
    return [dict(one) for one in groups.annotate(calls=Count("pk"), unreadable=gone, **sums).order_by("record__run")]


def calls(groups: list[dict[str, Any]]) -> dict[str, int]:
    counted: Counter[str] = Counter()
    for one in groups:
        counted[one["record__state"]] += one["calls"]
    sent = {State(state).label: counted[state] for state in SENT if counted[state] or state == State.ANSWERED}
    left = sum(counted[state] for state in SENT)
    return {"sent": left, **sent, "recorded, never sent": sum(counted.values()) - left}


def bytes_of(groups: Iterable[dict[str, Any]]) -> dict[str, int]:
    """Bytes by kind of text; ``frame`` is the rest of each request: model, parameters, schema, syntax, escapes."""
    sums: Counter[str] = Counter()
    for one in groups:
        sums.update({name: one[f"sum_{name}"] or 0 for name in SUMMED})
    kinds = {name: sums[name] for name in KINDS}
    return {"total": sums["total"], **kinds, "frame": sums["total"] - sum(kinds.values()), "answers": sums["answer"]}


def released_values(found: QuerySet[PromptFigures]) -> dict[str, set[str]]:
    """The distinct released cells that were sent, by the charge that paid for them."""
    values: dict[str, set[str]] = {}
    told = found.filter(record__state__in=SENT).values_list("values", flat=True)
    for one in told.iterator(chunk_size=2000):
        for measurement, cells in one.items():
            values.setdefault(measurement, set()).update(cells)
    return values


def rho_line(one: overviews.Shown) -> dict[str, Any]:
    return {
        "dataset": one.dataset, "population": one.population, "tables": one.tables, "rho": f"{one.rho:f}",
        "releases": one.releases, "releases_rho": f"{one.releases_rho:f}",
    }  # fmt: skip


def by_request(groups: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Every run and endpoint with its calls and bytes; most bytes first."""
    names = runs_by_id({one["record__run"] for one in groups})
    probes = probes_among({one["record__run"] for one in groups})
    merged: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for one in groups:
        merged.setdefault((one["record__run"], one["record__endpoint"]), []).append(one)
    lines = [
        _request_line(run, endpoint, names.get(run), parts) | ({"title": PROBE} if run in probes else {})
        for (run, endpoint), parts in merged.items()
    ]
    return sorted(lines, key=lambda line: -int(line["bytes"]))


def _request_line(run: str, endpoint: str, known: Run | None, parts: list[dict[str, Any]]) -> dict[str, Any]:
    sizes = bytes_of(parts)
    return {
        "request": str(known.request_id) if known else "", "title": known.request.title if known else "",
        "dataset": str(known.request.dataset) if known else "", "run": run, "endpoint": endpoint,
        "calls": sum(part["calls"] for part in parts), "bytes": sizes["total"], "answers": sizes["answers"],
    }  # fmt: skip


def runs_by_id(names: Iterable[str]) -> dict[str, Run]:
    found = Run.objects.filter(pk__in=[name for name in names if is_id(name)])
    known = found.select_related("request__dataset").only(
        "request__title", "request__dataset", "request__dataset__title"
    )
    return {str(run.pk): run for run in known}


def probes_among(names: Iterable[str]) -> set[str]:
    """Those of these names that are probes of an endpoint: of fixed wording, and of no request."""
    found = Probe.objects.filter(pk__in=[name for name in names if is_id(name)])
    return {str(pk) for pk in found.values_list("pk", flat=True)}


def is_id(name: str) -> bool:
    try:
        return str(UUID(name)) == name
    except ValueError:
        return False


def in_doubt(found: QuerySet[PromptFigures]) -> list[dict[str, str]]:
    """Calls of which nobody knows whether they arrived; they are counted as sent."""
    rows = found.filter(record__state=State.IN_DOUBT).select_related("record").order_by("at")
    return [
        {"intent": one.record.intent_id, "run": one.record.run, "endpoint": one.record.endpoint,
         "sequence": f"{one.record.sequence}.{one.record.attempt}", "recorded": time_text(one.at)}
        for one in rows
    ]  # fmt: skip
