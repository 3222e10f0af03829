"""The door's own count, the log and the endpoints' figures agree; each planted difference becomes one finding."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from audit import log, prompts
from audit.models import LogEntry, PromptRecord
from llmsynthor_site import tasks
from synthesis import reconciling, tally
from synthesis.models import CallFinding, Endpoint
from synthesis.states import Proposer
from tests import request_site
from tests.audit_story import PROMPT
from tests.fakes.openai_server import OpenAIServer
from tests.request_site import Site, open_door

pytestmark = pytest.mark.django_db(databases=["default", "log"])
USED = {"prompt_tokens": 100, "completion_tokens": 20, "seconds": 1}
ANSWER = json.dumps({"choices": [], "usage": {"prompt_tokens": 100, "completion_tokens": 20}}).encode()


def recorded(number: int) -> PromptRecord:
    return prompts.record_intent(run="u1", sequence=number, attempt=1, endpoint="far", prompt=PROMPT, by="system")


def call(number: int, *, counted: bool = True, usage: dict[str, int] = USED) -> str:
    """One honest call, as the door makes it; what is left out or changed is a defect."""
    row = recorded(number)
    token = prompts.start_sending(row.intent_id, lease_seconds=60)
    if counted:
        tally.count(row.intent_id, "far", prompts.load_body(row))
        tally.answered(row.intent_id, USED)
    prompts.finish(row.intent_id, token=token, answer=ANSWER, error="", usage=usage)
    return row.intent_id


def found(**reported: dict[str, int]) -> list[str]:
    return [one.kind for one in reconciling.compare(reported=reported).mismatches]


def test_honest_calls_agree_whatever_became_of_them() -> None:
    call(1)
    waiting, sending, failed, stopped = (recorded(number) for number in (2, 3, 4, 5))
    prompts.start_sending(sending.intent_id, lease_seconds=60)
    token = prompts.start_sending(failed.intent_id, lease_seconds=60)
    tally.count(failed.intent_id, "far", prompts.load_body(failed))
    prompts.finish(failed.intent_id, token=token, answer=None, error="x", usage={})
    token = prompts.start_sending(stopped.intent_id, lease_seconds=60)
    prompts.finish(stopped.intent_id, token=token, answer=None, error="kill switch", usage={}, sent=False)
    prompts.withdraw(waiting.intent_id, reason="x")
    account = reconciling.compare()
    assert (account.counted, account.logged, account.mismatches) == (2, 2, ())


def uncounted() -> None:
    call(2, counted=False)


def unlogged() -> None:
    tally.count("f" * 32, "far", b"a prompt that nobody recorded")


def repeated() -> None:
    intent = call(2)
    tally.count(intent, "far", prompts.load_body(PromptRecord.objects.get(intent_id=intent)))


def other_bytes() -> None:
    row = recorded(2)
    token = prompts.start_sending(row.intent_id, lease_seconds=60)
    tally.count(row.intent_id, "far", b"other bytes")
    prompts.finish(row.intent_id, token=token, answer=None, error="x", usage={})


def said_unsent() -> None:
    row = recorded(2)
    token = prompts.start_sending(row.intent_id, lease_seconds=60)
    tally.count(row.intent_id, "far", prompts.load_body(row))
    prompts.finish(row.intent_id, token=token, answer=None, error="x", usage={}, sent=False)


def other_usage() -> None:
    call(2, usage=USED | {"prompt_tokens": 90})


def lost_line() -> None:
    call(2)
    path = tally.path()
    path.write_bytes(b"".join(line for line in path.read_bytes().splitlines(True)[:-2]))


def damaged_line() -> None:
    with tally.path().open("a") as file:
        file.write("{half a li")


DEFECTS: list[tuple[Callable[[], None], set[str]]] = [
    (uncounted, {"uncounted call"}), (unlogged, {"unlogged call"}), (repeated, {"repeated call"}),
    (other_bytes, {"other bytes"}), (said_unsent, {"unlogged call"}), (other_usage, {"usage differs"}),
    (lost_line, {"uncounted call"}), (damaged_line, {"unlogged call"}),
]  # fmt: skip


@pytest.mark.parametrize(("plant", "kinds"), DEFECTS, ids=[plant.__name__ for plant, _ in DEFECTS])
def test_a_planted_difference_is_found(plant: Callable[[], None], kinds: set[str]) -> None:
    call(1)
    plant()
    assert set(found()) == kinds


@pytest.mark.parametrize(
    ("figures", "agrees"),
    [
        ({"calls": 2, "prompt_tokens": 200, "completion_tokens": 40}, True), ({"calls": 3}, False),
        ({"calls": 1}, False), ({"prompt_tokens": 5000}, False), ({}, True),
    ],
)  # fmt: skip
def test_an_endpoints_own_account_is_compared(figures: dict[str, int], agrees: bool) -> None:
    call(1)
    call(2)
    assert found(far=figures) == ([] if agrees else ["endpoint differs"])


def test_a_call_in_doubt_may_be_in_the_endpoints_account_or_not() -> None:
    call(1)
    row = recorded(2)
    prompts.start_sending(row.intent_id, lease_seconds=60)
    tally.count(row.intent_id, "far", prompts.load_body(row))
    PromptRecord.objects.filter(pk=row.pk).update(deadline="2001-01-01T00:00:00Z")
    prompts.sweep()
    assert [found(far={"calls": calls}) for calls in (0, 1, 2, 3)] == [
        ["endpoint differs"],
        [],
        [],
        ["endpoint differs"],
    ]


@pytest.mark.django_db(databases=["default", "log"], transaction=True)
def test_a_real_run_agrees_with_its_endpoint() -> None:
    house = request_site.make()
    with OpenAIServer() as server, open_door():
        endpoint = Endpoint.objects.create(name="far", base_url=server.base_url, model="m-1", is_local=True)
        house.synthesised(proposer=Proposer.OPENAI, endpoint=endpoint)
    calls = len(server.bodies)
    figures = {"calls": calls, "prompt_tokens": 100 * calls, "completion_tokens": 20 * calls}
    account = reconciling.compare(reported={"far": figures})
    assert (account.counted, account.logged, account.mismatches) == (calls, calls, ())


def test_a_difference_is_one_finding_however_often_it_is_seen() -> None:
    uncounted()
    for _ in range(3):
        tasks.reconcile()
    finding = CallFinding.objects.get()
    assert (finding.kind, finding.closed_at) == ("uncounted call", None)


@pytest.mark.django_db(databases=["default", "log"], transaction=True)
def test_a_person_closes_a_finding_with_a_reason_and_it_stays_closed() -> None:
    house: Site = request_site.make()
    uncounted()
    reconciling.open_findings(reconciling.compare())
    finding = CallFinding.objects.get()
    for person in (house.amir, house.rosa, house.owner):
        with pytest.raises(PermissionDenied):
            reconciling.close(by=person, finding=finding, reason="Fine.")
    with pytest.raises(ValidationError, match="found out"):
        reconciling.close(by=house.stella, finding=finding, reason=" ")
    client = Client()
    client.force_login(house.stella)
    assert "uncounted call".capitalize() in client.get(reverse("door")).content.decode()
    client.post(reverse("finding-close", args=[finding.pk]), {"reason": "A disk was exchanged."})
    reconciling.open_findings(reconciling.compare())
    finding = CallFinding.objects.get()
    assert (finding.closed_by, finding.close_reason) == ("user:stella", "A disk was exchanged.")
    with pytest.raises(ValidationError, match="before"):
        reconciling.close(by=house.stella, finding=finding, reason="Again.")
    told = [log.entry(entry.index).facts for entry in LogEntry.objects.filter(action__startswith="synthesis:finding:")]
    assert [("detail" in facts, facts.get("reason")) for facts in told] == [
        (True, None), (False, "A disk was exchanged.")
    ]  # fmt: skip


def test_auditors_read_findings_and_owners_do_not() -> None:
    house = request_site.make()
    uncounted()
    reconciling.open_findings(reconciling.compare())
    shown = {}
    for person in (house.amir, house.ada, house.stella, house.owner):
        client = Client()
        client.force_login(person)
        page = client.get(reverse("door")).content.decode()
        shown[person.username] = ("Uncounted call" in page, "finding-close" in page or "/close/" in page)
    assert shown == {"amir": (True, False), "ada": (True, True), "stella": (True, True), "olivia": (False, False)}


def test_the_door_calls_figures_of_a_call_by_plain_words() -> None:
    house, client = request_site.make(), Client()
    client.force_login(house.amir)
    call(1)
    reconciling.open_findings(reconciling.compare(reported={"far": {"prompt_tokens": 5000}}))
    page = client.get(reverse("door")).content.decode()
    assert "Tokens of prompts: the log holds 100" in page
    assert "prompt_tokens" not in page


def test_the_command_says_whether_the_counts_agree(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call(1)
    call_command("reconcile_calls")
    assert "AGREES: 1 calls counted by the door, 1 sent by the log" in capsys.readouterr().out
    figures = tmp_path / "figures.json"
    figures.write_text(json.dumps({"far": {"calls": 7}}))
    with pytest.raises(CommandError, match="DIFFERS"):
        call_command("reconcile_calls", "--reported", str(figures))
    assert "the endpoint reports 7" in capsys.readouterr().err
    call_command("reconcile_calls", "--since", "2999-01-01")


@pytest.mark.parametrize(
    "text", ["[]", "{", '{"far": {"calls": "7"}}', '{"far": {"cost": 7}}', '{"far": {"calls": true}}']
)
def test_figures_that_cannot_be_read_are_refused(tmp_path: Path, text: str) -> None:
    figures = tmp_path / "figures.json"
    figures.write_text(text)
    with pytest.raises(CommandError, match="whole numbers"):
        call_command("reconcile_calls", "--reported", str(figures))
    with pytest.raises(CommandError, match="--since"):
        call_command("reconcile_calls", "--since", "yesterday")


@pytest.mark.parametrize("name", ["fra", "embedded"])
def test_figures_of_no_endpoint_open_no_finding(tmp_path: Path, name: str) -> None:
    call(1)
    figures = tmp_path / "figures.json"
    figures.write_text(json.dumps({name: {"calls": 7}}))
    with pytest.raises(CommandError, match=f"no endpoint of this site: {name}"):
        call_command("reconcile_calls", "--reported", str(figures))
    assert not CallFinding.objects.exists()


def test_a_count_keeps_whole_lines_under_many_threads(site: Any) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: tally.count(f"{number:032x}", "far", b"x" * number), range(200)))
    counted = tally.read()
    assert len(counted) == 200
    assert {one.times for one in counted.values()} == {1}
    assert tally.path().stat().st_mode & 0o777 == 0o600
