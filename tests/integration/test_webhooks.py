"""Notices sent to a person's own programs: over a real connection, signed, tried again, and to listed hosts alone."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from audit.models import LogEntry
from llmsynthor_site import posting, webhooks
from llmsynthor_site.models import Delivery, Webhook
from tests import request_site
from tests.api_site import Caller

pytestmark = pytest.mark.django_db(databases=["default", "log"], transaction=True)


class Listener(HTTPServer):
    """Somebody's program: keeps what it is sent, and answers with the statuses it is told to, then 204."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.statuses: list[int] = []
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Listener

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((dict(self.headers), body))
        status = self.server.statuses.pop(0) if self.server.statuses else 204
        self.send_response(status)
        if status == 302:
            self.send_header("Location", f"{self.server.origin}/elsewhere")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Nothing of it belongs into a test's output."""


@pytest.fixture
def listener(settings: Any) -> Iterator[Listener]:
    server = Listener()
    settings.WEBHOOK_HOSTS = [server.origin, "hooks.example.org"]
    threading.Thread(target=partial(server.serve_forever, poll_interval=0.01), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def small() -> request_site.Site:
    return request_site.make()


def due_again() -> None:
    Delivery.objects.update(next_try_at=timezone.now() - timedelta(seconds=1))


def test_a_notice_arrives_once_signed_and_in_the_log(small: request_site.Site, listener: Listener) -> None:
    made = Caller(small.stella).post("webhooks/", {"url": f"{listener.origin}/hook?a=1"})
    assert made.status_code == 201, made.content
    request = small.submitted(title="A telling title")
    assert webhooks.deliver() == 1
    assert webhooks.deliver() == 0
    [(headers, body)] = listener.got
    signed = f"{headers['Webhook-Timestamp']}.".encode() + body
    expected = hmac.new(made.json()["secret"].encode(), signed, hashlib.sha256).hexdigest()
    assert headers["Webhook-Signature"] == f"v1={expected}"
    told = json.loads(body)
    assert request.reference in told["text"]
    assert b"telling" not in body
    assert LogEntry.objects.filter(action="site:webhook:sending").count() == 1
    assert made.json()["secret"] not in str(Webhook.objects.values().get())


def test_a_failed_try_is_repeated_after_a_growing_pause_and_given_up_in_the_end(
    small: request_site.Site, listener: Listener
) -> None:
    webhooks.add(by=small.stella, url=listener.origin)
    small.submitted()
    listener.statuses = [500] * 20
    pauses = []
    for _ in range(10):
        now = timezone.now()
        webhooks.deliver()
        pauses.append(Delivery.objects.get().next_try_at - now)
        due_again()
    assert len(listener.got) == len(webhooks.PAUSES) + 1
    assert pauses[: len(webhooks.PAUSES)] == sorted(pauses[: len(webhooks.PAUSES)])
    assert Delivery.objects.get().outcome == "answered with 500"
    assert webhooks.deliver() == 0


def test_nobody_there_costs_nothing_but_time(small: request_site.Site, listener: Listener, settings: Any) -> None:
    gone = "http://127.0.0.1:9"
    settings.WEBHOOK_HOSTS = [gone]
    webhooks.add(by=small.stella, url=gone)
    small.submitted()
    assert webhooks.deliver() == 0
    assert Delivery.objects.get().outcome == "nobody answered: ConnectionRefusedError"


def test_a_redirect_leads_nowhere(small: request_site.Site, listener: Listener) -> None:
    webhooks.add(by=small.stella, url=listener.origin)
    small.submitted()
    listener.statuses = [302]
    assert webhooks.deliver() == 0
    assert len(listener.got) == 1


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example.org/", "https://hooks.example.org:8443/", "https://evil.example/", "http://127.0.0.1/",
        "https://hooks.example.org@evil.example/", "https://hooks.example.org.evil.example/", "file:///etc/passwd",
        "https://evil.example#hooks.example.org", "https://evil.example\\@hooks.example.org/", "https://[::1",
        "gopher://hooks.example.org/", "https://hooks.example.org/\r\nX: y", "http://169.254.169.254/latest/", "",
    ],
)  # fmt: skip
def test_an_address_that_is_not_listed_is_refused(small: request_site.Site, listener: Listener, url: str) -> None:
    with pytest.raises(ValidationError):
        webhooks.add(by=small.stella, url=url)
    assert not Webhook.objects.exists()


def test_a_listed_name_that_turns_inwards_is_not_followed(
    small: request_site.Site, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    webhooks.add(by=small.stella, url="https://hooks.example.org/x")
    small.submitted()
    inside = [(2, 1, 6, "", ("8.8.8.8", 443)), (2, 1, 6, "", ("10.0.0.7", 443))]
    monkeypatch.setattr(posting.socket, "getaddrinfo", lambda *_, **__: inside)
    assert webhooks.deliver() == 0
    assert Delivery.objects.get().outcome.startswith("not sent: this host has an address inside")


def test_a_host_taken_off_the_list_gets_nothing_more(
    small: request_site.Site, listener: Listener, settings: Any
) -> None:
    webhooks.add(by=small.stella, url=listener.origin)
    small.submitted()
    settings.WEBHOOK_HOSTS = ["hooks.example.org"]
    assert webhooks.deliver() == 0
    settings.WEBHOOK_HOSTS = []
    due_again()
    assert webhooks.deliver() == 0
    assert listener.got == []


def test_an_ended_webhook_gets_not_even_what_waits(small: request_site.Site, listener: Listener) -> None:
    made = webhooks.add(by=small.stella, url=listener.origin)
    small.submitted()
    assert Caller(small.stefan).post(f"webhooks/{made.pk}/end/").status_code == 404
    assert Caller(small.stella).post(f"webhooks/{made.pk}/end/").status_code == 200
    assert webhooks.deliver() == 0
    assert listener.got == []


def test_no_token_registers_an_address(small: request_site.Site, listener: Listener) -> None:
    answer = Caller(small.stella, "read", "review").post("webhooks/", {"url": listener.origin})
    assert answer.status_code == 403


def test_the_page_adds_one_and_shows_what_was_sent(small: request_site.Site, listener: Listener) -> None:
    client = Caller(small.stella).client
    wrong = client.post("/settings/webhooks/", {"url": "https://evil.example/"})
    assert "not on the site&#x27;s list" in wrong.content.decode()
    made = client.post("/settings/webhooks/", {"url": listener.origin})
    assert webhooks.secret_of(Webhook.objects.get()) in made.content.decode()
    small.submitted()
    webhooks.deliver()
    assert "taken on" in client.get("/settings/webhooks/").content.decode()
    client.post(f"/settings/webhooks/{Webhook.objects.get().pk}/end/")
    assert "sent nowhere" in client.get("/settings/webhooks/").content.decode()
