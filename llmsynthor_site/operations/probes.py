"""/health, /ready and /metrics: answered before anything else, so that they need no host name and no session."""

from __future__ import annotations

import hmac
import logging
import time
from collections.abc import Callable

from celery import current_app
from django.conf import settings
from django.core.cache import cache
from django.db import DatabaseError, connections
from django.http import HttpRequest, HttpResponse, JsonResponse

from audit import log as audit_log
from audit.errors import LogUnavailable
from llmsynthor_site import migrating
from llmsynthor_site.operations import metrics

log = logging.getLogger(__name__)
BROKER_SECONDS = 2


class Probes:
    """Answers the three addresses, and counts every other answer where METRICS_TOKEN says that somebody reads them."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        self.own = {"/health": health, "/ready": ready, "/metrics": shown}

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if (answer := self.own.get(request.path)) is not None:
            return answer(request) if request.method in ("GET", "HEAD") else HttpResponse(status=405)
        if not settings.METRICS_TOKEN:
            return self.get_response(request)
        began = time.monotonic()
        response = self.get_response(request)
        try:
            metrics.count(response.status_code, time.monotonic() - began)
        except Exception as problem:  # whatever keeps the counters: no page waits for them
            log.warning("an answer could not be counted: %s", type(problem).__name__)
        return response


def health(_: HttpRequest) -> HttpResponse:
    """This process answers; nothing is said of what it depends on, or every restart of a database restarts it."""
    return HttpResponse("alive\n", content_type="text/plain")


def ready(_: HttpRequest) -> HttpResponse:
    """200 when this process can serve people: databases, log and counters answer, and no migration is missing.

    The broker is told, and may be away: work then waits in the database.
    """
    parts = {
        "database": answers("default"), "log": log_is_whole(), "counters": counters(), "broker": broker(),
        "migrations": migrated(),
    }  # fmt: skip
    fit = all(on for name, on in parts.items() if name != "broker")
    return JsonResponse({"ready": fit, "parts": parts}, status=200 if fit else 503)


def migrated() -> bool:
    """Whether both databases have every migration of this version; which they lack stands in the server's own log."""
    try:
        found = migrating.problems()
    except DatabaseError:
        return False
    for problem in found:
        log.error("%s", problem)
    return not found


def answers(alias: str) -> bool:
    try:
        with connections[alias].cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return False
    return True


def log_is_whole() -> bool:
    try:
        audit_log.check_whole()
    except (LogUnavailable, DatabaseError):
        return False
    return True


def counters() -> bool:
    try:
        cache.get("ready")
    except Exception:  # every backend has its own
        return False
    return True


def broker() -> bool:
    try:
        with current_app.connection_for_write(connect_timeout=BROKER_SECONDS) as line:
            line.ensure_connection(max_retries=1, timeout=BROKER_SECONDS)
    except Exception:  # every transport has its own
        return False
    return True


def shown(request: HttpRequest) -> HttpResponse:
    """Figures for whoever has the token; without one in the settings there is no such page."""
    if not settings.METRICS_TOKEN:
        return HttpResponse(status=404)
    given = request.headers.get("Authorization", "").removeprefix("Bearer ")
    if not hmac.compare_digest(given.encode(), settings.METRICS_TOKEN.encode()):
        return HttpResponse(status=403)
    return HttpResponse(metrics.exposition(), content_type=metrics.TYPE)
