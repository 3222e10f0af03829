"""The provider sends recorded bytes once and unchanged, over a real connection to a stand-in server."""

from __future__ import annotations

import hashlib
import json
import re
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import httpx2
import pytest
from openai import OpenAI

from synthesis.llm import openai_provider
from synthesis.llm.base import ProviderError
from synthesis.llm.openai_provider import OpenAIProvider
from tests.fakes import faults, openai_server, plain, protocol
from tests.fakes.openai_server import OpenAIServer
from tests.fakes.protocol import Reply

BODY = json.dumps({"messages": [{"role": "user", "content": "{}"}], "model": "m", "odd   spacing": 1}).encode()


def answer(body: bytes) -> tuple[int, bytes]:
    return 200, openai_server.completion("ok")


RECORDED = hashlib.sha256(BODY).hexdigest()


def provider(server: OpenAIServer) -> OpenAIProvider:
    return OpenAIProvider(base_url=server.base_url, api_key="none", timeout=5, expected=RECORDED)


def test_the_recorded_bytes_arrive_unchanged_and_once() -> None:
    with OpenAIServer(answer) as server:
        completion = provider(server).complete(BODY)
    assert server.bodies == [BODY]
    assert json.loads(completion.body)["choices"][0]["message"]["content"] == "ok"
    assert (completion.usage.prompt_tokens, completion.usage.completion_tokens) == (100, 20)


@pytest.mark.parametrize("behaviour", [openai_server.broken, openai_server.rate_limited])
def test_an_error_is_one_attempt_and_quotes_nothing(behaviour: openai_server.Behaviour) -> None:
    with OpenAIServer(behaviour) as server, pytest.raises(ProviderError) as caught:
        provider(server).complete(BODY)
    assert len(server.bodies) == 1, "the client must not retry by itself: a retry needs an intent of its own"
    assert "odd" not in str(caught.value)
    assert "out of order" not in str(caught.value)


def test_nobody_listening_is_an_error_too() -> None:
    with OpenAIServer(answer) as server:
        unreachable = provider(server)
    with pytest.raises(ProviderError):
        unreachable.complete(BODY)


def altered(body: bytes) -> bytes:
    return body.replace(b"odd   spacing", b"odd spacing")


def by_client(sender: OpenAIProvider) -> None:
    """A client that writes its own JSON instead of passing the bytes on."""
    honest = sender.call
    setattr(sender, "call", lambda body: honest(altered(body)))  # noqa: B010


def by_hook(sender: OpenAIProvider) -> None:
    """A client that changes the request at the last moment."""

    def change(request: httpx2.Request) -> None:
        request.stream = httpx2.ByteStream(altered(BODY))
        request._content = altered(BODY)

    sender.http.event_hooks = {"request": [change]}


def by_address(sender: OpenAIProvider) -> None:
    sender.client.base_url = f"{sender.client.base_url}elsewhere"


@pytest.mark.parametrize(
    ("plant", "words"), [(by_client, "differ"), (by_hook, "differ"), (by_address, "another address")]
)
def test_a_client_that_alters_what_is_sent_gets_nothing_out(
    plant: Callable[[OpenAIProvider], None], words: str
) -> None:
    with OpenAIServer(answer) as server, pytest.raises(ProviderError, match=words):
        sender = provider(server)
        plant(sender)
        sender.complete(BODY)
    assert server.bodies == []


def test_a_client_that_retries_by_itself_sends_once() -> None:
    with OpenAIServer(openai_server.broken) as server, pytest.raises(ProviderError, match="second time"):
        sender = provider(server)
        sender.client = OpenAI(base_url=server.base_url, api_key="none", max_retries=2, http_client=sender.http)
        sender.complete(BODY)
    assert server.bodies == [BODY]


def test_the_plants_would_get_out_without_the_wire() -> None:
    with OpenAIServer(answer) as server:
        sender = provider(server)
        sender.http = httpx2.Client(trust_env=False)
        sender.client = OpenAI(base_url=server.base_url, api_key="none", max_retries=0, http_client=sender.http)
        by_client(sender)
        sender.complete(BODY)
    assert server.bodies == [altered(BODY)]


@pytest.mark.parametrize("follow", [False, True])
def test_a_redirect_is_not_followed(follow: bool) -> None:
    with OpenAIServer(answer) as elsewhere, OpenAIServer(answer) as server, pytest.raises(ProviderError):
        server.redirect = f"{elsewhere.base_url}/chat/completions"
        sender = provider(server)
        sender.http.follow_redirects = follow
        sender.complete(BODY)
    assert (len(server.bodies), elsewhere.bodies) == (1, [])


def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with OpenAIServer(answer) as proxy, OpenAIServer(answer) as server:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.base_url.removesuffix("/v1"))
        monkeypatch.setenv("NO_PROXY", "")
        provider(server).complete(BODY)
    assert (server.bodies, proxy.bodies) == ([BODY], [])


def test_nothing_about_the_machine_leaves_in_the_headers() -> None:
    with OpenAIServer(answer) as server:
        provider(server).complete(BODY)
    told: dict[str, Any] = server.headers[0]
    assert {name.lower() for name in told} == {
        "host", "user-agent", "accept", "accept-encoding", "authorization", "content-type", "content-length",
    }  # fmt: skip
    assert told["user-agent"] == "llmsynthor"


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        (faults.broken, "the endpoint failed (status 500)"),
        (faults.unavailable, "the endpoint failed (status 503)"),
        (faults.rate_limited, "the endpoint is over its rate limit (status 429); it asks to wait 7 s"),
        (faults.out_of_money, "the account at the endpoint has no credit left (status 429)"),
        (faults.wrong_key, "the endpoint does not accept the key (status 401)"),
        (faults.wrong_model, "the endpoint does not know this model (status 404)"),
        (faults.short_context, "the prompt is longer than the model's context of 512 tokens (status 400)"),
        (faults.unsupported, "the endpoint does not accept response_format (status 400)"),
        (lambda body: Reply(403, b"[" * 100_000), "the key may not be used for this (status 403)"),
        (
            lambda body: Reply(429, b"{}", {"Retry-After": "<script>"}),
            "the endpoint is over its rate limit (status 429)",
        ),
        (lambda body: Reply(418, b'{"error": {"code": "odd"}}'), "the endpoint gave no answer (status 418)"),
        (lambda body: Reply(204), "the endpoint gave no answer (status 204)"),
        (faults.dropping, "the connection to the endpoint failed"),
        (faults.hanging_up, "the connection to the endpoint failed"),
        (faults.huge, "the answer is larger than 2 MiB"),
        (faults.bomb, "the answer is packed, which was not asked for"),
    ],
)
def test_every_failure_is_told_in_our_own_words(behaviour: protocol.Behaviour, reason: str) -> None:
    with OpenAIServer(behaviour) as server, pytest.raises(ProviderError, match=f"^{re.escape(reason)}$"):
        provider(server).complete(BODY)
    assert len(server.bodies) == 1


@pytest.mark.parametrize("behaviour", [faults.not_json, faults.half_json, faults.no_text, faults.streaming,
                                       plain.no_choices, plain.wrong_shape, plain.deep_completion])  # fmt: skip
def test_what_arrives_with_status_200_is_kept_as_it_came(behaviour: protocol.Behaviour) -> None:
    """An auditor sees the very bytes; that they are no chat completion is for the parser to say."""
    made = behaviour(BODY)
    sent = made.body if isinstance(made, Reply) else made[1]
    with OpenAIServer(behaviour) as server:
        completion = provider(server).complete(BODY)
    assert re.sub(rb'"created": \d+', b"", completion.body) == re.sub(rb'"created": \d+', b"", sent)
    assert completion.usage is None or completion.usage.prompt_tokens == 100


@pytest.mark.parametrize("told", [b'{"usage": {"prompt_tokens": -5, "completion_tokens": "9"}}', b'{"usage": 3}',
                                  b'{"usage": {"prompt_tokens": 1e300}}', b"[]", b"x", b"[" * 100_000])  # fmt: skip
def test_usage_that_makes_no_sense_counts_as_nothing_said(told: bytes) -> None:
    with OpenAIServer(lambda body: (200, told)) as server:
        assert provider(server).complete(BODY).usage is None


@pytest.mark.parametrize("behaviour", [faults.slow, faults.dripping])
def test_a_call_ends_after_its_seconds_whatever_trickles_in(behaviour: protocol.Behaviour) -> None:
    with OpenAIServer(behaviour) as server:
        sender = OpenAIProvider(base_url=server.base_url, api_key="none", timeout=0.5, expected=RECORDED)
        began = time.monotonic()
        with pytest.raises(ProviderError, match="did not answer in time"):
            sender.complete(BODY)
    assert time.monotonic() - began < 10, "a dripping body alone takes minutes"


def test_without_the_deadline_a_dripping_answer_would_hold_the_door(monkeypatch: pytest.MonkeyPatch) -> None:
    """Control: a timeout for each read alone never ends it."""
    monkeypatch.setattr(openai_provider.Deadline, "end", lambda deadline: None)
    slowly = Reply(200, b" " * 30, drip=0.05)
    with OpenAIServer(lambda body: slowly) as server:
        sender = OpenAIProvider(base_url=server.base_url, api_key="none", timeout=0.5, expected=RECORDED)
        began = time.monotonic()
        sender.complete(BODY)
    assert time.monotonic() - began > 1.4


def test_a_huge_answer_does_not_fill_memory() -> None:
    with OpenAIServer(faults.huge) as server:
        sender = provider(server)
        tracemalloc.start()
        with pytest.raises(ProviderError):
            sender.complete(BODY)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < faults.HUGE / 2


def test_redirects_are_not_followed() -> None:
    with (
        OpenAIServer() as elsewhere,
        OpenAIServer(faults.redirecting(f"{elsewhere.base_url}/chat/completions")) as server,
    ):
        with pytest.raises(ProviderError, match="points to another address"):
            provider(server).complete(BODY)
        assert elsewhere.bodies == []
