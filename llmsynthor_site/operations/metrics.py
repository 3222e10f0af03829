"""Figures in Prometheus' text format (0.0.4): how much waits and how the site answers.

No label and no value depends on anybody's data: labels are names from the code, values count jobs, entries and answers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.core.cache import cache
from django.db.models import Count, Min, Q
from django.utils import timezone

from audit import entries, events
from llmsynthor_site.telemetry import WITHIN
from synthesis.models import Job, SynthesisRequest
from synthesis.states import JobKind, RequestState

TYPE = "text/plain; version=0.0.4; charset=utf-8"
ANSWERED = ("2xx", "3xx", "4xx", "5xx")
KEEP = 7 * 24 * 3600  # a counter that nobody adds to for a week begins again, as after a restart


@dataclass(frozen=True)
class Metric:
    name: str
    kind: str  # counter, gauge or histogram
    help: str
    samples: tuple[tuple[str, Mapping[str, str], float], ...]  # (suffix, labels, value)

    def lines(self) -> Iterator[str]:
        yield f"# HELP {self.name} {self.help}"
        yield f"# TYPE {self.name} {self.kind}"
        for suffix, labels, value in self.samples:
            told = ",".join(f'{name}="{label}"' for name, label in labels.items())
            yield f"{self.name}{suffix}{{{told}}} {value:g}" if told else f"{self.name}{suffix} {value:g}"


def count(status: int, seconds: float) -> None:
    """One answer of any web process, added to the counters that all of them share."""
    add(f"metrics:answers:{status // 100}xx", 1)
    add("metrics:seconds:ms", round(seconds * 1000))
    for edge in WITHIN:
        if seconds <= edge:
            add(f"metrics:within:{edge:g}", 1)


def add(key: str, much: int) -> None:
    if not cache.add(key, much, KEEP):
        try:
            cache.incr(key, much)
        except ValueError:  # it ended in between
            cache.set(key, much, KEEP)


def exposition() -> str:
    found = [*of_web(), *of_jobs(), of_requests(), *of_log()]
    return "\n".join(line for metric in found for line in metric.lines()) + "\n"


def of_web() -> Iterable[Metric]:
    got = cache.get_many(
        [f"metrics:answers:{one}" for one in ANSWERED]
        + [f"metrics:within:{edge:g}" for edge in WITHIN]
        + ["metrics:seconds:ms"]
    )
    answers = {one: got.get(f"metrics:answers:{one}", 0) for one in ANSWERED}
    samples = tuple(("", {"status": one}, number) for one, number in answers.items())
    yield Metric("llmsynthor_answers_total", "counter", "Answers of the web processes by class of status.", samples)
    total = sum(answers.values())
    edges = [("_bucket", {"le": f"{edge:g}"}, got.get(f"metrics:within:{edge:g}", 0)) for edge in WITHIN]
    whole = [("_bucket", {"le": "+Inf"}, total), ("_sum", {}, got.get("metrics:seconds:ms", 0) / 1000)]
    help_ = "Seconds from a request to its answer."
    yield Metric("llmsynthor_answer_seconds", "histogram", help_, (*edges, *whole, ("_count", {}, total)))


def of_jobs() -> Iterable[Metric]:
    """By kind of work: how many wait, how many are worked on, and for how long the oldest has waited."""
    now, open_ = timezone.now(), Q(done_at=None)
    held = open_ & Q(leased_until__gte=now)
    waiting = open_ & ~Q(leased_until__gte=now)
    rows: dict[str, Any] = {
        row["kind"]: row
        for row in Job.objects.filter(open_).values("kind").annotate(
            waiting=Count("pk", waiting), held=Count("pk", held), oldest=Min("created_at", filter=waiting)
        )
    }  # fmt: skip
    kinds = [str(kind) for kind in JobKind]
    for field, help_ in [("waiting", "Jobs that no worker holds."), ("held", "Jobs that a worker holds.")]:
        samples = tuple(("", {"kind": kind}, rows.get(kind, {}).get(field, 0)) for kind in kinds)
        yield Metric(f"llmsynthor_jobs_{field}", "gauge", help_, samples)
    ages = {kind: row["oldest"] for kind, row in rows.items() if row["oldest"] is not None}
    samples = tuple(("", {"kind": kind}, (now - ages[kind]).total_seconds() if kind in ages else 0) for kind in kinds)
    yield Metric("llmsynthor_jobs_oldest_seconds", "gauge", "Age of the oldest job that waits.", samples)


def of_requests() -> Metric:
    """How many requests are in each state."""
    rows: dict[str, int] = dict(SynthesisRequest.objects.order_by().values_list("state").annotate(Count("pk")))
    samples = tuple(("", {"state": str(state)}, rows.get(state, 0)) for state in RequestState)
    return Metric("llmsynthor_requests", "gauge", "Requests by state.", samples)


def of_log() -> Iterable[Metric]:
    newest = entries.newest_checkpoint()  # the log grows with each charge: its size now would time what is counted
    signed = newest.size if newest else 0
    yield Metric("llmsynthor_log_entries", "gauge", "Entries of the log that are signed for.", (("", {}, signed),))
    help_ = "Events of the outbox that are not in the log yet."
    yield Metric("llmsynthor_outbox_waiting", "gauge", help_, (("", {}, events.pending()),))
