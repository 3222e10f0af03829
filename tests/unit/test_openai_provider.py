"""The provider sends recorded bytes once and unchanged, over a real connection to a stand-in server."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

import httpx2
import pytest
from openai import OpenAI
from openai.types.chat import ChatCompletion

from synthesis.llm.base import ProviderError
from synthesis.llm.openai_provider import OpenAIProvider
from tests.fakes import openai_server
from tests.fakes.openai_server import OpenAIServer

BODY = json.dumps({"messages": [{"role": "user", "content": "{}"}], "model": "m", "odd   spacing": 1}).encode()


def answer(body: bytes) -> tuple[int, bytes]:
    return 200, openai_server.completion("ok")


def provider(server: OpenAIServer) -> OpenAIProvider:
    expected = hashlib.sha256(BODY).hexdigest()
    return OpenAIProvider(base_url=server.base_url, api_key="none", timeout=5, expected=expected)


def test_the_recorded_bytes_arrive_unchanged_and_once() -> None:
    with OpenAIServer(answer) as server:
        completion = provider(server).complete(BODY)
    assert server.bodies == [BODY]
    assert json.loads(completion.body)["choices"][0]["message"]["content"] == "ok"
    assert (completion.usage.prompt_tokens, completion.usage.completion_tokens) == (100, 20)


def test_the_stand_in_speaks_the_protocol_of_the_package() -> None:
    ChatCompletion.model_validate_json(openai_server.completion("x"), strict=True)


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
    honest = sender.post
    setattr(sender, "post", lambda body: honest(altered(body)))  # noqa: B010


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
    assert told["User-Agent"] == "llmsynthor"
