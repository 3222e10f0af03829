"""Spans reach a collector where one is named, and hold words of the code: no value, name, key or length of a job."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from celery import signals
from django.core.exceptions import MiddlewareNotUsed
from django.http import HttpResponse
from django.test import Client, RequestFactory

from llmsynthor_site import tasks, telemetry
from synthesis import jobs
from synthesis.states import JobKind
from tests import privacy_site, request_site

received = pytest.importorskip(
    "opentelemetry.proto.collector.trace.v1.trace_service_pb2", reason="the extra 'telemetry' is not installed"
)
pytestmark = pytest.mark.django_db(databases=["default", "log"], transaction=True)
ODD = "a-name-that-nothing-else-has"
LATE = 60_000  # milliseconds for the spans to arrive


class Collector(ThreadingHTTPServer):
    """An OTLP/HTTP receiver on loopback: the bytes of every request, and the spans in them."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Receiver)
        self.bodies: list[bytes] = []

    def spans(self) -> list[Any]:
        telemetry.provider().force_flush(LATE)
        told = [received.ExportTraceServiceRequest.FromString(body) for body in self.bodies]
        return [
            span
            for one in told
            for resource in one.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]


class Receiver(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        assert self.path == "/v1/traces"
        self.server.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Nothing: the test's own output is for the test."""


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    with Collector() as server:
        threading.Thread(target=partial(server.serve_forever, poll_interval=0.01), daemon=True).start()
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        yield server
        disconnect()
        telemetry.provider().shutdown()
        telemetry.provider.cache_clear()
        server.shutdown()


def disconnect() -> None:
    for signal, receiver in (
        (signals.after_task_publish, telemetry.sent), (signals.task_prerun, telemetry.begun),
        (signals.task_postrun, telemetry.ended),
    ):  # fmt: skip
        signal.disconnect(receiver)


def facts(span: Any) -> dict[str, Any]:
    return {one.key: one.value.string_value or one.value.int_value for one in span.attributes}


def test_a_page_gives_a_span_with_its_route_and_nothing_of_what_was_asked(collector: Collector) -> None:
    small = request_site.make()
    person = privacy_site.person(ODD, "researcher")
    request = small.submitted(title=ODD, purpose=ODD)
    client = Client(headers={"traceparent": f"00-{'ab' * 16}-{'cd' * 8}-01", "tracestate": f"a={ODD}"})
    client.force_login(person, backend="llmsynthor_site.backends.RoleBackend")
    assert client.get(f"/datasets/{small.dataset.pk}/?page=1&words={ODD}").status_code == 200
    client.get(f"/{ODD}/?{ODD}")
    client.generic(ODD.upper(), f"/datasets/{small.dataset.pk}/")
    client.post("/requests/new/", {"title": ODD})
    jobs.enqueue(request, JobKind.MEASURE)

    spans = {span.name: span for span in collector.spans()}
    page = spans["GET /datasets/<uuid:pk>/"]
    assert facts(page) == {
        "http.request.method": "GET", "http.route": "/datasets/<uuid:pk>/", "http.response.status_code": 200,
    }  # fmt: skip
    assert not page.parent_span_id
    assert page.trace_id.hex() != "ab" * 16
    assert (page.end_time_unix_nano - page.start_time_unix_nano) / 1e9 in telemetry.WITHIN
    assert facts(spans["GET"])["http.response.status_code"] == 404
    assert "_OTHER /datasets/<uuid:pk>/" in spans
    for timeless in (spans["POST /requests/new/"], spans["measure measure"]):
        assert timeless.end_time_unix_nano == timeless.start_time_unix_nano
    sent = facts(spans["measure measure"])
    assert sent == {"job.kind": "measure", "job.outcome": "sent", "messaging.destination.name": "measure"}
    everything = b"".join(collector.bodies)
    for value in (ODD, small.dataset.title, str(small.dataset.pk), str(request.pk), small.rosa.username, "words"):
        assert value.encode() not in everything
        assert value.upper().encode() not in everything


def test_a_worker_of_mail_tells_how_its_jobs_ended_and_one_behind_a_wall_nothing(collector: Collector) -> None:
    privacy_site.make_keys()
    for walled in ({"measure"}, {"synthesise"}, {"mail", "measure"}):
        telemetry.of_worker(walled)
        tasks.remind.apply()
    assert collector.spans() == []
    telemetry.of_worker({"mail"})
    tasks.remind.apply()
    [span] = collector.spans()
    assert facts(span) == {"job.kind": "remind", "job.outcome": "success", "messaging.destination.name": "mail"}
    assert span.end_time_unix_nano == span.start_time_unix_nano


@pytest.mark.parametrize(
    "variables",
    [{}, {"OTEL_SDK_DISABLED": "true"}, {"OTEL_TRACES_EXPORTER": "none"}],
)
def test_off_unless_a_collector_is_named(variables: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    if variables:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://127.0.0.1:9/v1/traces")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(MiddlewareNotUsed):
        telemetry.Traced(lambda _: HttpResponse())


def test_without_the_extra_pages_are_answered_and_the_log_says_why_there_are_no_spans(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    telemetry.provider.cache_clear()
    try:
        answer = telemetry.Traced(lambda _: HttpResponse(b"well"))(RequestFactory().get("/"))
    finally:
        disconnect()
        telemetry.provider.cache_clear()
    assert answer.content == b"well"
    assert "the extra 'telemetry' is not installed" in caplog.text
