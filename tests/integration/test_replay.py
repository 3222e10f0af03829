"""A run worked out again from what was recorded: equal to the last digit, or the digit is named with its place."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.models import F

from audit import log, prompts, recorded
from audit.models import LogEntry, PromptRecord
from audit.segments import DPValue, FreeText, Message, Prompt, Segment, Synthetic
from privacy.models import MeasurementRecord
from synthesis import environment, packaging, running
from synthesis.loop import LoopSettings
from synthesis.models import EgressManifest, Package, Run, SynthesisRequest
from synthesis.prompts import PromptBuilder
from synthesis.states import Gate, Proposer
from synthesis.states import RequestState as S
from tests import request_site
from tests.append_only import triggers_lifted
from tests.fakes import openai_server
from tests.fakes.openai_server import OpenAIServer
from tests.integration.test_whole_path import language_model
from tests.request_site import Site, open_door

pytestmark = pytest.mark.django_db(databases=["default", "log"], transaction=True)


@pytest.fixture
def house(monkeypatch: pytest.MonkeyPatch) -> Site:
    """A site whose loop learns so slowly that a run needs several prompts."""
    monkeypatch.setattr(running, "LoopSettings", lambda: LoopSettings(sweeps=1, step=0.2, pool_size=4000))
    return request_site.make()


@pytest.fixture
def made(house: Site) -> Iterator[SynthesisRequest]:
    """A request whose table was made, by the embedded proposer."""
    with open_door():
        yield house.synthesised()


def command(request: SynthesisRequest, capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, dict[str, Any]]:
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        call_command("replay_prompts", str(request.pk), "--json", *options)
    return int(str(ended.value.code)), json.loads(capsys.readouterr().out)


def test_an_honest_run_replays_to_the_last_bit(made: SynthesisRequest, capsys: pytest.CaptureFixture[str]) -> None:
    code, told = command(made, capsys)
    assert (code, told["verdict"]) == (0, "equal"), told
    counts = told["counts"]
    sent = recorded.attempts(str(made.run.pk))
    assert counts["prompts"] == len(sent) > 2
    assert (
        counts["prompts rendered again, byte for byte"] == counts["prompts worked out again from the loop"] == len(sent)
    )
    assert counts["DPVALUEs matched to release and charge"] >= len(sent)
    assert counts["SYNTHETIC values worked out again"] >= 3 * len(sent)
    assert counts["files of the table rebuilt, bit for bit"] == 2
    assert counts["prompts within what gate B approved"] == len(sent)
    with pytest.raises(SystemExit):
        call_command("replay_prompts", str(made.pk))
    text = capsys.readouterr().out
    assert "EQUAL: run" in text
    assert "Not checked here: the log itself." in text
    assert told["log_checked"] is False
    assert counts["iterations worked out again"] == counts["iterations that were run"] > 1
    for attempt in sent:
        guidance = json.loads(json.loads(attempt.prompt)["messages"][-1]["content"])
        assert all(type(one[side]) is int for one in guidance["discrepancies"] for side in ("target", "now"))
    the_environment_is_in_the_log_before_the_first_prompt(made)


def the_environment_is_in_the_log_before_the_first_prompt(made: SynthesisRequest) -> None:
    started = LogEntry.objects.get(action="synthesis:run:started")
    assert started.index < LogEntry.objects.filter(action="audit:prompt:intent").earliest("index").index
    facts = log.entry(started.index).facts
    assert facts["environment"] == made.run.environment
    assert facts["environment"]["blas_threads"] == 1
    assert facts["environment"]["cpu_features"]
    assert len(facts["environment"]["lock_sha256"]) == 64


# --- one digit changed by somebody who can write to the log


class OneDigit(PromptBuilder):
    """Plants a changed count into the second prompt: of the loop's own (SYNTHETIC) or of a statistic (DPVALUE)."""

    kind: type[Segment] = Synthetic

    def build(self, *args: Any, **values: Any) -> Prompt:
        honest = super().build(*args, **values)
        return honest if values["iteration"] != 2 else changed(honest, self.kind)[0]


def changed(prompt: Prompt, kind: type[Segment]) -> tuple[Prompt, int]:
    """The prompt with the first count of this kind one higher, and that count's place among the user's segments."""
    message = prompt.messages[1]
    at = next(at for at, segment in enumerate(message.segments) if type(segment) is kind)
    segments = list(message.segments)
    segments[at] = dataclasses.replace(segments[at], value=number_of(segments[at]) + 1)
    messages = (prompt.messages[0], dataclasses.replace(message, segments=tuple(segments)))
    return dataclasses.replace(prompt, messages=messages), at + 1


def number_of(segment: Segment) -> int:
    assert isinstance(segment, Synthetic | DPValue)
    return segment.value


@pytest.mark.parametrize("kind", [Synthetic, DPValue])
def test_a_single_changed_digit_is_named_with_its_place(
    house: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], kind: type[Segment]
) -> None:
    with monkeypatch.context() as planted, open_door():
        planted.setattr("synthesis.envelope.PromptBuilder", OneDigit)
        planted.setattr(OneDigit, "kind", kind)
        planted.setattr("synthesis.envelope.untrue", lambda *_: "")  # the gateway would have refused the statistic
        request = house.synthesised()
    assert request.state == S.CHECKING
    attempt = next(one for one in recorded.attempts(str(request.run.pk)) if one.sequence == 2)
    found = prompts.load_prompt(prompts.PromptRecord.objects.get(intent_id=attempt.intent))
    place = next(at for at, one in enumerate(found.messages[1].segments, start=1) if type(one) is kind)
    wrong = number_of(found.messages[1].segments[place - 1])
    code, told = command(request, capsys)
    assert (code, told["verdict"]) == (1, "differs")
    assert {(one["prompt"], one["message"], one["segment"]) for one in told["differences"]} == {("2.1", 2, place)}
    assert {one["run"] for one in told["differences"]} == {str(request.run.pk)}
    assert all(one["found"].startswith(str(wrong)) for one in told["differences"])
    assert all(one["expected"].startswith(str(wrong - 1)) for one in told["differences"])
    assert len(told["differences"]) == (1 if kind is Synthetic else 2), "a statistic differs from release and loop"


def test_a_prompt_the_loop_would_not_have_sent_is_found(
    made: SynthesisRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    first = recorded.attempts(str(made.run.pk))[0]
    honest = prompts.load_prompt(prompts.PromptRecord.objects.get(intent_id=first.intent))
    unseen = dataclasses.replace(honest, messages=(Message("user", (FreeText("Who earns most?", "vote 9"),)),))
    prompts.record_intent(run=str(made.run.pk), sequence=99, attempt=1, endpoint="embedded", prompt=unseen, by="system")
    code, told = command(made, capsys)
    assert code == 1
    assert [(one["prompt"], one["expected"]) for one in told["differences"]] == [
        ("99.1", "what gate B approved"),
        ("99.1", "none: the loop asks nothing here"),
    ]


# --- inputs and the table changed in the site's own database


def planted_seed(request: SynthesisRequest) -> None:
    SynthesisRequest.objects.update(seed=F("seed") + 1)


def planted_settings(request: SynthesisRequest) -> None:
    Run.objects.update(settings={**request.run.settings, "sweeps": 3})


def planted_statistic(request: SynthesisRequest) -> None:
    table = MeasurementRecord.objects.last()
    assert table is not None
    with triggers_lifted(connection):
        MeasurementRecord.objects.filter(pk=table.pk).update(counts=[table.counts[0] + 1, *table.counts[1:]])


def planted_table(request: SynthesisRequest) -> None:
    package = request.run.package
    files = [file | {"sha256": "0" * 64} if file["name"] == "data.csv" else file for file in package.manifest["files"]]
    Package.objects.update(manifest=package.manifest | {"files": files})


def planted_manifest(request: SynthesisRequest) -> None:
    EgressManifest.objects.update(body=request.manifest.body | {"free_text": [{"approval": "vote 9", "text": "x"}]})


def planted_snapshot(request: SynthesisRequest) -> None:
    SynthesisRequest.objects.update(snapshot=request.snapshot | {"purpose": "Another one."})


PLANTED = {
    "the seed": planted_seed,
    "the loop's settings": planted_settings,
    "the stored table of charge": planted_statistic,
    "SHA-256 of data.csv": planted_table,
    "the package's files": planted_table,
    "the request as submitted": planted_snapshot,
    "the egress manifest": planted_manifest,
}


def test_every_changed_input_is_named(made: SynthesisRequest, capsys: pytest.CaptureFixture[str]) -> None:
    for plant in dict.fromkeys(PLANTED.values()):
        plant(SynthesisRequest.objects.get())
    before = log.size()
    code, told = command(made, capsys)
    assert code == 1
    assert log.size() == before, "a replay writes nothing"
    for what in PLANTED:
        assert any(one["what"].startswith(what) for one in told["differences"]), (what, told["differences"])


# --- what cannot be replayed


def test_another_environment_is_told_and_stops_the_loop_unless_asked_for(
    made: SynthesisRequest, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    here = environment.recorded()
    monkeypatch.setattr(environment, "recorded", lambda: here | {"numpy": "1.0", "blas_threads": 1})
    code, told = command(made, capsys)
    assert (code, told["loop_run_again"]) == (2, False)
    assert told["environment"] == [f"numpy: then {made.run.environment['numpy']}, now 1.0"]
    assert told["counts"]["prompts rendered again, byte for byte"] == told["counts"]["prompts"]
    code, told = command(made, capsys, "--anyway")
    assert (code, told["loop_run_again"], len(told["environment"])) == (0, True, 1)
    with pytest.raises(SystemExit):
        call_command("replay_prompts", str(made.pk))
    assert "(--anyway does)" in capsys.readouterr().out


def test_what_was_never_run_cannot_be_replayed(house: Site, capsys: pytest.CaptureFixture[str]) -> None:
    code, told = command(house.submitted(), capsys)
    assert (code, told["verdict"]) == (2, "cannot")
    with pytest.raises(SystemExit) as ended:
        call_command("replay_prompts", "no-such-id")
    assert ended.value.code == 2


def test_a_run_that_stopped_half_way_replays_as_far_as_it_got(
    house: Site, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    beats = iter(range(1000))

    def tired(job: object) -> None:
        if next(beats) == 4:
            raise RuntimeError("planted")

    with monkeypatch.context() as planted, open_door():
        planted.setattr(running, "beat", tired)
        request = house.synthesised()
    assert request.state == S.PAUSED
    code, told = command(request, capsys)
    assert (code, told["verdict"]) == (0, "equal"), told
    assert "not finished" in told["notes"][0]


def test_failed_attempts_and_starting_over_replay_too(house: Site, capsys: pytest.CaptureFixture[str]) -> None:
    """A language model that fails now and then; a worker that died; a second start in the same environment."""
    calls = iter(range(1000))

    def moody(body: bytes) -> tuple[int, bytes]:
        return openai_server.broken(body) if next(calls) % 5 < 3 else openai_server.first_cells(body)

    with OpenAIServer(moody) as server, open_door():
        request = house.measured(proposer=Proposer.OPENAI, endpoint=language_model(server))
        house.vote(request, house.stella, Gate.EGRESS)
        running.start(SynthesisRequest.objects.get())  # a worker that came no further
        running.synthesise(str(request.pk))
    request = SynthesisRequest.objects.get()
    assert request.state == S.CHECKING
    assert any(not attempt.answered for attempt in recorded.attempts(str(request.run.pk)))
    code, told = command(request, capsys)
    assert (code, told["verdict"]) == (0, "equal"), told
    assert told["counts"]["files of the table rebuilt, bit for bit"] == 2


def test_a_table_is_rebuilt_from_the_recorded_answers_with_nobody_to_ask(
    house: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A language model's answers are on record: with its server and the door gone the same bytes come out."""
    with OpenAIServer() as server, open_door():
        request = house.synthesised(proposer=Proposer.OPENAI, endpoint=language_model(server))
    asked, bodies = len(server.bodies), PromptRecord.objects.count()
    assert asked > 1
    code, told = command(request, capsys, "--out", str(tmp_path / "again"))
    assert (code, told["verdict"]) == (0, "equal"), told
    made = packaging.package_folder(str(request.run.package.pk))
    for name in ("data.csv", "data.parquet"):
        assert (tmp_path / "again" / name).read_bytes() == (made / name).read_bytes()
    assert (len(server.bodies), PromptRecord.objects.count()) == (asked, bodies)
