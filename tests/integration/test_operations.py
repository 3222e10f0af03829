"""Whoever runs the machines sees whether the site is alive and ready, and figures and log lines that hold no values."""

from __future__ import annotations

import json
import logging
import re
from typing import Any

import pytest
from django.core.cache import cache
from django.db import OperationalError, connections
from django.test import Client

from llmsynthor_site.operations import json_logs, probes
from synthesis import jobs
from synthesis.states import JobKind
from tests import request_site

pytestmark = pytest.mark.django_db(databases=["default", "log"], transaction=True)
ODD = "a-name-that-nothing-else-has"
SAMPLE = re.compile(r'^llmsynthor_\w+(\{\w+="[\w.+]+"\})? [0-9.e+-]+$')


def test_alive_says_nothing_of_what_it_depends_on(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections["default"], "cursor", broken)
    answer = client.get("/health", headers={"host": "not-allowed.example"})
    assert (answer.status_code, answer.content) == (200, b"alive\n")
    assert client.post("/health").status_code == 405


def broken(*_: Any) -> None:
    raise OperationalError("the connection is closed")


def test_ready_names_what_is_away(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker may be away: requests then wait in the database. A database may not."""
    request_site.make()
    told = client.get("/ready").json()
    assert told == {
        "ready": True,
        "parts": {"database": True, "log": True, "counters": True, "broker": True, "migrations": True},
    }
    monkeypatch.setattr(probes, "broker", lambda: False)
    assert client.get("/ready").status_code == 200
    monkeypatch.setattr(connections["default"], "cursor", broken)
    away = client.get("/ready")
    assert (away.status_code, away.json()["parts"]["database"]) == (503, False)
    assert "closed" not in away.content.decode()


def test_figures_are_for_whoever_has_the_token(client: Client, settings: Any) -> None:
    settings.METRICS_TOKEN = ""
    assert client.get("/metrics").status_code == 404
    settings.METRICS_TOKEN = "t" * 30
    assert client.get("/metrics").status_code == 403
    assert client.get("/metrics", headers={"authorization": "Bearer wrong"}).status_code == 403
    assert client.get("/metrics", headers={"authorization": f"Bearer {'t' * 30}"}).status_code == 200


def test_figures_hold_nothing_of_anybodys_data(settings: Any) -> None:
    """Every line is a name of ours with labels of ours; a request's words are nowhere, and what waits is counted."""
    cache.clear()
    settings.METRICS_TOKEN = "t" * 30
    small = request_site.make()
    jobs.enqueue(small.submitted(title=ODD, purpose=ODD), JobKind.MEASURE)
    client = Client()
    client.get("/sign-in/")
    client.get(f"/{ODD}/")
    text = client.get("/metrics", headers={"authorization": f"Bearer {'t' * 30}"}).content.decode()
    assert ODD not in text
    samples = [line for line in text.splitlines() if not line.startswith("# ")]
    assert [line for line in samples if not SAMPLE.match(line)] == []
    for line in (
        'llmsynthor_jobs_waiting{kind="measure"} 1', 'llmsynthor_requests{state="submitted"} 1',
        'llmsynthor_answers_total{status="2xx"} 1', 'llmsynthor_answers_total{status="4xx"} 1',
        'llmsynthor_answer_seconds_bucket{le="+Inf"} 2', "llmsynthor_answer_seconds_count 2",
    ):  # fmt: skip
        assert line in samples, text


def line_of(name: str, message: str, *values: object, error: Exception | None = None) -> dict[str, Any]:
    found: list[str] = []
    logger = logging.getLogger(name)
    handler = logging.Handler()
    handler.emit = lambda record: found.append(json_logs.Json().format(record))  # type: ignore[method-assign]
    logger.addHandler(handler)
    try:
        if error is None:
            logger.error(message, *values)
        else:
            try:
                raise error
            except Exception:
                logger.exception(message, *values)
    finally:
        logger.removeHandler(handler)
    return dict(json.loads(found[0]))


def test_log_lines_hold_no_values() -> None:
    """Of another package's line its fixed part stays, of an exception its type and place."""
    told = line_of("django.db.backends", "failed: %s", f"INSERT ... '{ODD}'", error=ValueError(f"row {ODD}"))
    assert ODD not in json.dumps(told)
    assert told["message"] == "failed: %s"
    assert told["exception"] == "ValueError"
    assert told["raised"][-1].endswith("line_of")
    own = line_of("synthesis.jobs", "no message could be sent: %s", "OSError")
    assert own["message"] == "no message could be sent: OSError"
    assert own["level"] == "ERROR"
