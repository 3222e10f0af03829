"""What calls may cost: set aside before the intent, counted from the outcome, never above what gate B approved."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction

from audit import rendering
from audit.models import PromptRecord
from synthesis import costs, running, services
from synthesis.models import CallReservation, Endpoint, Run, SynthesisRequest
from synthesis.states import Gate, Proposer
from synthesis.states import RequestState as S
from tests import request_site, spending
from tests.fakes import openai_server
from tests.fakes.openai_server import OpenAIServer
from tests.request_site import Site, open_door

pytestmark = pytest.mark.django_db(databases=["default", "log"], transaction=True)
ASKED = {"prompt_tokens": 100, "completion_tokens": 20}


@pytest.fixture
def house() -> Site:
    return request_site.make()


def endpoint(server: OpenAIServer, **money: Decimal) -> Endpoint:
    return services.add_endpoint(
        by="console", name="stand-in", base_url=server.base_url, model="m-1", is_local=True, **money
    )


def priced(server: OpenAIServer, cap: str) -> Endpoint:
    prices = {"prompt_price": Decimal(2), "completion_price": Decimal(8), "money_cap": Decimal(cap)}
    return endpoint(server, **prices)


def run_of(request: SynthesisRequest) -> Run:
    return Run.objects.get(request=request)


def test_a_call_counts_what_its_endpoint_reported(house: Site) -> None:
    with OpenAIServer() as server, open_door():
        request = house.synthesised(proposer=Proposer.OPENAI, endpoint=priced(server, "5"))
    assert request.state == S.CHECKING
    calls = len(server.bodies)
    assert calls > 0
    spent = spending.spent_by(run_of(request))
    assert (spent["calls"], spent["tokens"]) == (calls, 120 * calls)
    assert spent["money"] == calls * (100 * Decimal(2) + 20 * Decimal(8)) / 1_000_000
    assert request.manifest.body["caps"]["money"] == "5"


def test_before_a_call_the_most_it_can_cost_is_set_aside(house: Site) -> None:
    seen: list[dict[str, Any]] = []

    def at_arrival(body: bytes) -> None:
        reserved = CallReservation.objects.latest("pk")
        seen.append({"bytes": len(body), "bound": reserved.prompt_tokens, "answer": reserved.completion_tokens})

    with OpenAIServer(on_arrival=at_arrival) as server, open_door():
        house.synthesised(proposer=Proposer.OPENAI, endpoint=endpoint(server))
    assert seen
    assert all(one["bound"] >= one["bytes"] for one in seen), "a token is at least one byte"
    assert {one["answer"] for one in seen} == {4000}


@pytest.mark.parametrize("behaviour", [openai_server.broken, openai_server.rate_limited])
def test_a_failed_call_keeps_its_whole_reservation(house: Site, behaviour: openai_server.Behaviour) -> None:
    with OpenAIServer(behaviour) as server, open_door():
        request = house.synthesised(proposer=Proposer.OPENAI, endpoint=endpoint(server))
    whole = sum(row.prompt_tokens + row.completion_tokens for row in run_of(request).reservations.all())
    assert spending.spent_by(run_of(request))["tokens"] == whole > 4000 * len(server.bodies)


def test_an_answer_that_names_no_usage_keeps_its_whole_reservation(house: Site) -> None:
    def silent(body: bytes) -> tuple[int, bytes]:
        return 200, openai_server.first_cells(body)[1].replace(b'"usage"', b'"used"')

    with OpenAIServer(silent) as server, open_door():
        request = house.synthesised(proposer=Proposer.OPENAI, endpoint=endpoint(server))
    assert request.state == S.CHECKING
    assert spending.spent_by(run_of(request))["tokens"] > 4000 * len(server.bodies)


def state_of(state: str) -> PromptRecord:
    return PromptRecord(state=state, usage=ASKED | {"seconds": 3} if state == "answered" else {})


@pytest.mark.parametrize(
    ("record", "counted"),
    [
        (None, (900, 80, 60)), ("intent", (900, 80, 60)), ("sending", (900, 80, 60)), ("in_doubt", (900, 80, 60)),
        ("failed", (900, 80, 60)), ("lapsed", (0, 0, 0)), ("answered", (100, 20, 3)),
    ],
)  # fmt: skip
def test_what_each_end_of_a_call_counts(record: str | None, counted: tuple[int, int, int]) -> None:
    """A call in doubt may have been charged for, so it keeps everything; one that never left keeps nothing."""
    row = CallReservation(prompt_tokens=900, completion_tokens=80, seconds=60)
    assert costs.cost_of(row, record and state_of(record)) == costs.Cost(*counted)


@pytest.mark.parametrize("name", ["tokens", "seconds"])
def test_at_a_cap_nothing_more_is_asked_and_the_table_still_comes(house: Site, settings: Any, name: str) -> None:
    settings.CALL_CAPS = settings.CALL_CAPS | {name: settings.DOOR_LEASE_SECONDS - 1}
    with OpenAIServer() as server, open_door():
        request = house.synthesised(proposer=Proposer.OPENAI, endpoint=endpoint(server))
    assert request.state == S.CHECKING
    assert server.bodies == []
    asked = {record.endpoint for record in PromptRecord.objects.all()}
    assert asked == {"embedded"}, "it took over, and nothing of it leaves"
    notes = [event.data["note"] for event in run_of(request).events.filter(kind="iteration")]
    assert any(f"the approved number of {costs.NAMES[name]}" in note for note in notes)


def test_money_is_capped_where_there_are_prices(house: Site) -> None:
    """With room for no whole bound nothing is asked; with room for one, calls go out as long as the next one fits."""
    with OpenAIServer() as server, open_door():
        request = house.synthesised(proposer=Proposer.OPENAI, endpoint=priced(server, "0.03"))
        assert request.state == S.CHECKING
        assert server.bodies == [], "4,000 tokens of answer alone could cost 0.032"
        Endpoint.objects.update(money_cap=Decimal("0.06"))
        request = house.synthesised(proposer=Proposer.OPENAI, endpoint=Endpoint.objects.get(), epsilon=Decimal("0.5"))
        assert len(server.bodies) >= 1
    assert spending.spent_by(run_of(request))["money"] < Decimal("0.06")


def test_prices_that_changed_after_gate_b_are_refused(house: Site) -> None:
    with OpenAIServer() as server, open_door():
        request = house.measured(proposer=Proposer.OPENAI, endpoint=priced(server, "5"))
        house.vote(request, house.stella, Gate.EGRESS)
        Endpoint.objects.update(prompt_price=Decimal("0.01"))
        running.synthesise(str(request.pk))
        assert server.bodies == []
    request.refresh_from_db()
    assert (request.state, "prices" in request.note) == (S.PAUSED, True)


def test_reserving_again_for_the_same_attempt_counts_once(house: Site) -> None:
    with open_door():
        run = run_of(house.synthesised())
    prompt = costs_prompt(run)
    for _ in range(3):
        costs.reserve(run, prompt, sequence=90, attempt=1)
    assert run.reservations.filter(sequence=90).count() == 1
    assert len(rendering.render(prompt)) > 0


def costs_prompt(run: Run) -> Any:
    from synthesis import envelope

    return envelope.builder(run.request).build((), iteration=1, proposals=5, records=1)


@pytest.mark.parametrize(
    "money", [{"prompt_price": 1}, {"money_cap": 1}, {"prompt_price": -1, "completion_price": 1, "money_cap": 1}]
)
def test_the_database_refuses_prices_without_a_cap(money: dict[str, int]) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Endpoint.objects.create(name="x", base_url="http://localhost:1/v1", model="m", **money)


def test_prices_and_a_cap_are_declared_together() -> None:
    with pytest.raises(ValidationError, match="together"):
        services.add_endpoint(
            by="console", name="x", base_url="http://localhost:1/v1", model="m", is_local=True, prompt_price=Decimal(1)
        )
    with pytest.raises(CommandError, match="together"):
        call_command("add_endpoint", "x", "http://localhost:1/v1", "m", "--money-cap", "3")
    call_command(
        "add_endpoint", "x", "http://localhost:1/v1", "m",
        "--prompt-price", "1.5", "--completion-price", "6", "--money-cap", "3",
    )  # fmt: skip
    assert Endpoint.objects.get().prices == {"prompt": "1.5", "completion": "6"}
