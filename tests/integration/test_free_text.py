"""Text columns from declaration to file: written from synthetic records alone, logged, bounded, or left empty."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from django.test import Client

from audit.models import PromptRecord
from llmsynthor_site import joining
from privacy.models import ReleaseRecord
from synthesis import envelope, jobs, packaging, running, services
from synthesis.loop import LoopSettings
from synthesis.models import EgressManifest, SynthesisRequest
from synthesis.states import Gate, JobKind, Proposer
from synthesis.states import RequestState as S
from tests import privacy_site, request_site
from tests.fakes import writers
from tests.fakes.behaviours import BEHAVIOURS, first_cells, malicious
from tests.fakes.openai_server import OpenAIServer
from tests.fakes.protocol import guidance_of, models
from tests.model_site import asked, listed, replayed, whole
from tests.request_site import Site, open_door

pytestmark = pytest.mark.django_db(databases=["default", "log"], transaction=True)
CANARY = "canary-of-the-raw-column"
WRITTEN: dict[str, Any] = {
    "maxLength": 60,
    "language": "English",
    "instruction": "what somebody says of where they live",
}
PLACE = {"name": "place", "type": "string", "categories": ["north", "south"], "constraints": {"required": True}}
FIELDS = [
    {**PLACE, "publicLabels": True},
    {"name": "remark", "type": "string", "freeText": WRITTEN},
    *privacy_site.FIELDS,
]
ROWS = 45


def table(rows: int = 1200) -> bytes:
    homes = ["south" if i % 3 else "north" for i in range(rows)]
    lines = [f"{home},{CANARY} {i},{'fm'[i % 2]},{(i * 13) % 100},{(i * 7) % 101}" for i, home in enumerate(homes)]
    return ("place,remark,sex,age,pay\n" + "\n".join(lines) + "\n").encode()


@pytest.fixture
def house(monkeypatch: pytest.MonkeyPatch) -> Site:
    quick = LoopSettings(sweeps=4, pool_size=1000, settle_sweeps=2, refinement_passes=1)
    monkeypatch.setattr(running, "LoopSettings", lambda: quick)
    monkeypatch.setattr(envelope, "MAX_ITERATIONS", 2)
    house = request_site.make()
    house.dataset = privacy_site.dataset(house.owner, content=table(), title="Remarks", fields=FIELDS)
    return house


@pytest.fixture
def server(house: Site) -> Iterator[OpenAIServer]:
    with OpenAIServer(models=models("m-1")) as server, open_door():
        yield server


def made(request: SynthesisRequest, name: str = "data.csv") -> pd.DataFrame:
    return pd.read_csv(packaging.package_folder(str(request.run.package.pk)) / name, keep_default_na=False, dtype=str)


def questions(server: OpenAIServer) -> list[dict[str, Any]]:
    """What was asked about texts, in order."""
    found = [guidance_of(body) for body in server.bodies if b"longest" in body]
    return [one for one in found if "instruction" in one]


def told(request: SynthesisRequest) -> dict[str, Any]:
    (found,) = request.run.report["texts"]
    return dict(found)


# --- the whole way


def test_texts_are_written_from_the_synthetic_records_in_batches(
    house: Site, server: OpenAIServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    request = asked(house, listed(server), rows=ROWS)
    assert request.state == S.CHECKING, request.note
    found = made(request)
    assert list(found.columns) == ["place", "remark", "sex", "age", "pay"]
    assert (found["remark"] == "With place " + found["place"] + ".").all()
    batches = questions(server)
    assert [len(one["records"]) for one in batches] == [20, 20, 5]
    assert [each["values"]["place"] for one in batches for each in one["records"]] == list(found["place"])
    assert told(request) == {
        "column": "remark", "rows": "data", "cells": ROWS, "written": ROWS, "empty": 0, "reasons": {},
    }  # fmt: skip
    parquet = pd.read_parquet(packaging.package_folder(str(request.run.package.pk)) / "data.parquet")
    assert list(parquet["remark"]) == list(found["remark"])
    whole(request, tmp_path, capsys)
    counts = replayed(request, capsys)["counts"]
    assert counts["prompts worked out again from the loop"] == counts["prompts"] >= 3


def test_nothing_of_the_raw_column_is_anywhere(house: Site, server: OpenAIServer) -> None:
    """Not among the sealed codes, in a prompt, in a file; the long test of canaries looks in every other place."""
    request = asked(house, listed(server), rows=ROWS)
    assert questions(server)
    assert not any(CANARY.encode() in body for body in server.bodies)
    for path in Path(packaging.package_folder(str(request.run.package.pk))).iterdir():
        assert CANARY.encode() not in path.read_bytes()
    record = ReleaseRecord.objects.get()
    assert "remark" not in dict(record.domain)
    assert "remark" not in str(record.discovered)


def test_the_embedded_proposer_leaves_every_cell_empty_and_asks_nobody(
    house: Site, server: OpenAIServer, capsys: pytest.CaptureFixture[str]
) -> None:
    request = house.synthesised(rows=ROWS)
    assert set(made(request)["remark"]) == {""}
    assert told(request)["reasons"] == {"the embedded proposer writes no text": ROWS}
    assert request.manifest.body["written"] == []
    assert not any("text-rules" in json.dumps(one) for one in request.manifest.body["templates"])
    assert server.bodies == []
    parquet = pd.read_parquet(packaging.package_folder(str(request.run.package.pk)) / "data.parquet")
    assert parquet["remark"].isna().all()
    assert replayed(request, capsys)["verdict"] == "equal"


def test_with_a_what_if_only_records_that_differ_get_texts_of_their_own(
    house: Site, server: OpenAIServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    request = asked(house, listed(server), rows=200, what_if="assume twice as many in north")
    first, second = made(request), made(request, "data-what-if.csv")
    assert (second["remark"] == "With place " + second["place"] + ".").all()
    changed = (first != second).any(axis=1).sum()
    assert {one["rows"]: one["written"] for one in request.run.report["texts"]} == {
        "data": 200, "data-what-if, replaced rows": pytest.approx(changed, abs=5),
    }  # fmt: skip
    whole(request, tmp_path, capsys)


# --- what a model may answer


def test_harmful_texts_are_cleaned_guarded_or_left_out_and_counted(
    house: Site, server: OpenAIServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.behaviour = malicious
    request = asked(house, listed(server), rows=ROWS)
    cells = made(request)["remark"]
    assert set(cells) == {f"'{writers.FORMULA}", "seen only", ""}
    assert told(request)["reasons"] == {
        "a text longer than declared": 9, "a text without anything to read": 18,
    }  # fmt: skip
    whole(request, tmp_path, capsys)


@pytest.mark.parametrize(
    "name", ["prose", "truncated", "wrong-key", "refusing", "deep", "giving-orders", "wrong-types"]
)
def test_whatever_is_answered_the_table_comes_and_says_what_is_missing(
    house: Site, server: OpenAIServer, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = BEHAVIOURS[name]
    server.behaviour = lambda body: bad(body) if b"longest" in body else first_cells(body)
    request = asked(house, listed(server), rows=ROWS)
    found = told(request)
    assert found["cells"] == ROWS
    assert found["empty"] == sum(found["reasons"].values()) == (made(request)["remark"] == "").sum() >= ROWS - 6
    assert max(len(cell) for cell in made(request)["remark"]) <= WRITTEN["maxLength"] + 1
    whole(request, tmp_path, capsys)


def test_every_behaviour_of_the_stand_in_answers_a_question_about_texts(house: Site, server: OpenAIServer) -> None:
    asked(house, listed(server), rows=5)
    question, ordinary = server.bodies[-1], server.bodies[0]
    for name in BEHAVIOURS:
        server.behaviour = BEHAVIOURS[name]
        answered, usual = (server.answer("/v1/chat/completions", body) for body in (question, ordinary))
        assert answered.status == usual.status, name


# --- caps, gates, and runs that stop


def test_questions_beyond_the_approved_number_are_not_asked(
    house: Site, server: OpenAIServer, settings: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.TEXT_QUESTIONS = 2
    request = asked(house, listed(server), rows=ROWS)
    assert request.manifest.body["caps"]["text_questions"] == len(questions(server)) == 2
    assert told(request)["reasons"] == {"the approved number of questions is used up": 5}
    assert list(made(request)["remark"] == "") == [False] * (ROWS - 5) + [True] * 5
    whole(request, tmp_path, capsys)


def test_a_cap_on_tokens_is_reserved_before_and_leaves_the_rest_empty(
    house: Site, server: OpenAIServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.behaviour = lambda body: (200, first_cells(body)[1].replace(b'_tokens": 20', b'_tokens": 4000'))
    request = house.measured(proposer=Proposer.OPENAI, endpoint=listed(server), rows=ROWS)
    body = request.manifest.body
    body["caps"]["tokens"] = 14_000
    EgressManifest.objects.filter(request=request).update(body=body, content_hash=envelope.hash_of(body))
    house.vote(request, house.stella, Gate.EGRESS)
    running.synthesise(str(request.pk))
    request = SynthesisRequest.objects.get()
    assert request.state == S.CHECKING, request.note
    assert any("approved number of tokens" in reason for reason in told(request)["reasons"])
    assert told(request)["empty"] > 0
    whole(request, tmp_path, capsys)


def test_a_worker_that_died_half_way_asks_nothing_twice(
    house: Site, server: OpenAIServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    request = house.measured(proposer=Proposer.OPENAI, endpoint=listed(server), rows=ROWS)
    house.vote(request, house.stella, Gate.EGRESS)
    honest = running.gateway.ask
    calls = iter(range(1000))

    def dying(*arguments: Any, **named: Any) -> bytes:
        if b"longest" in (server.bodies or [b""])[-1] and next(calls) == 1:
            raise RuntimeError("planted")
        return honest(*arguments, **named)

    with monkeypatch.context() as planted:
        planted.setattr(running.gateway, "ask", dying)
        running.synthesise(str(request.pk))
    request = SynthesisRequest.objects.get()
    assert request.state == S.PAUSED
    before = len(questions(server))
    assert 0 < before < 3
    assert replayed(request, capsys)["verdict"] == "equal"
    services.resume(by=house.stella, request=request)
    running.synthesise(str(request.pk))
    request = SynthesisRequest.objects.get()
    assert request.state == S.CHECKING
    assert len(questions(server)) == 3
    assert told(request)["written"] == ROWS
    assert jobs.claim(JobKind.SYNTHESISE, str(request.pk)) is None


def test_gate_b_shows_what_is_told_and_refuses_another_instruction(house: Site, server: OpenAIServer) -> None:
    request = house.submitted(proposer=Proposer.OPENAI, endpoint=listed(server), rows=ROWS)
    for steward in (house.stella, house.stefan):
        house.vote(request, steward)
    joining.measure(str(request.pk))
    request = SynthesisRequest.objects.get()
    desk = Client()
    desk.force_login(house.stella)
    page = desk.get(f"/requests/{request.pk}/gate/egress/").content.decode()
    assert WRITTEN["instruction"] in page
    assert "text-rules" in page
    body = request.manifest.body
    body["written"][0]["instruction"] = "something else"
    EgressManifest.objects.filter(request=request).update(body=body, content_hash=envelope.hash_of(body))
    house.vote(SynthesisRequest.objects.get(), house.stella, Gate.EGRESS)
    running.synthesise(str(request.pk))
    request = SynthesisRequest.objects.get()
    assert request.state == S.PAUSED
    assert "declared text" in request.note
    assert questions(server) == []
    assert not PromptRecord.objects.filter(sequence__gte=envelope.FIRST_TEXT).exists()


def test_many_prompts_are_listed_page_by_page(
    house: Site, server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("synthesis.views.runs.PAGE", 2)
    request = asked(house, listed(server), rows=ROWS)
    count = PromptRecord.objects.count()
    desk = Client()
    desk.force_login(house.stella)
    seen = [desk.get(f"/requests/{request.pk}/prompts/?page={page}").content.decode() for page in (1, 2)]
    assert f"1 to 2 of {count}" in seen[0]
    assert seen[0].count("Question ") == 2
    assert f"Question {PromptRecord.objects.order_by('sequence')[2].sequence}," in seen[1]
