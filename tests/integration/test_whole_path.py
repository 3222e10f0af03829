"""The whole path through the worker's own functions and the door's own socket: measure, synthesise, deliver."""

from __future__ import annotations

import hashlib
import json
from decimal import Decimal

import pandas as pd
import pytest
from django.conf import settings

from audit.models import LogEntry, PromptRecord
from llmsynthor_site import joining
from privacy import selectors as statistics
from privacy.models import LedgerEntry
from synthesis import envelope, jobs, packaging, running, services
from synthesis.models import Endpoint, SynthesisRequest
from synthesis.states import Gate, JobKind, Proposer
from synthesis.states import RequestState as S
from tests import request_site
from tests.fakes import openai_server
from tests.fakes.openai_server import OpenAIServer
from tests.request_site import Site, open_door

pytestmark = pytest.mark.django_db(databases=["default", "log"], transaction=True)


@pytest.fixture
def house() -> Site:
    return request_site.make()


def test_measuring_charges_what_was_reserved_and_draws_up_the_manifest(house: Site) -> None:
    request = house.measured()
    assert request.state == S.MEASURED
    budget = statistics.budget(house.dataset.population_id)
    assert budget.spent == request.rho
    assert budget.reserved == 0
    listed = {each["measurement"] for each in request.manifest.body["statistics"]}
    assert listed == {table.measurement for table in statistics.released(request.release_key).marginals}


def test_a_doubled_message_measures_once(house: Site) -> None:
    request = house.measured()
    joining.measure(str(request.pk))
    assert LedgerEntry.objects.filter(kind="RESERVE").count() == 1
    assert statistics.budget(house.dataset.population_id).spent == request.rho


def test_a_request_above_what_is_left_fails_without_a_charge(house: Site) -> None:
    first, second = house.submitted(epsilon=Decimal(9)), house.submitted(epsilon=Decimal(9))
    for request in (first, second):
        for steward in (house.stella, house.stefan):
            house.vote(request, steward)
        joining.measure(str(request.pk))
    second.refresh_from_db()
    assert second.state == S.FAILED
    assert "cap" in second.note
    assert statistics.budget(house.dataset.population_id).spent == SynthesisRequest.objects.get(pk=first.pk).rho


def test_each_prompt_is_in_the_log_before_it_is_sent_and_the_table_comes_out(house: Site) -> None:
    with open_door():
        request = house.synthesised()
    assert request.state == S.CHECKING
    told = list(LogEntry.objects.filter(action__startswith="audit:prompt:").values_list("action", flat=True))
    prompts = PromptRecord.objects.count()
    assert prompts >= 1
    assert told == ["audit:prompt:intent", "audit:prompt:sending", "audit:prompt:outcome"] * prompts
    assert {record.state for record in PromptRecord.objects.all()} == {"answered"}
    table = pd.read_csv(packaging.package_folder(str(request.run.package.pk)) / "data.csv", dtype=str)
    assert list(table.columns) == ["sex", "age", "pay"]
    assert len(table) == 300


def test_the_same_inputs_give_the_same_table(house: Site) -> None:
    """Promise 10: a run whose worker died starts over and ends with the same bytes."""
    with open_door():
        request = house.synthesised()
        first = packaging.package_folder(str(request.run.package.pk)) / "data.csv"
        request.run.package.delete()
        SynthesisRequest.objects.update(state=S.SYNTHESISING)
        jobs.enqueue(request, JobKind.SYNTHESISE)
        running.synthesise(str(request.pk))
    request = SynthesisRequest.objects.get()
    assert request.state == S.CHECKING
    second = packaging.package_folder(str(request.run.package.pk)) / "data.csv"
    assert first != second
    assert first.read_bytes() == second.read_bytes()


def test_without_a_door_the_run_pauses_and_resumes(house: Site) -> None:
    settings.DOOR_SOCKET = settings.SITE_DIR / "nobody.sock"
    request = house.synthesised()
    assert request.state == S.PAUSED
    assert "door" in request.note
    assert PromptRecord.objects.filter(state="answered").count() == 0
    with open_door():
        services.resume(by=house.stella, request=request)
        running.synthesise(str(request.pk))
    assert SynthesisRequest.objects.get().state == S.CHECKING


def test_a_call_outside_the_envelope_pauses_the_run(house: Site) -> None:
    request = house.measured()
    request.manifest.body["templates"] = []
    request.manifest.save()
    house.vote(request, house.stella, gate=Gate.EGRESS)
    with open_door():
        running.synthesise(str(request.pk))
    request.refresh_from_db()
    assert request.state == S.PAUSED
    assert "template" in request.note
    assert not PromptRecord.objects.exists()


def language_model(server: OpenAIServer) -> Endpoint:
    return Endpoint.objects.create(name="stand-in", base_url=server.base_url, model="m-1", is_local=True)


def test_a_language_model_answers_through_the_same_door(house: Site) -> None:
    arrived: list[bool] = []

    def oracle(body: bytes) -> None:
        """Ask the log whether the prompt that just arrived is in it, and under way."""
        digest = hashlib.sha256(body).hexdigest()
        recorded = [r for r in PromptRecord.objects.filter(state="sending") if body_hash(r) == digest]
        in_log = LogEntry.objects.filter(action="audit:prompt:intent").count()
        arrived.append(len(recorded) == 1 and in_log >= len(arrived) + 1)

    with OpenAIServer(openai_server.first_cells, on_arrival=oracle) as server, open_door():
        request = house.synthesised(proposer=Proposer.OPENAI, endpoint=language_model(server))
    assert request.state == S.CHECKING
    assert server.bodies
    assert all(arrived)
    assert len(arrived) == len(server.bodies) == PromptRecord.objects.filter(state="answered").count()
    assert json.loads(server.bodies[0])["model"] == "m-1"


def body_hash(record: PromptRecord) -> str:
    from audit import prompts

    return hashlib.sha256(prompts.load_body(record)).hexdigest()


@pytest.mark.parametrize("behaviour", [openai_server.broken, openai_server.rate_limited, openai_server.prose])
def test_a_useless_model_costs_three_attempts_at_most_and_the_table_still_comes(
    house: Site, behaviour: openai_server.Behaviour
) -> None:
    with OpenAIServer(behaviour) as server, open_door():
        request = house.synthesised(proposer=Proposer.OPENAI, endpoint=language_model(server))
    assert request.state == S.CHECKING
    outside = PromptRecord.objects.filter(endpoint="stand-in")
    steps = list(outside.values_list("sequence", flat=True))
    assert max(steps.count(step) for step in set(steps)) <= envelope.ATTEMPTS
    assert len(server.bodies) == outside.count(), "one intent for every physical attempt"


def test_an_endpoint_that_moved_after_gate_b_gets_nothing(house: Site) -> None:
    with OpenAIServer() as approved, OpenAIServer() as elsewhere, open_door():
        request = house.measured(proposer=Proposer.OPENAI, endpoint=language_model(approved))
        house.vote(request, house.stella, gate=Gate.EGRESS)
        Endpoint.objects.update(base_url=elsewhere.base_url)
        running.synthesise(str(request.pk))
        assert approved.bodies == elsewhere.bodies == []
    request.refresh_from_db()
    assert request.state == S.PAUSED
    assert "not the one approved" in request.note


def test_an_endpoint_that_leaves_the_organisation_needs_two_votes_whatever_it_says_later(house: Site) -> None:
    with OpenAIServer() as server:
        endpoint = language_model(server)
        Endpoint.objects.update(is_local=False)
        request = house.measured(proposer=Proposer.OPENAI, endpoint=Endpoint.objects.get(pk=endpoint.pk))
        Endpoint.objects.update(is_local=True)
        house.vote(request, house.stella, gate=Gate.EGRESS)
    request.refresh_from_db()
    assert request.state == S.MEASURED


def test_resuming_again_and_again_makes_no_more_attempts_than_approved(house: Site) -> None:
    with OpenAIServer(openai_server.broken) as server, open_door():
        request = house.synthesised(proposer=Proposer.OPENAI, endpoint=language_model(server))
        first = len(server.bodies)
        for _ in range(2):
            request.run.package.delete()
            SynthesisRequest.objects.update(state=S.SYNTHESISING)
            jobs.enqueue(request, JobKind.SYNTHESISE)
            running.synthesise(str(request.pk))
            request = SynthesisRequest.objects.get()
        assert len(server.bodies) == first


def test_a_run_that_starts_over_asks_nothing_twice(house: Site) -> None:
    with OpenAIServer() as server, open_door():
        request = house.synthesised(proposer=Proposer.OPENAI, endpoint=language_model(server))
        first = len(server.bodies)
        request.run.package.delete()
        SynthesisRequest.objects.update(state=S.SYNTHESISING)
        jobs.enqueue(request, JobKind.SYNTHESISE)
        running.synthesise(str(request.pk))
        assert len(server.bodies) == first > 0


def test_a_full_disk_pauses_and_nothing_paid_for_is_lost(house: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object, **kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    with open_door():
        with monkeypatch.context() as patched:
            patched.setattr(packaging, "write_package", full)
            request = house.synthesised()
        assert request.state == S.PAUSED
        services.resume(by=house.stella, request=request)
        running.synthesise(str(request.pk))
    assert SynthesisRequest.objects.get().state == S.CHECKING


def test_a_paused_run_can_be_stopped_for_good(house: Site) -> None:
    settings.DOOR_SOCKET = settings.SITE_DIR / "nobody.sock"
    request = house.synthesised()
    services.stop(by=house.stella, request=request, reason="No longer needed.")
    assert SynthesisRequest.objects.get().state == S.FAILED
    running.synthesise(str(request.pk))
    assert SynthesisRequest.objects.get().state == S.FAILED


def test_a_reservation_nothing_was_charged_to_goes_back(house: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(**kwargs: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(joining.services, "open_release", full)
    request = house.measured()
    assert request.state == S.FAILED
    budget = statistics.budget(house.dataset.population_id)
    assert (budget.reserved, budget.spent) == (0, 0)


def test_an_endpoint_switched_off_is_refused_by_the_door(house: Site) -> None:
    with OpenAIServer() as server, open_door():
        endpoint = language_model(server)
        request = house.measured(proposer=Proposer.OPENAI, endpoint=endpoint)
        Endpoint.objects.update(enabled=False)
        house.vote(request, house.stella, gate=Gate.EGRESS)
        running.synthesise(str(request.pk))
        assert server.bodies == []
    request.refresh_from_db()
    assert request.state == S.PAUSED
    assert "list of approved endpoints" in request.note
