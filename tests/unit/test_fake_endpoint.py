"""The stand-in speaks the protocol of the openai package, as the package's own client and types read it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import openai
import pytest
from openai.types import Model
from openai.types.chat import ChatCompletion
from openai.types.shared import ErrorObject

from tests.fakes import faults, plain, protocol
from tests.fakes.behaviours import BAD, BEHAVIOURS, informed
from tests.fakes.openai_server import OpenAIServer

GUIDANCE: dict[str, Any] = {
    "columns": [{"name": "c01", "values": ["v01", "v02"]}, {"name": "c02", "values": ["v01", "v02", "v03"]}],
    "discrepancies": [
        {"where": {"c01": ["v01"]}, "target": 90, "now": 40},
        {"where": {"c01": ["v02"], "c02": ["v03"]}, "target": 5, "now": 60},
    ],
    "proposals": 5,
    "records": 50,
}
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"], "additionalProperties": False}
REQUEST: dict[str, Any] = {
    "model": "m",
    "messages": [{"role": "system", "content": "s"}, {"role": "user", "content": json.dumps(GUIDANCE)}],
    "response_format": {"type": "json_schema", "json_schema": {"name": "x", "strict": True, "schema": SCHEMA}},
}
BODY = json.dumps(REQUEST).encode()
NO_COMPLETION = {"no-choices", "wrong-shape", "deep-completion", "half-json", "not-json", "no-text", "streaming"}


def answered(name: str) -> bytes | None:
    """What this behaviour answers with status 200, where it does."""
    made = BEHAVIOURS[name](BODY)
    if isinstance(made, tuple):
        return made[1] if made[0] == 200 else None
    return made.body if made.status == 200 and not (made.chunks or made.headers or made.declared) else None


@pytest.mark.parametrize("name", sorted(set(BEHAVIOURS) - NO_COMPLETION))
def test_answers_are_chat_completions_as_the_package_defines_them(name: str) -> None:
    body = answered(name)
    if body is not None:
        ChatCompletion.model_validate_json(body, strict=True)


@pytest.mark.parametrize("name", sorted(NO_COMPLETION - {"not-json", "streaming"}))
def test_those_that_are_none_are_refused_by_the_packages_types(name: str) -> None:
    body = answered(name)
    assert body is not None
    with pytest.raises(ValueError, match="validation error"):
        ChatCompletion.model_validate_json(body, strict=True)


def client(server: OpenAIServer) -> openai.OpenAI:
    return openai.OpenAI(base_url=server.base_url, api_key="k", max_retries=0, timeout=5)


@pytest.mark.parametrize(
    ("behaviour", "raised", "code"),
    [
        (faults.broken, openai.InternalServerError, None),
        (faults.unavailable, openai.InternalServerError, None),
        (faults.rate_limited, openai.RateLimitError, "rate_limit_exceeded"),
        (faults.out_of_money, openai.RateLimitError, "insufficient_quota"),
        (faults.wrong_key, openai.AuthenticationError, "invalid_api_key"),
        (faults.wrong_model, openai.NotFoundError, "model_not_found"),
        (faults.short_context, openai.BadRequestError, "context_length_exceeded"),
        (faults.unsupported, openai.BadRequestError, None),
        (faults.dropping, openai.APIConnectionError, None),
        (faults.hanging_up, openai.APIConnectionError, None),
    ],
)
def test_errors_are_those_the_package_knows(
    behaviour: protocol.Behaviour, raised: type[openai.APIError], code: str | None
) -> None:
    with OpenAIServer(behaviour) as server, pytest.raises(raised) as caught:
        client(server).chat.completions.create(**REQUEST)
    problem = caught.value
    assert problem.code == code
    if isinstance(problem, openai.APIStatusError) and isinstance(problem.body, dict):
        ErrorObject.model_validate(problem.body, strict=True)


def test_the_package_reads_refusals_usage_waits_and_models() -> None:
    with OpenAIServer(plain.refusing, models=protocol.models("a", "b", max_model_len=4096)) as server:
        refused = client(server).chat.completions.create(**REQUEST)
        listed = list(client(server).models.list())
    assert refused.choices[0].message.refusal
    assert refused.choices[0].message.content is None
    assert refused.usage is not None
    assert (refused.usage.prompt_tokens, refused.usage.total_tokens) == (100, 120)
    assert [Model.model_validate(each.to_dict(), strict=True).id for each in listed] == ["a", "b"]
    assert (listed[0].model_extra or {})["max_model_len"] == 4096
    with OpenAIServer(faults.rate_limited) as server, pytest.raises(openai.RateLimitError) as caught:
        client(server).chat.completions.create(**REQUEST)
    assert caught.value.response.headers["retry-after"] == "7"


def test_a_truncated_answer_says_so() -> None:
    with OpenAIServer(plain.truncated) as server:
        choice = client(server).chat.completions.create(**REQUEST).choices[0]
    assert choice.finish_reason == "length"
    with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
        json.loads(choice.message.content or "")


@pytest.mark.parametrize("body", [b"nonsense", b"{}", b'{"messages": [{"role": "user", "content": "hello"}]}'])
def test_a_request_it_cannot_read_gets_status_400(body: bytes) -> None:
    with OpenAIServer() as server:
        assert server.answer("/v1/chat/completions", body).status == 400
        assert server.answer("/v1/elsewhere", BODY).status == 404


def test_there_are_at_least_twenty_kinds_of_bad_answer_and_all_are_different() -> None:
    said = [BAD[name](BODY) for name in BAD if name not in {"huge", "bomb"}]
    shown = {re.sub(r'"created": \d+', "", repr(each)) for each in said}
    assert len(shown) == len(said) >= 20


def proposals(behaviour: protocol.Behaviour) -> list[dict[str, Any]]:
    made = behaviour(BODY)
    assert isinstance(made, tuple)
    return list(json.loads(json.loads(made[1])["choices"][0]["message"]["content"])["proposals"])


def test_the_informed_one_says_what_its_public_table_supports_and_no_more() -> None:
    """Where c01 is v01, public rows have c02 = v02 far more often; where they do not, it stays silent."""
    rng = np.random.default_rng(0)
    first = rng.integers(0, 2, 2000)
    follows = np.stack([first, np.where(first == 0, 1, rng.integers(0, 3, 2000))], axis=1)
    apart = np.stack([first, rng.integers(0, 3, 2000)], axis=1)
    (told,) = proposals(informed(follows))
    assert told["values"] == [{"column": "c01", "allow": ["v01"]}, {"column": "c02", "allow": ["v02"]}]
    assert told["records"] == 50
    (open_,) = proposals(informed(apart))
    assert open_["values"][1]["allow"] == ["v01", "v02", "v03"]
    assert proposals(informed(follows[first == 1])) == [], "no public row is in the group"


def test_it_runs_as_a_command_of_its_own(tmp_path: Path) -> None:
    public = tmp_path / "p.csv"
    public.write_text("a,b\n" + "0,1\n1,2\n" * 50)
    command = [sys.executable, "-m", "tests.fakes.openai_server", "--behaviour", "informed", "--public", str(public),
               "--port", "0", "--context", "4096"]  # fmt: skip
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
    ) as run:
        try:
            assert run.stdout is not None
            address = run.stdout.readline().split()[-1]
            speaker = openai.OpenAI(base_url=address, api_key="k", max_retries=0, timeout=10)
            answer = speaker.chat.completions.create(**REQUEST)
            listed = next(iter(speaker.models.list()))
        finally:
            run.terminate()
    assert json.loads(answer.choices[0].message.content or "")["proposals"]
    assert (listed.model_extra or {})["max_model_len"] == 4096
