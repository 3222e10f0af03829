"""Whatever is wrong with an endpoint or odd about a table: a clear word on the run's page, and the run ends well."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from audit.models import PromptRecord
from synthesis import costs, envelope, gateway, jobs, probing, running
from synthesis.loop import LoopSettings
from synthesis.models import SynthesisRequest
from synthesis.states import Gate, JobKind, Proposer
from synthesis.states import RequestState as S
from tests import request_site, spending
from tests.fakes import faults, plain
from tests.fakes.behaviours import first_cells
from tests.fakes.endpoints import KINDS, Kind
from tests.fakes.openai_server import OpenAIServer
from tests.fakes.protocol import Behaviour, models
from tests.model_site import TOOK_OVER, asked, by_step, listed, notes, probed, whole
from tests.request_site import Site, open_door

pytestmark = pytest.mark.django_db(databases=["default", "log"], transaction=True)


@pytest.fixture
def house(monkeypatch: pytest.MonkeyPatch) -> Site:
    """A site whose loop learns slowly, so that a run asks several times."""
    slow = LoopSettings(sweeps=1, step=0.2, pool_size=1000, settle_sweeps=1, refinement_passes=0)
    monkeypatch.setattr(running, "LoopSettings", lambda: slow)
    monkeypatch.setattr(envelope, "MAX_ITERATIONS", 4)
    return request_site.make()


@pytest.fixture
def server(house: Site) -> Iterator[OpenAIServer]:
    with OpenAIServer(models=models("m-1")) as server, open_door():
        yield server


TROUBLES: dict[str, tuple[Behaviour, str, int]] = {
    "wrong key": (faults.wrong_key, "the endpoint does not accept the key (status 401)", 1),
    "unknown model": (faults.wrong_model, "the endpoint does not know this model (status 404)", 1),
    "short context": (faults.short_context, "longer than the model's context of 512 tokens (status 400)", 1),
    "a field refused": (faults.unsupported, "the endpoint does not accept response_format (status 400)", 1),
    "out of order": (faults.broken, "the endpoint failed (status 500)", 3),
    "hanging up": (faults.hanging_up, "the connection to the endpoint failed", 3),
}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_the_embedded_proposer_takes_over_and_the_page_says_why(
    house: Site, server: OpenAIServer, trouble: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.behaviour, words, attempts = TROUBLES[trouble]
    request = asked(house, listed(server))
    steps = by_step(request)
    assert len(steps) > gateway.IN_VAIN
    assert [steps[step]["stand-in"] for step in sorted(steps)][:3] == [attempts, attempts, 0], "not asked for ever"
    assert all(one["embedded"] == 1 for one in steps.values())
    assert len(server.bodies) == 2 * attempts
    told = notes(request)
    assert words in told[0]
    assert all(TOOK_OVER in note for note in told if "no difference" not in note)
    assert "is not asked again" in told[2]
    assert request.run.events.filter(kind="iteration", data__accepted__gt=0).exists(), "its proposals count"
    assert spending.spent_by(request.run)["calls"] == 2 * attempts, "what never left is not counted"
    client = Client()
    client.force_login(house.stella)
    assert words.split(" (")[0].replace("'", "&#x27;") in client.get(f"/requests/{request.pk}/run/").content.decode()
    whole(request, tmp_path, capsys)


def test_a_model_that_is_down(house: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with OpenAIServer() as gone:
        endpoint = listed(gone)
    with open_door():
        request = asked(house, endpoint)
    assert "the connection to the endpoint failed" in notes(request)[0]
    whole(request, tmp_path, capsys)


@pytest.mark.parametrize("behaviour", [plain.other_language, plain.prose, plain.refusing, plain.schema_ignoring])
def test_an_answer_of_no_use_is_told_and_replaced(
    house: Site, server: OpenAIServer, behaviour: Behaviour, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.behaviour = behaviour
    request = asked(house, listed(server))
    steps = by_step(request)
    assert all(one == {"stand-in": 1, "embedded": 1} for one in steps.values()), "an answer is never asked for twice"
    assert all("rejected" in note and TOOK_OVER in note for note in notes(request) if "no difference" not in note)
    whole(request, tmp_path, capsys)


def test_where_the_request_has_it_so_nobody_takes_over(
    house: Site, server: OpenAIServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.behaviour = faults.wrong_key
    request = asked(house, listed(server), takeover=False)
    assert {row.endpoint for row in PromptRecord.objects.all()} == {"stand-in"}
    assert not any(TOOK_OVER in note for note in notes(request))
    assert request.manifest.body["takeover"] is False
    whole(request, tmp_path, capsys)


def test_a_run_that_starts_over_takes_over_with_the_same_answers(house: Site, server: OpenAIServer) -> None:
    server.behaviour = faults.wrong_key
    request = asked(house, listed(server))
    before, sent = PromptRecord.objects.count(), len(server.bodies)
    table = request.run.package.manifest["files"]
    request.run.package.delete()
    SynthesisRequest.objects.update(state=S.SYNTHESISING)
    jobs.enqueue(request, JobKind.SYNTHESISE)
    running.synthesise(str(request.pk))
    request = SynthesisRequest.objects.get()
    assert request.state == S.CHECKING
    same = {one["name"]: one["sha256"] for one in table if one["name"].startswith("data.")}
    again = {one["name"]: one["sha256"] for one in request.run.package.manifest["files"]}
    assert same.items() <= again.items()
    assert PromptRecord.objects.filter(endpoint="embedded").count() == before - sent
    assert len(server.bodies) <= sent + 4, "a step that failed for good may be tried up to its three attempts"


def test_between_tries_it_waits_longer_each_time_or_as_long_as_asked(
    monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    """False alarm: the largest of 50 draws from 0 to 4 below 2, once in 10^15 runs."""
    waited: list[float] = []
    beats: list[int] = []
    monkeypatch.setattr("synthesis.gateway.time.sleep", waited.append)
    settings.CALL_RETRY_SECONDS = 2.0
    for tries in (1, 2):
        for _ in range(50):
            gateway.pause(tries, {"wait": "0"}, lambda: beats.append(1))
    assert max(waited[:50]) <= 2 < max(waited[50:]) <= 4
    assert len(set(waited)) > 90
    waited.clear()
    gateway.pause(1, {"wait": "7"}, lambda: beats.append(1))
    gateway.pause(1, {"wait": "86400"}, lambda: beats.append(1))
    assert waited == [7.0, gateway.LONGEST_PAUSE]
    assert len(beats) == 102


# --- what a probe found is kept to


def test_a_reasoning_model_is_asked_without_what_it_refuses(house: Site, server: OpenAIServer) -> None:
    request = asked(house, probed(server, Kind(first_cells, refuses=frozenset({"temperature", "max_tokens"}))))
    assert request.state == S.CHECKING
    assert {row.state for row in PromptRecord.objects.filter(run=str(request.run.pk))} == {"answered"}
    assert all("temperature" not in json.loads(body) for body in server.bodies)


def test_an_old_server_is_asked_with_its_own_bound_and_without_a_form(house: Site, server: OpenAIServer) -> None:
    old = Kind(first_cells, refuses=frozenset({"max_completion_tokens", "response_format"}))
    request = asked(house, probed(server, old))
    assert request.manifest.body["manner"]["parameters"] == {"max_tokens": 4000}
    assert server.bodies
    assert all("response_format" not in json.loads(body) for body in server.bodies)
    bound = costs.bound(request.run, envelope.builder(request).build((), iteration=1, proposals=5, records=1))
    assert bound.completion_tokens == 4000
    assert not any(TOOK_OVER in note for note in notes(request))


def test_a_prompt_is_shrunk_to_the_context_before_it_leaves(
    house: Site, server: OpenAIServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small = Kind(first_cells, context=3600)
    endpoint = probed(server, small)
    assert endpoint.probed is not None
    assert endpoint.probed.found["context"] == 3600
    request = asked(house, endpoint)
    room = request.manifest.body["manner"]["room"]
    assert server.bodies
    assert max(len(body) for body in server.bodies) <= room < 5000
    assert not any("no answer" in note for note in notes(request)), "none was too long"
    whole(request, tmp_path, capsys)


def test_where_nothing_fits_the_context_nothing_is_sent(
    house: Site, server: OpenAIServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    request = asked(house, probed(server, KINDS["hosted"], max_model_len=900))
    assert server.bodies == []
    assert all("longer than the endpoint can read" in note and TOOK_OVER in note for note in notes(request))
    whole(request, tmp_path, capsys)


def test_a_probe_after_gate_b_changes_nothing_of_the_run(house: Site, server: OpenAIServer) -> None:
    endpoint = probed(server, Kind(first_cells))
    request = house.measured(proposer=Proposer.OPENAI, endpoint=endpoint)
    server.behaviour = KINDS["plain"]
    probing.carry_out(str(probing.ask_for(endpoint, by="console").pk))
    server.behaviour = first_cells
    house.vote(request, house.stella, Gate.EGRESS)
    running.synthesise(str(request.pk))
    assert SynthesisRequest.objects.get().state == S.CHECKING
