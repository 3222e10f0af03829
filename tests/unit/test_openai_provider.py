"""The provider sends recorded bytes once and unchanged, over a real connection to a stand-in server."""

from __future__ import annotations

import json

import pytest
from openai.types.chat import ChatCompletion

from synthesis.llm.base import ProviderError
from synthesis.llm.openai_provider import OpenAIProvider
from tests.fakes import openai_server
from tests.fakes.openai_server import OpenAIServer

BODY = json.dumps({"messages": [{"role": "user", "content": "{}"}], "model": "m", "odd   spacing": 1}).encode()


def answer(body: bytes) -> tuple[int, bytes]:
    return 200, openai_server.completion("ok")


def provider(server: OpenAIServer) -> OpenAIProvider:
    return OpenAIProvider(base_url=server.base_url, api_key="none", timeout=5)


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


def test_other_bytes_than_the_recorded_ones_never_leave() -> None:
    with OpenAIServer(answer) as server:
        sender = provider(server)
        sender.expected = "0" * 64
        with pytest.raises(Exception):  # noqa: B017 - the package may wrap it, what matters is below
            sender.post(BODY)
        assert server.bodies == []
