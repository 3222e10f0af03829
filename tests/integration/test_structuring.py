"""The question before measuring: asked within what gate A approved, frozen, weighed in the plan, never in the way."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from audit.models import LogEntry, PromptRecord
from audit.rendering import from_map
from llmsynthor_site import joining
from privacy.models import LedgerEntry, ReleaseRecord
from synthesis import gateway, services, structuring, switches
from synthesis.hashing import hash_of
from synthesis.models import Inference, SynthesisRequest
from synthesis.states import Proposer
from synthesis.states import RequestState as S
from tests import request_site, spending
from tests.fakes import faults, plain
from tests.fakes.behaviours import first_cells, malicious
from tests.fakes.openai_server import OpenAIServer
from tests.fakes.protocol import Behaviour
from tests.model_site import listed
from tests.request_site import Site, open_door

pytestmark = pytest.mark.django_db(databases=["default", "log"], transaction=True)


@pytest.fixture
def house() -> Site:
    return request_site.make()


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer(first_cells) as found:
        yield found


def wish(server: OpenAIServer, **changes: Any) -> dict[str, Any]:
    return {"proposer": Proposer.OPENAI, "endpoint": listed(server), "structuring": True, **changes}


def approved(house: Site, server: OpenAIServer, **changes: Any) -> SynthesisRequest:
    request = house.submitted(**wish(server, **changes))
    for steward in (house.stella, house.stefan):
        house.vote(request, steward)
    return SynthesisRequest.objects.get(pk=request.pk)


def again(request: SynthesisRequest) -> SynthesisRequest:
    return SynthesisRequest.objects.get(pk=request.pk)


def test_gate_a_leads_to_the_question_and_the_answer_into_the_plan(house: Site, server: OpenAIServer) -> None:
    request = approved(house, server)
    assert request.state == S.STRUCTURING
    assert [job.kind for job in request.jobs.all()] == ["structure"]
    joining.measure(str(request.pk))
    assert not LedgerEntry.objects.filter(kind="RESERVE").exists(), "measured before the question was answered"
    with open_door():
        structuring.carry_out(str(request.pk))
    joining.measure(str(request.pk))
    request = again(request)
    assert request.state == S.MEASURED
    inference = request.run.inference
    assert sorted(map(tuple, inference.hints)) == [("age", "pay"), ("sex", "age"), ("sex", "pay")]
    assert ReleaseRecord.objects.get().plan["hints"] == inference.hints
    told = LogEntry.objects.get(action="synthesis:run:structured")
    facts = json.loads(bytes(told.leaf))["facts"]
    assert facts["hints_sha256"] == hash_of(inference.hints) == inference.content_hash
    reserved = json.loads(bytes(LogEntry.objects.get(action="synthesis:request:reserved").leaf))["facts"]
    assert reserved["hints_sha256"] == inference.content_hash


def test_the_question_holds_what_was_declared_and_approved_and_no_number(house: Site, server: OpenAIServer) -> None:
    request = approved(house, server, about="What people earn.\nA teaching file.")
    with open_door():
        structuring.carry_out(str(request.pk))
    record = PromptRecord.objects.get()
    assert (record.sequence, record.attempt, record.run) == (0, 1, str(request.run.pk))
    sent = json.loads(server.bodies[0])
    kinds = {type(part).type for message in segments(record) for part in message}
    assert kinds == {"TEMPLATE", "DECLARED", "FREETEXT"}
    guidance = json.loads(sent["messages"][-1]["content"])
    assert [column["name"] for column in guidance["columns"]] == ["c01", "c02", "c03"]
    assert sent["messages"][1]["content"].endswith('"What people earn.\\nA teaching file."')
    assert request.snapshot["structure"]["free_text"][0]["text"] == request.about


def segments(record: PromptRecord) -> list[tuple[Any, ...]]:
    from audit import bodies, log

    found = log.find(f"{record.intent_id}:intent")
    assert found is not None
    prompt = from_map(bodies.opened(record.map_id, expected=found.facts["map"]["hash"]))
    return [message.segments for message in prompt.messages]


@pytest.mark.parametrize(
    ("behaviour", "words", "calls"),
    [
        (plain.refusing, "refused to answer", 1),
        (plain.prose, "neither dependencies nor rules", 1),
        (plain.schema_ignoring, "neither dependencies nor rules", 1),
        (plain.other_language, "neither dependencies nor rules", 1),
        (plain.empty, "neither dependencies nor rules", 1),
        (faults.broken, "status 500", 3),
        (faults.wrong_key, "key", 1),
        (faults.short_context, "context", 1),
        (faults.hanging_up, "connection", 3),
    ],
)
def test_without_a_usable_answer_the_request_is_measured_all_the_same(
    house: Site, server: OpenAIServer, behaviour: Behaviour, words: str, calls: int
) -> None:
    server.behaviour = behaviour
    request = approved(house, server)
    with open_door():
        structuring.carry_out(str(request.pk))
    joining.measure(str(request.pk))
    request = again(request)
    assert request.state == S.MEASURED
    inference = request.run.inference
    assert (inference.hints, words in inference.problem) == ([], True), inference.problem
    assert PromptRecord.objects.count() == calls
    event = request.run.events.get(kind="structure")
    assert event.data["problem"] == inference.problem
    assert ReleaseRecord.objects.get().plan["hints"] == []


def test_no_door_and_a_kill_switch_are_told_and_keep_nothing_from_being_measured(
    house: Site, server: OpenAIServer, settings: Any
) -> None:
    settings.DOOR_SOCKET = settings.SITE_DIR / "nobody.sock"
    first = approved(house, server)
    structuring.carry_out(str(first.pk))
    assert "door" in again(first).run.inference.problem
    second = approved_again(house, first)
    switches.set_switch(by=house.stella, target=f"dataset:{house.dataset.pk}", reason="A question.")
    structuring.carry_out(str(second.pk))
    assert "kill switch" in again(second).run.inference.problem
    assert not server.bodies
    joining.measure(str(second.pk))
    assert again(second).state == S.MEASURED


def approved_again(house: Site, like: SynthesisRequest) -> SynthesisRequest:
    request = house.submitted(proposer=Proposer.OPENAI, endpoint=like.endpoint, structuring=True)
    for steward in (house.stella, house.stefan):
        house.vote(request, steward)
    return SynthesisRequest.objects.get(pk=request.pk)


def test_a_withdrawn_request_ends_and_is_not_measured(house: Site, server: OpenAIServer) -> None:
    request = approved(house, server)

    def withdraw(_: bytes) -> None:
        services.withdraw(by=house.rosa, request=SynthesisRequest.objects.get(pk=request.pk))

    server.on_arrival = withdraw
    with open_door():
        structuring.carry_out(str(request.pk))
    request = again(request)
    assert request.state == S.WITHDRAWN
    assert request.run.inference.problem == structuring.ENDED
    assert request.run.inference.hints == []
    assert [job.kind for job in request.jobs.all()] == ["structure"]
    joining.measure(str(request.pk))
    assert not LedgerEntry.objects.filter(kind="RESERVE").exists()


def test_withdrawn_after_the_answer_and_before_the_charge(house: Site, server: OpenAIServer) -> None:
    request = approved(house, server)
    with open_door():
        structuring.carry_out(str(request.pk))
    services.withdraw(by=house.rosa, request=again(request))
    joining.measure(str(request.pk))
    assert again(request).state == S.WITHDRAWN
    assert not LedgerEntry.objects.filter(kind="RESERVE").exists()
    assert again(request).jobs.get(kind="measure").done_at is not None


def test_withdrawn_while_the_charge_is_set_aside_gives_it_back(
    house: Site, server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from privacy import ledger, selectors

    request = approved(house, server)
    with open_door():
        structuring.carry_out(str(request.pk))
    honest = ledger.reserve

    def late(**values: Any) -> Any:
        found = honest(**values)
        services.withdraw(by=house.rosa, request=again(request))
        return found

    monkeypatch.setattr(ledger, "reserve", late)
    joining.measure(str(request.pk))
    assert again(request).state == S.WITHDRAWN
    budget = selectors.budget(house.dataset.population_id)
    assert (budget.spent, budget.reserved) == (0, 0)


def test_an_endpoint_that_moved_since_gate_a_is_not_asked(house: Site, server: OpenAIServer) -> None:
    request = approved(house, server)
    assert request.endpoint is not None
    type(request.endpoint).objects.update(model="another")
    with open_door():
        structuring.carry_out(str(request.pk))
    assert "not the one approved" in again(request).run.inference.problem
    assert not PromptRecord.objects.exists()


def test_words_changed_since_gate_a_do_not_leave(house: Site, server: OpenAIServer) -> None:
    request = approved(house, server, about="What people earn.")
    SynthesisRequest.objects.update(about="Please send everything.")
    with open_door():
        structuring.carry_out(str(request.pk))
    assert "a free text was not approved" in again(request).run.inference.problem
    assert not server.bodies


def test_hints_changed_in_the_database_are_not_measured_with(house: Site, server: OpenAIServer) -> None:
    request = approved(house, server)
    with open_door():
        structuring.carry_out(str(request.pk))
    Inference.objects.update(hints=[["sex", "pay"]])
    joining.measure(str(request.pk))
    assert again(request).state == S.FAILED
    assert not ReleaseRecord.objects.exists()


def test_a_second_worker_and_a_lost_one_ask_once(
    house: Site, server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that dies after the answer: the next one takes the recorded answer and asks nobody."""
    request = approved(house, server)
    honest = structuring.conclude

    def dies(*values: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(structuring, "conclude", dies)
    with open_door():
        with pytest.raises(KeyboardInterrupt):
            structuring.carry_out(str(request.pk))
        monkeypatch.setattr(structuring, "conclude", honest)
        structuring.carry_out(str(request.pk))
        assert again(request).jobs.get(kind="structure").done_at is None, "the lease still stands"
        request.jobs.update(leased_until=None)
        structuring.carry_out(str(request.pk))
        structuring.carry_out(str(request.pk))
    assert len(server.bodies) == 1
    assert len(again(request).run.inference.hints) == 3


def test_the_whole_request_costs_one_more_step_at_most(house: Site, server: OpenAIServer) -> None:
    """The reservations of the question and of the run are one sum under the caps of gate B."""

    request = approved(house, server)
    with open_door():
        structuring.carry_out(str(request.pk))
        joining.measure(str(request.pk))
        request = again(request)
        assert request.manifest.body["caps"]["calls"] == 75
        before = spending.spent_by(request.run)["calls"]
        assert before == 1
        with pytest.raises(gateway.Refused):
            gateway.check(request.run, structuring.structure_envelope.question(request).prompt())


def test_a_malicious_answer_is_bounded_and_its_faults_are_counted(house: Site, server: OpenAIServer) -> None:
    server.behaviour = malicious
    request = approved(house, server)
    with open_door():
        structuring.carry_out(str(request.pk))
    inference = again(request).run.inference
    assert len(inference.hints) == 3
    assert any("beyond as many" in reason or "(" in reason for reason in inference.rejected)
