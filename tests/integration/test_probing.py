"""A probe: what an endpoint does, found out through the one door in fixed wording alone, logged and bounded."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from audit.models import PromptRecord
from synthesis import probes, probing, services
from synthesis.models import Endpoint, Probe
from tests import request_site
from tests.fakes import faults
from tests.fakes.endpoints import KINDS, Kind
from tests.fakes.openai_server import OpenAIServer
from tests.fakes.protocol import models
from tests.request_site import Site, open_door

pytestmark = pytest.mark.django_db(databases=["default", "log"], transaction=True)
NO_LIST = {"listed": None, "output": None, "rate_requests": None, "rate_tokens": None}


@pytest.fixture
def house() -> Site:
    return request_site.make()


@pytest.fixture
def server(house: Site) -> Iterator[OpenAIServer]:
    with OpenAIServer(KINDS["hosted"], models=models("m-1")) as server, open_door():
        yield server


def endpoint_of(server: OpenAIServer, **money: Decimal) -> Endpoint:
    return services.add_endpoint(
        by="console", name="stand-in", base_url=server.base_url, model="m-1", is_local=True, **money
    )


def made(server: OpenAIServer) -> Probe:
    """The endpoint on the list and one probe of it, made here instead of by a worker."""
    probe = probing.ask_for(endpoint_of(server), by="console")
    probing.carry_out(str(probe.pk))
    return Probe.objects.select_related("endpoint").get(pk=probe.pk)


def found(server: OpenAIServer, kind: Kind, **listed: Any) -> dict[str, Any]:
    server.behaviour, server.models = kind, models("m-1", **listed)
    probe = made(server)
    assert probe.problem == ""
    return dict(probe.found)


def test_a_hosted_model_that_keeps_to_everything(server: OpenAIServer) -> None:
    told = found(server, KINDS["hosted"])
    assert (told["answers"], told["listed"], told["schema"], told["usage"]) == (True, True, "enforced", True)
    assert (told["temperature"], told["seed"], told["limit"], told["limit_kept"]) == (
        True,
        True,
        "max_completion_tokens",
        True,
    )
    assert (told["rate_requests"], told["rate_tokens"]) == (500, 200000)
    assert (told["context"], told["cuts"]) == (None, False)
    assert told["fits"] == len(probes.listing(4000).text)
    assert told["density"] == pytest.approx(200, abs=1), "the stand-in counts a token for two bytes"


def test_a_reasoning_model_that_refuses_temperature(server: OpenAIServer) -> None:
    told = found(server, KINDS["reasoning"])
    assert (told["temperature"], told["seed"], told["schema"]) == (False, True, "enforced")
    assert told["limit"] == "max_completion_tokens"


def test_a_server_that_ignores_forms_and_knows_the_old_bound_alone(server: OpenAIServer) -> None:
    told = found(server, KINDS["plain"])
    assert (told["schema"], told["limit"], told["seed"], told["usage"]) == ("ignored", "max_tokens", False, False)
    sent = [json.loads(body) for body in server.bodies]
    assert all("max_completion_tokens" not in one for one in sent[1:]), "what was refused once is not sent again"


def test_a_server_that_refuses_forms(server: OpenAIServer) -> None:
    assert found(server, KINDS["no-forms"])["schema"] == "refused"


def test_a_context_told_by_the_list_is_not_tried_beyond(server: OpenAIServer) -> None:
    told = found(server, KINDS["vllm"], max_model_len=8192)
    assert told["context"] == 8192
    assert told["fits"] == len(probes.listing(2000).text)
    assert max(len(body) for body in server.bodies) < 17_000


def test_a_context_told_when_it_is_passed(server: OpenAIServer) -> None:
    told = found(server, KINDS["vllm"])
    assert (told["context"], told["fits"]) == (8192, len(probes.listing(2000).text))


def test_an_error_under_status_200_is_no_answer(server: OpenAIServer) -> None:
    told = found(server, KINDS["llama.cpp"])
    assert (told["context"], told["fits"]) == (4096, len(probes.listing(1000).text))
    assert "context of 4096 tokens" in PromptRecord.objects.filter(state="failed").earliest("pk").error


def test_a_server_that_cuts_off_in_silence_and_ignores_the_new_bound(server: OpenAIServer) -> None:
    told = found(server, KINDS["ollama"])
    assert (told["context"], told["cuts"], told["fits"]) == (4096, True, None)
    assert (told["limit"], told["limit_kept"]) == ("max_tokens", True)


def test_limits_of_a_reseller_are_read(server: OpenAIServer) -> None:
    told = found(server, KINDS["hosted"], context_length=131072, top_provider={"max_completion_tokens": 16384})
    assert (told["context"], told["output"]) == (131072, 16384)


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        (faults.wrong_key, "does not accept the key"), (faults.wrong_model, "does not know this model"),
        (faults.out_of_money, "no credit left"), (faults.not_json, ""), (faults.hanging_up, "connection"),
        (faults.broken, "failed"), (faults.huge, "larger"),
    ],
)  # fmt: skip
def test_an_endpoint_that_does_not_answer_is_told_in_our_own_words(
    server: OpenAIServer, behaviour: Any, words: str
) -> None:
    server.behaviour, server.models = behaviour, None
    probe = made(server)
    assert words in probe.problem
    assert "sk-secret" not in probe.problem
    assert probe.finished_at is not None
    assert len(server.bodies) <= len(probes.CALLS)


def test_an_endpoint_that_is_down(house: Site) -> None:
    with OpenAIServer() as gone:
        pass
    with open_door():
        probe = made(gone)
    assert probe.problem == "the connection to the endpoint failed"
    assert probe.found["answers"] is False


# --- the command


def test_the_command_tells_what_was_found(server: OpenAIServer) -> None:
    endpoint_of(server)
    out = io.StringIO()
    call_command("probe_endpoint", "stand-in", stdout=out)
    assert "Form of an answer (JSON schema): Kept to" in out.getvalue()
    out = io.StringIO()
    call_command("probe_endpoint", "stand-in", "--json", stdout=out)
    assert json.loads(out.getvalue())["schema"] == "enforced"


def test_the_command_fails_where_the_endpoint_does_not_answer(server: OpenAIServer) -> None:
    server.behaviour = faults.wrong_key
    endpoint_of(server)
    with pytest.raises(CommandError, match="does not accept the key"):
        call_command("probe_endpoint", "stand-in", stdout=io.StringIO())
    with pytest.raises(CommandError, match="no endpoint of this name"):
        call_command("probe_endpoint", "other")
