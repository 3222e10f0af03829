"""However a model answers the question about the columns: bounded, followed by nothing, and in log and replay alike."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from audit import keys, prompts, verify
from audit.export import export
from audit.models import PromptRecord
from llmsynthor_site import joining
from synthesis import policies, reconciling, running, structuring
from synthesis.models import Inference, SynthesisRequest
from synthesis.states import Gate, Proposer
from synthesis.states import RequestState as S
from tests import request_site
from tests.fakes.behaviours import BAD, first_cells
from tests.fakes.openai_server import OpenAIServer
from tests.model_site import listed, replayed, whole
from tests.request_site import Site, open_door
from tests.sizes import Note, Repeats

pytestmark = pytest.mark.django_db(databases=["default", "log"], transaction=True)
SLOW = {"slow", "dripping"}  # each takes a whole lease, so only the long test waits for them


@pytest.fixture
def house() -> Site:
    return request_site.make()


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer(first_cells) as found, open_door():
        yield found


def approved(house: Site, endpoint: Any) -> SynthesisRequest:
    request = house.submitted(proposer=Proposer.OPENAI, endpoint=endpoint, structuring=True)
    for steward in (house.stella, house.stefan):
        house.vote(request, steward)
    return SynthesisRequest.objects.get(pk=request.pk)


@pytest.mark.long_sizes
def test_every_kind_of_bad_answer_ends_well(
    house: Site, server: OpenAIServer, settings: Any, repeats: Repeats, is_long: bool, note: Note
) -> None:
    settings.CALL_RETRY_SECONDS, settings.DOOR_LEASE_SECONDS = 0, 6
    endpoint, names, runs = listed(server), {"sex", "age", "pay"}, 0
    bad = sorted(BAD) if is_long else sorted(set(BAD) - SLOW)
    for number in repeats(150) if is_long else range(len(bad)):
        name, runs = bad[number % len(bad)], runs + 1
        server.behaviour = BAD[name]
        request = approved(house, endpoint)
        structuring.carry_out(str(request.pk))
        inference = Inference.objects.get(run__request=request)
        made = PromptRecord.objects.filter(run=str(inference.run_id))
        assert inference.finished_at is not None, name
        assert 1 <= made.count() <= 3, name
        assert len(inference.hints) <= 4, name
        assert all(set(hint) <= names for hint in inference.hints), name
        assert not (inference.problem and inference.hints), name
        assert request.jobs.filter(kind="measure", done_at=None).exists(), name
    assert not prompts.open_prompts().exists()
    assert reconciling.compare().mismatches == ()
    note("D5", "hostile model, asked about columns", f"{runs} questions, {len(bad)} kinds of bad answer",
         "every request went on to be measured", "at most 3 attempts, no hint but of declared columns")  # fmt: skip


def synthesised(house: Site, server: OpenAIServer) -> SynthesisRequest:
    request = approved(house, listed(server))
    structuring.carry_out(str(request.pk))
    joining.measure(str(request.pk))
    request = SynthesisRequest.objects.get(pk=request.pk)
    for steward in (house.stella, house.stefan)[: policies.votes_needed(request, Gate.EGRESS)]:
        house.vote(request, steward, Gate.EGRESS)
    running.synthesise(str(request.pk))
    return SynthesisRequest.objects.get(pk=request.pk)


def test_log_export_and_replay_know_the_question(
    house: Site, server: OpenAIServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    request = synthesised(house, server)
    whole(request, tmp_path, capsys)
    counts = replayed(request, capsys)["counts"]
    assert counts["questions about columns worked out again"] == 1
    assert counts["prompts within what gate A approved"] == 1
    assert counts["prompts"] == counts["prompts rendered again, byte for byte"]
    report = verify.verify(tmp_path / "export", key=str(keys.public()), checkpoints=[])
    assert report.counts["questions about columns"] == 1
    first = [event.kind for event in request.run.events.all()][:2]
    assert first == ["structure", "started"]


def test_hints_other_than_the_answers_are_found_by_replay(
    house: Site, server: OpenAIServer, capsys: pytest.CaptureFixture[str]
) -> None:
    request = synthesised(house, server)
    Inference.objects.update(hints=[["sex", "pay"]])
    told = replayed(request, capsys)
    assert told["verdict"] == "differs"
    assert {one["what"] for one in told["differences"]} == {"the hints", "the hints of the recorded answer"}


def test_another_declaration_is_found_in_the_question(
    house: Site, server: OpenAIServer, capsys: pytest.CaptureFixture[str]
) -> None:
    request = synthesised(house, server)
    SynthesisRequest.objects.update(about="Not what was asked.")
    told = replayed(request, capsys)
    assert told["verdict"] == "differs"
    assert any(one["prompt"] == "0.1" for one in told["differences"])


def test_a_question_whose_answer_was_erased_is_no_difference(
    house: Site, server: OpenAIServer, capsys: pytest.CaptureFixture[str]
) -> None:
    from audit import erasure

    request = synthesised(house, server)
    record = PromptRecord.objects.get(run=str(request.run.pk), sequence=0)
    parts = erasure.parts(record)
    proposal = erasure.propose(by=house.stella, body=parts["answer"][0], reason="asked for")
    erasure.confirm(by=house.stefan, proposal=proposal)
    assert replayed(request, capsys)["verdict"] == "equal"


def test_an_export_during_the_question_is_whole(house: Site, server: OpenAIServer, tmp_path: Path) -> None:
    from audit import events

    request = approved(house, listed(server))

    def meanwhile(_: bytes) -> None:
        events.flush()
        export(tmp_path / "export", by="console", reason="a test")

    server.on_arrival = meanwhile
    structuring.carry_out(str(request.pk))
    assert verify.verify(tmp_path / "export", key=str(keys.public()), checkpoints=[]).findings == []
    assert SynthesisRequest.objects.get().state == S.STRUCTURING


def test_a_request_that_was_not_measured_has_nothing_to_replay(
    house: Site, server: OpenAIServer, capsys: pytest.CaptureFixture[str]
) -> None:
    request = approved(house, listed(server))
    structuring.carry_out(str(request.pk))
    with pytest.raises(SystemExit) as ended:
        call_command("replay_prompts", str(request.pk))
    assert ended.value.code == 2
    assert "no run yet" in capsys.readouterr().out
