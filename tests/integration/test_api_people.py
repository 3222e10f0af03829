"""Through the API: organisations and who belongs to them, erasures by two stewards, and how the machines are."""

from __future__ import annotations

from typing import Any

import pytest

from audit.models import Body, PromptRecord
from llmsynthor_site import beats
from llmsynthor_site.models import Membership
from tests import request_site
from tests.api_site import EVERY, Caller

pytestmark = pytest.mark.django_db(databases=["default", "log"], transaction=True)


@pytest.fixture
def small() -> request_site.Site:
    return request_site.make()


def test_two_people_bring_somebody_into_an_organisation_and_one_ends_it(small: request_site.Site) -> None:
    ada, owner = Caller(small.ada), Caller(small.owner)
    made = ada.post("organisations/", {"name": " The  clinic "}, Idempotency_Key="clinic").json()
    assert (made["name"], made["inside"]) == ("The clinic", 0)
    assert ada.post("organisations/", {"name": "the CLINIC"}).json()["errors"][0]["field"] == "name"
    person, why = f"people/{small.rosa.pk}/", {"reason": "Works there."}
    assert ada.post(f"{person}changes/", {"kind": "join"} | why).json()["errors"][0]["field"] == "organisation"
    change = ada.post(f"{person}changes/", {"kind": "join", "organisation": made["id"]} | why).json()
    assert change["organisation"] == made["id"]
    assert ada.post(f"people/changes/{change['id']}/confirm/").status_code == 403, "a second person"
    assert owner.post(f"people/changes/{change['id']}/confirm/").json()["outcome"] == "confirmed"
    place = f"organisations/{made['id']}/"
    reading = Caller(small.ada, "read")
    assert reading.get(place).json()["inside"] == 1
    assert [one["user"] for one in reading.get(f"{place}members/").json()["results"]] == ["rosa"]
    leave = f"{person}organisations/{made['id']}/leave/"
    assert Caller(small.ada, *EVERY).post(leave, {"reason": "Left."}).status_code == 403, "no token changes access"
    assert ada.post(leave, {"reason": ""}).status_code == 422
    assert ada.post(leave, {"reason": "Left."}).json()["ended_at"]
    assert ada.post(leave, {"reason": "Left."}).status_code == 404
    assert Membership.objects.filter(ended_at=None).count() == 0


@pytest.fixture
def prompt(small: request_site.Site) -> tuple[str, PromptRecord]:
    with request_site.open_door():
        request = small.synthesised()
    record = PromptRecord.objects.earliest("pk")
    return f"requests/{request.pk}/prompts/{record.intent_id}/erasures/", record


def test_a_prompt_is_erased_by_two_stewards_and_a_token_only_takes_back(
    small: request_site.Site, prompt: tuple[str, PromptRecord]
) -> None:
    (place, record), wish = prompt, {"part": "answer", "reason": "Asked for."}
    stella, stefan, program = Caller(small.stella), Caller(small.stefan), Caller(small.stella, *EVERY)
    assert program.get(place).json() == {"free": ["answer", "prompt"], "waiting": []}
    assert program.post(place, wish).status_code == 403
    first = stella.post(place, wish).json()
    assert (first["part"], first["proposed_by"]) == ("answer", "user:stella")
    assert stella.get(place).json()["free"] == ["prompt"]
    assert stella.post(place, wish).json()["errors"][0]["field"] == "part", "it is proposed already"
    assert program.post(f"{place}{first['id']}/withdraw/").json()["withdrawn_by"] == "user:stella"
    late: Any = stefan.post(f"{place}{first['id']}/confirm/")
    assert (late.status_code, "withdrawn" in late.json()["detail"]) == (409, True)
    assert not Body.objects.get(pk=record.answer_id).erased
    second = stella.post(place, wish).json()
    assert stella.post(f"{place}{second['id']}/confirm/").status_code == 403, "a second person"
    assert Caller(small.stefan, *EVERY).post(f"{place}{second['id']}/confirm/").status_code == 403
    assert stefan.post(f"{place}{second['id']}/confirm/").json()["confirmed_by"] == "user:stefan"
    assert Body.objects.get(pk=record.answer_id).erased
    assert stella.get(place).json()["free"] == ["prompt"]


def test_an_administrators_program_sees_how_the_machines_are(small: request_site.Site) -> None:
    beats.of_task("sweep")
    told = Caller(small.ada, "read").get("machines/").json()
    assert {one["kind"] for one in told["queues"]} > {"Measure"}
    assert {one["words"] for one in told["tasks"]} == {"on time", "never ended a round"}
    assert told["workers"] == []
    assert "measure" in told["unserved"]
    assert {one["name"] for one in told["parts"]} >= {"Audit log", "Door"}
