"""What a probe may not: hold anything but fixed wording, leave unrecorded, pass a kill switch, cost without a bound."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.utils import timezone

from audit import events, prompts, verify
from audit.export import export
from audit.models import LogEntry, PromptRecord
from audit.rendering import render
from audit.segments import Declared, Message, Prompt, Template
from llmsynthor_site.desk import exposure
from synthesis import gateway, probes, probing, reconciling, services, switches, tally
from synthesis.models import Endpoint, Probe
from tests import request_site
from tests.fakes.endpoints import KINDS
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


# --- what leaves


def test_nothing_but_fixed_wording_leaves_and_each_call_is_in_the_log_first(house: Site) -> None:
    arrived: list[bool] = []

    def oracle(body: bytes) -> None:
        digest = hashlib.sha256(body).hexdigest()
        sending = [one for one in PromptRecord.objects.filter(state="sending")]
        arrived.append([hashlib.sha256(prompts.load_body(one)).hexdigest() for one in sending] == [digest])

    with OpenAIServer(KINDS["ollama"], on_arrival=oracle) as server, open_door():
        probe = made(server)
    assert arrived == [True] * len(server.bodies)
    assert set(server.bodies) <= set(probes.bodies("m-1"))
    assert server.gets == 1
    records = PromptRecord.objects.filter(run=str(probe.pk))
    assert records.count() == len(server.bodies) + server.gets
    kinds = {type(one) for row in records for message in prompts.load_prompt(row).messages for one in message.segments}
    assert kinds == {Template}


def test_the_story_in_the_log_verifies_and_the_counts_agree(server: OpenAIServer, tmp_path: Path) -> None:
    probe = made(server)
    told = list(LogEntry.objects.filter(action__startswith="synthesis:endpoint:").values_list("action", flat=True))
    assert told == ["synthesis:endpoint:added", "synthesis:endpoint:probing", "synthesis:endpoint:probed"]
    report = verified(tmp_path)
    assert report.findings == []
    assert report.counts["probes of endpoints"] == 1
    account = reconciling.compare()
    calls = PromptRecord.objects.filter(run=str(probe.pk)).count()
    assert (account.counted, account.logged, account.mismatches) == (calls, calls, ())
    assert set(tally.read()) == set(PromptRecord.objects.values_list("intent_id", flat=True))
    call_command("recount_prompts", stdout=io.StringIO())


def test_what_an_endpoint_was_told_counts_its_probe_apart(server: OpenAIServer) -> None:
    probe = made(server)
    told = exposure.statement(exposure.Scope(endpoint="stand-in"))
    (line,) = told["by_request"]
    assert (line["run"], line["title"], line["request"]) == (str(probe.pk), exposure.PROBE, "")
    assert line["calls"] == PromptRecord.objects.count()
    assert told["released_values"] == 0
    assert (
        told["bytes"]["declared"]
        == told["bytes"]["dpvalue"]
        == told["bytes"]["synthetic"]
        == 0
        < told["bytes"]["template"]
    )


def test_a_probe_that_hides_a_call_is_noticed(
    server: OpenAIServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Planted: the closing entry tells of one call fewer than the log holds."""
    honest = events.record

    def fewer(*, action: str, facts: dict[str, Any], **told: Any) -> str:
        if action == "synthesis:endpoint:probed":
            facts = facts | {"calls": facts["calls"] - 1}
        return honest(action=action, facts=facts, **told)

    monkeypatch.setattr(probing.events, "record", fewer)
    made(server)
    words = " ".join(finding["message"] for finding in verified(tmp_path).findings)
    assert "a probe tells of other calls than" in words


def verified(folder: Path) -> verify.Report:
    from audit import keys

    export(folder / "export", by="console", reason="a test")
    return verify.verify(folder / "export", key=str(keys.public()), checkpoints=[])


def test_the_door_refuses_a_probe_that_holds_anything_else(server: OpenAIServer, tmp_path: Path) -> None:
    """A planted probe with a word of its own is recorded, never sent, and noticed by the verifier."""
    probe = probing.ask_for(endpoint_of(server), by="console")
    assert probing.begin(probe) == ""
    honest = probes.prompt(probes.LIMIT, "m-1")
    extra = Prompt(
        honest.model, honest.parameters, None, (Message("user", (probes.COUNT, Declared('"c01"', "dataset:1"))),)
    )
    row = prompts.record_intent(
        run=str(probe.pk), sequence=99, attempt=1, endpoint="stand-in", prompt=extra, by="system"
    )
    reply = gateway.through_the_door(row.intent_id)
    assert (reply["outcome"], server.bodies) == ("refused", [])
    assert "fixed wording" in reply["reason"]
    words = [finding["message"] for finding in verified(tmp_path).findings]
    assert "a probe holds more than fixed wording" in words


def test_a_call_after_a_probes_end_goes_nowhere(server: OpenAIServer, tmp_path: Path) -> None:
    probe = made(server)
    before = len(server.bodies)
    late = prompts.record_intent(
        run=str(probe.pk),
        sequence=99,
        attempt=1,
        endpoint="stand-in",
        prompt=probes.prompt("limit", "m-1"),
        by="system",
    )
    assert "no probe under way" in gateway.through_the_door(late.intent_id)["reason"]
    assert len(server.bodies) == before
    words = [finding["message"] for finding in verified(tmp_path).findings]
    assert "a prompt of a run that did not say it started" in words


def test_asking_for_the_list_sends_no_body(server: OpenAIServer) -> None:
    made(server)
    listing = PromptRecord.objects.get(sequence=probes.CALLS.index(probes.MODELS) + 1)
    assert json.loads(prompts.load_body(listing)) == {"messages": [], "model": "m-1"}
    assert render(probes.prompt(probes.MODELS, "m-1")) not in server.bodies


# --- what stops it, and what it may cost


def test_the_global_kill_switch_stops_it_before_anything_is_recorded(server: OpenAIServer) -> None:
    switches.set_switch(by="console", target="all", reason="a fault")
    probe = made(server)
    assert "kill switch" in probe.problem
    assert not PromptRecord.objects.exists()
    assert (server.bodies, server.gets) == ([], 0)


def test_a_switch_set_half_way_stops_the_rest(house: Site) -> None:
    def stop(body: bytes) -> None:
        if len(server.bodies) == 2:
            switches.set_switch(by="console", target="all", reason="a fault")

    with OpenAIServer(KINDS["hosted"], on_arrival=stop) as server, open_door():
        probe = made(server)
    assert "kill switch" in probe.problem
    assert len(server.bodies) == 2
    assert probe.found["answers"] is True


def test_an_endpoint_that_moved_or_was_switched_off_is_not_called(server: OpenAIServer) -> None:
    probe = probing.ask_for(endpoint_of(server), by="console")
    with OpenAIServer() as elsewhere:
        Endpoint.objects.update(base_url=elsewhere.base_url)
        probing.carry_out(str(probe.pk))
        assert (elsewhere.bodies, elsewhere.gets, server.bodies, server.gets) == ([], 0, [], 0)
    probe.refresh_from_db()
    assert "address" in probe.problem
    Endpoint.objects.update(enabled=False)
    with pytest.raises(ValidationError, match="switched off"):
        probing.ask_for(probe.endpoint, by="console")


def test_a_probe_that_could_cost_more_than_a_request_may_is_refused(server: OpenAIServer) -> None:
    prices = {"prompt_price": Decimal(2), "completion_price": Decimal(8)}
    endpoint = endpoint_of(server, **prices, money_cap=Decimal("0.01"))
    with pytest.raises(ValidationError, match="could cost more"):
        probing.ask_for(endpoint, by="console")
    assert not Probe.objects.filter(finished_at=None).exists()


def test_what_it_used_stays_within_its_bound(server: OpenAIServer) -> None:
    probe = made(server)
    most = probing.most(probe.endpoint)
    used = [row.usage for row in PromptRecord.objects.filter(run=str(probe.pk))]
    assert 0 < sum(one.get("prompt_tokens", 0) for one in used) <= most.prompt_tokens
    assert 0 < sum(one.get("completion_tokens", 0) for one in used) <= most.completion_tokens


def test_one_probe_at_a_time_and_a_lost_one_is_closed(server: OpenAIServer) -> None:
    endpoint = endpoint_of(server)
    first = probing.ask_for(endpoint, by="console")
    assert probing.ask_for(endpoint, by="console") == first
    Probe.objects.update(started_at=timezone.now() - timedelta(days=1))
    probing.carry_out(str(first.pk))
    assert server.bodies == [], "somebody holds it"
    probing.sweep()
    first.refresh_from_db()
    assert first.problem == probing.LOST
    assert probing.ask_for(endpoint, by="console") != first


def test_a_probe_without_a_door_says_so(house: Site, settings: Any) -> None:
    settings.DOOR_SOCKET = settings.SITE_DIR / "nobody.sock"
    with OpenAIServer() as server:
        probe = made(server)
    assert "door" in probe.problem
