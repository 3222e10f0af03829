"""Spans for a collector (OpenTelemetry, OTLP over HTTP) where a standard OTEL_ variable names one; off without it.

A span holds words of this code alone: route, method and status of an answer, or task, queue and outcome of a job.
Paths, queries, headers, people and statements are in none, and no other package can add a span: the provider is this
file's.

Nor do spans time what is counted. Answers are as long as the next edge of WITHIN, which is as much as /metrics tells.
What changes something, uploads among it, has no length and lies at the moment of its answer, or the size of a table
could be read off it; jobs have none either. Workers that measure or synthesise make no spans at all: they are behind
walls, and a way out for spans would be one for rows.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import cache
from typing import Any

from celery import signals
from django.conf import settings
from django.core.exceptions import MiddlewareNotUsed
from django.http import HttpRequest, HttpResponse

from llmsynthor_site.environment import env

log = logging.getLogger(__name__)
WITHIN = (0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
"""Seconds between which answers are told apart by how long they took, here and in /metrics; longer ones are not."""
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
READING = frozenset({"GET", "HEAD", "OPTIONS"})
UNWALLED = frozenset({"mail", "witness"})
"""Queues whose workers reach neither vault nor door."""


def wanted() -> bool:
    """Whether a collector is named, by the standard's variables, and nothing switches it off again."""
    named = env("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", default="") or env("OTEL_EXPORTER_OTLP_ENDPOINT", default="")
    off = str(env("OTEL_SDK_DISABLED", default="")).lower() == "true"
    return bool(named) and not off and env("OTEL_TRACES_EXPORTER", default="otlp") == "otlp"


@cache
def provider() -> Any:
    """What makes spans and sends them from a thread of its own; None, told once, where the extra is not installed.

    Made in the process that uses it, after it was forked.
    """
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        log.warning("a collector of spans is named, but the extra 'telemetry' is not installed: no span is made")
        return None
    name = env("OTEL_SERVICE_NAME", default="llmsynthor")
    found = TracerProvider(resource=Resource.create({"service.name": name}))
    found.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return found


def span(name: str, kind: str, told: dict[str, str | int], *, at: int, seconds: float = 0.0) -> None:
    """One span from ``at`` (nanoseconds since 1970), without a parent: whoever asks cannot name the trace it is in."""
    if (made_by := provider()) is None:
        return
    from opentelemetry.context import Context
    from opentelemetry.trace import SpanKind

    tracer = made_by.get_tracer("llmsynthor")
    made = tracer.start_span(name, context=Context(), kind=SpanKind[kind], attributes=told, start_time=at)
    made.end(end_time=at + round(seconds * 1e9))


class Traced:
    """A span for every answer but those of the probes and static files, which are answered before."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        if not wanted():
            raise MiddlewareNotUsed
        self.get_response = get_response
        signals.after_task_publish.connect(sent)

    def __call__(self, request: HttpRequest) -> HttpResponse:
        at, began = time.time_ns(), time.monotonic()
        response = self.get_response(request)
        try:
            answered(request, response.status_code, at, time.monotonic() - began)
        except Exception as problem:  # no page waits for whoever looks on
            log.warning("a span could not be made: %s", type(problem).__name__)
        return response


def answered(request: HttpRequest, status: int, at: int, seconds: float) -> None:
    """The route is the pattern of the address, with the names of its parts in place of what was asked for."""
    method = str(request.method) if request.method in METHODS else "_OTHER"
    told: dict[str, str | int] = {"http.request.method": method, "http.response.status_code": status}
    route = f"/{request.resolver_match.route}" if request.resolver_match else ""
    if route:
        told["http.route"] = route
    if method in READING:
        length = next((edge for edge in WITHIN if seconds <= edge), WITHIN[-1])
        span(f"{method} {route}".strip(), "SERVER", told, at=at, seconds=length)
    else:
        span(f"{method} {route}".strip(), "SERVER", told, at=time.time_ns())


def of_worker(queues: set[str]) -> None:
    """Called in a worker before it forks: spans of its jobs, if its queues are such as may have any."""
    if wanted() and queues <= UNWALLED:
        signals.after_task_publish.connect(sent)
        signals.task_prerun.connect(begun)
        signals.task_postrun.connect(ended)


def sent(sender: str, **_: Any) -> None:
    """A message that says where work waits, measuring and synthesising included."""
    job(sender, "PRODUCER", "sent", time.time_ns())


def begun(task: Any, **_: Any) -> None:
    task.request.span_at = time.time_ns()


def ended(task: Any, state: str | None = None, **_: Any) -> None:
    job(task.name, "CONSUMER", (state or "unknown").lower(), task.request.span_at)


def job(task: str, kind: str, outcome: str, at: int) -> None:
    queue = settings.CELERY_TASK_ROUTES.get(task, {}).get("queue")
    if queue is not None:  # else no task of ours
        name = task.rpartition(".")[2]
        told: dict[str, str | int] = {"job.kind": name, "job.outcome": outcome, "messaging.destination.name": queue}
        span(f"{name} {queue}", kind, told, at=at)
