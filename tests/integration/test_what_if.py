"""A what-if sentence from the form to both tables: approved word for word, told once, apart from statistics."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError
from django.test import Client

from audit import erasure, prompts
from audit.models import PromptRecord
from audit.segments import FreeText
from llmsynthor_site import joining
from synthesis import delivery, envelope, packaging, running
from synthesis.loop import LoopSettings
from synthesis.models import DownloadGrant, SynthesisRequest
from synthesis.states import Gate, Proposer
from synthesis.states import RequestState as S
from tests import privacy_site, request_site
from tests.fakes.behaviours import BEHAVIOURS, informed, malicious
from tests.fakes.openai_server import OpenAIServer
from tests.fakes.protocol import models
from tests.model_site import listed, replayed, whole
from tests.request_site import Site, open_door

pytestmark = pytest.mark.django_db(databases=["default", "log"], transaction=True)
SENTENCE = "assume three times as many in north"
PLACE = {"name": "place", "type": "string", "categories": ["north", "south"], "constraints": {"required": True}}
FIELDS = [{**PLACE, "publicLabels": True}, *privacy_site.FIELDS]


def table(rows: int = 2000) -> bytes:
    """A fifth lives in the north, where pay is higher."""
    homes = [("north", 80) if i % 5 == 0 else ("south", 5) for i in range(rows)]
    lines = [f"{place},{'fm'[i % 2]},{(i * 13) % 100},{pay}" for i, (place, pay) in enumerate(homes)]
    return ("place,sex,age,pay\n" + "\n".join(lines) + "\n").encode()


@pytest.fixture
def house(monkeypatch: pytest.MonkeyPatch) -> Site:
    quick = LoopSettings(sweeps=4, pool_size=2000, settle_sweeps=2, refinement_passes=1)
    monkeypatch.setattr(running, "LoopSettings", lambda: quick)
    monkeypatch.setattr(envelope, "MAX_ITERATIONS", 3)
    house = request_site.make()
    house.dataset = privacy_site.dataset(house.owner, content=table(), title="Places", fields=FIELDS)
    return house


@pytest.fixture
def server(house: Site) -> Iterator[OpenAIServer]:
    with OpenAIServer(models=models("m-1")) as server, open_door():
        yield server


def wish(server: OpenAIServer, **more: Any) -> dict[str, Any]:
    return {"proposer": Proposer.OPENAI, "endpoint": listed(server), "rows": 2000, "what_if": SENTENCE, **more}


def tables(request: SynthesisRequest) -> tuple[pd.DataFrame, pd.DataFrame]:
    folder = packaging.package_folder(str(request.run.package.pk))
    return pd.read_csv(folder / "data.csv"), pd.read_csv(folder / "data-what-if.csv")


def north(found: pd.DataFrame) -> float:
    return float((found["place"] == "north").mean())


# --- the whole way


def test_two_tables_come_out_and_differ_where_the_sentence_says(
    house: Site, server: OpenAIServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    request = house.synthesised(**wish(server))
    assert request.state == S.CHECKING, request.note
    without, under = tables(request)
    assert north(without) == pytest.approx(0.2, abs=0.05)
    assert north(under) == pytest.approx(0.6, abs=0.1)  # 300 rows alone deviate by .03
    same = (without.fillna(-1) == under.fillna(-1)).all(axis=1)
    assert (under[~same]["place"] == "north").all()
    assert under.groupby("place")["pay"].mean()["north"] > 2 * under.groupby("place")["pay"].mean()["south"]
    told = request.run.package.manifest["what_if"]
    assert (told["sentence"], told["by"], told["applied"]) == (SENTENCE, "user:rosa", True)
    assert told["groups"][0]["group"] == {"place": ["north"]}
    report = request.run.report
    assert report["under_what_if"]["tvd1_vs_noised"] > 5 * report["tvd1_vs_noised"]
    assert report["under_what_if"]["replaced"] == pytest.approx(north(under) - north(without), abs=0.05)
    whole(request, tmp_path, capsys)
    counts = replayed(request, capsys)["counts"]
    assert counts["files of the table rebuilt, bit for bit"] == 4
    assert counts["prompts worked out again from the loop"] == counts["prompts"]


def test_the_sentence_is_in_one_prompt_alone_and_the_first_table_does_not_know_it(
    house: Site, server: OpenAIServer
) -> None:
    with_sentence = house.synthesised(**wish(server))
    holding = [body for body in server.bodies if SENTENCE.encode() in body]
    assert len(holding) == 1
    assert holding[0] == server.bodies[-1]
    (record,) = [row for row in PromptRecord.objects.all() if SENTENCE.encode() in prompts.load_body(row)]
    texts = [one for one in prompts.load_prompt(record).messages[1].segments if isinstance(one, FreeText)]
    assert texts == [FreeText(json.dumps(SENTENCE), f"submission:{with_sentence.content_hash}")]
    guidance = json.loads(json.loads(holding[0])["messages"][-1]["content"])
    assert [column["label"] for column in guidance["columns"]] == ["place"]
    again = house.request(proposer=Proposer.OPENAI, endpoint=with_sentence.endpoint, rows=with_sentence.rows)
    SynthesisRequest.objects.filter(pk=again.pk).update(
        release=with_sentence.release, seed=with_sentence.seed, state=S.MEASURED, snapshot=with_sentence.snapshot
    )
    again = SynthesisRequest.objects.get(pk=again.pk)
    envelope.draw_up(again)
    house.vote(again, house.stella, Gate.EGRESS)
    running.synthesise(str(again.pk))
    again = SynthesisRequest.objects.get(pk=again.pk)
    assert again.state == S.CHECKING, again.note
    first, second = (packaging.package_folder(str(one.run.package.pk)) for one in (with_sentence, again))
    assert (first / "data.csv").read_bytes() == (second / "data.csv").read_bytes()
    assert not (second / "data-what-if.csv").exists()


def test_the_package_says_which_table_is_which_and_can_be_downloaded(house: Site, server: OpenAIServer) -> None:
    request = house.released(**wish(server))
    folder = packaging.package_folder(str(request.run.package.pk))
    readme, guarantee = ((folder / name).read_text() for name in ("README.md", "guarantee.txt"))
    assert SENTENCE in readme
    assert "data-what-if.csv" in readme
    assert "`place`: `north`" in readme
    assert SENTENCE in guarantee
    resources = {one["path"]: one for one in json.loads((folder / "datapackage.json").read_text())["resources"]}
    assert SENTENCE in resources["data-what-if.csv"]["description"]
    assert "statistics" in resources["data.csv"]["description"]
    sets = [one["@id"] for one in json.loads((folder / "croissant.json").read_text())["recordSet"]]
    assert sets == ["table", "table-what-if"]
    lineage = json.loads((folder / "prov.json").read_text())
    assert lineage["entity"]["site:what-if"] == {"prov:label": SENTENCE, "site:by": "user:rosa"}
    grant = DownloadGrant.objects.get()
    assert "data-what-if.parquet" in delivery.file_names(grant)


# --- what stewards see and approve


def test_both_gates_show_the_sentence_word_for_word_with_its_author(house: Site, server: OpenAIServer) -> None:
    odd = 'assume "twice" as many <b>in</b> north & {{ south }}'
    request = house.submitted(**wish(server, what_if=odd))
    desk = Client()
    desk.force_login(house.stella)
    shown = "assume &quot;twice&quot; as many &lt;b&gt;in&lt;/b&gt; north &amp; {{ south }}"
    page = desk.get(f"/requests/{request.pk}/gate/measure/").content.decode()
    assert shown in page
    assert "rosa wrote this sentence" in page
    request = SynthesisRequest.objects.get()
    for steward in (house.stella, house.stefan):
        house.vote(request, steward)
    joining.measure(str(request.pk))
    page = desk.get(f"/requests/{request.pk}/gate/egress/").content.decode()
    assert shown in page
    assert "user:rosa wrote this what-if sentence" in page
    assert "scenario-rules" in page
    house.vote(SynthesisRequest.objects.get(), house.stella, Gate.EGRESS)
    running.synthesise(str(request.pk))
    assert SynthesisRequest.objects.get().state == S.CHECKING
    assert shown in desk.get(f"/requests/{request.pk}/gate/output/").content.decode()


def test_another_sentence_than_the_approved_one_pauses_the_run(house: Site, server: OpenAIServer) -> None:
    request = house.measured(**wish(server))
    house.vote(request, house.stella, Gate.EGRESS)
    with pytest.MonkeyPatch.context() as planted:
        planted.setattr("synthesis.what_if.segment", lambda _, approval: FreeText('"assume nobody is old"', approval))
        running.synthesise(str(request.pk))
    request = SynthesisRequest.objects.get()
    assert request.state == S.PAUSED
    assert "free text was not approved" in request.note
    assert not any(b"nobody is old" in body for body in server.bodies)


# --- what may be written


@pytest.mark.parametrize(
    ("sentence", "rule"),
    [
        ("x" * 201, "at most 200 characters"),
        ("assume more\nof them", "one line"),
        ("assume more\u202e of them", "one line"),
        ("assume\u200b more", "one line"),
        ("assume\tmore", "one line"),
        ("assume \U000e0041 more", "one line"),
        ("assume \x00 more", "one line"),
    ],
)
def test_a_sentence_that_cannot_be_seen_whole_is_refused(
    house: Site, server: OpenAIServer, sentence: str, rule: str
) -> None:
    with pytest.raises(ValidationError) as refused:
        house.request(**wish(server, what_if=sentence))
    assert rule in str(refused.value.message_dict["what_if"])


def test_without_a_language_model_the_form_says_why_not(house: Site) -> None:
    desk = Client()
    desk.force_login(house.rosa)
    typed = {**request_site.WISH, "dataset": str(house.dataset.pk), "endpoint": "", "what_if": SENTENCE}
    page = desk.post("/requests/new/", {**typed, "proposer": Proposer.EMBEDDED})
    assert page.status_code == 200
    assert "Only a language model can read a what-if sentence" in page.content.decode()
    assert not SynthesisRequest.objects.exists()
    made = house.request()
    with pytest.raises(IntegrityError, match="what_if_needs_llm"):
        SynthesisRequest.objects.filter(pk=made.pk).update(what_if=SENTENCE)


def test_a_table_without_public_names_has_no_what_if(house: Site, server: OpenAIServer) -> None:
    house.dataset = privacy_site.dataset(house.owner, title="Coded")
    with pytest.raises(ValidationError, match="no column's name public"):
        house.request(**wish(server))


# --- whatever the model answers


@pytest.mark.parametrize("name", ["prose", "refusing", "broken", "empty"])
def test_a_sentence_nobody_made_use_of_leaves_one_table_and_says_so(
    house: Site, server: OpenAIServer, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.behaviour = BEHAVIOURS[name]
    request = house.synthesised(**wish(server))
    told = request.run.package.manifest["what_if"]
    assert told["applied"] is False
    assert told["note"]
    folder = packaging.package_folder(str(request.run.package.pk))
    assert not (folder / "data-what-if.csv").exists()
    assert "It moved nothing" in (folder / "README.md").read_text()
    whole(request, tmp_path, capsys)


def test_a_malicious_answer_moves_no_further_than_gate_b_approved(house: Site, server: OpenAIServer) -> None:
    server.behaviour = malicious
    request = house.synthesised(**wish(server))
    told = request.run.package.manifest["what_if"]
    assert told["applied"]
    (group, *_) = told["groups"]
    odds = [group[name] / (1 - group[name]) for name in ("before", "after")]
    assert 2 < odds[1] / odds[0] < 1.1 * told["reach"]["most"]
    assert north(tables(request)[0]) == pytest.approx(0.2, abs=0.05)


def test_every_behaviour_of_the_stand_in_answers_a_scenario_prompt(house: Site, server: OpenAIServer) -> None:
    """As each would answer any other question: none takes the prompt for one that it cannot read."""
    house.synthesised(**wish(server))
    question, ordinary = server.bodies[-1], server.bodies[0]
    assert SENTENCE.encode() in question
    for name in BEHAVIOURS:
        server.behaviour = BEHAVIOURS[name]
        told, usual = (server.answer("/v1/chat/completions", body) for body in (question, ordinary))
        assert told.status == usual.status, name
    server.behaviour = informed(np.zeros((10, 4), int))
    assert server.answer("/v1/chat/completions", question).status == 200


def test_an_erased_answer_to_the_sentence_leaves_the_rest_of_the_run_replayable(
    house: Site, server: OpenAIServer, capsys: pytest.CaptureFixture[str]
) -> None:
    request = house.synthesised(**wish(server))
    (record,) = [row for row in PromptRecord.objects.all() if SENTENCE.encode() in prompts.load_body(row)]
    proposal = erasure.propose(by=house.stella, body=record.answer_id, reason="Asked for.")
    erasure.confirm(by=house.stefan, proposal=proposal)
    told = replayed(request, capsys)
    assert told["differences"] == []
    assert [each.split(":")[0] for each in told["erased"]] == ["table"]
    assert told["counts"]["prompts worked out again from the loop"] == told["counts"]["prompts"]


def test_a_sentence_changed_in_the_database_afterwards_is_named(
    house: Site, server: OpenAIServer, capsys: pytest.CaptureFixture[str]
) -> None:
    request = house.synthesised(**wish(server))
    SynthesisRequest.objects.filter(pk=request.pk).update(what_if="assume half as many in north")
    told = replayed(request, capsys)
    assert told["verdict"] == "differs"
    assert "the what-if sentence" in [each["what"] for each in told["differences"]]
