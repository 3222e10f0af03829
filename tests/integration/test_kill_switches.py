"""Kill switches: who sets and lifts them, and that nothing leaves while one stands, not even in the last moment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse

from audit import keys, prompts, verify
from audit.export import export
from audit.models import LogEntry, PromptRecord
from privacy import services as datasets
from synthesis import halts, running, switches, tally
from synthesis.models import Job, KillSwitch, SynthesisRequest
from synthesis.states import Gate
from synthesis.states import RequestState as S
from tests import privacy_site, request_site
from tests.request_site import Site, open_door

pytestmark = pytest.mark.django_db(databases=["default", "log"], transaction=True)


@pytest.fixture
def house() -> Site:
    return request_site.make()


def approved(house: Site) -> SynthesisRequest:
    """A request that gate B let go, before any worker took it up."""
    request = house.measured()
    house.vote(request, house.stella, Gate.EGRESS)
    return SynthesisRequest.objects.get(pk=request.pk)


def worked(request: SynthesisRequest) -> SynthesisRequest:
    running.synthesise(str(request.pk))
    return SynthesisRequest.objects.get(pk=request.pk)


def told(action: str) -> list[str]:
    return list(LogEntry.objects.filter(action=f"synthesis:kill_switch:{action}").values_list("by", flat=True))


@pytest.mark.parametrize("scope", ["all", "dataset", "request"])
def test_a_run_that_meets_a_switch_pauses_and_goes_on_when_another_person_lifts_it(house: Site, scope: str) -> None:
    request = approved(house)
    target = {"all": "all", "dataset": f"dataset:{house.dataset.pk}", "request": f"request:{request.pk}"}[scope]
    switch = switches.set_switch(by=house.stella, target=target, reason="Something looks wrong.")
    with open_door():
        request = worked(request)
        assert request.state == S.PAUSED
        assert request.note == halts.notice(switch)
        assert not PromptRecord.objects.exists(), "before the intent: nothing is even recorded"
        switches.lift(by=house.stefan, switch=switch, reason="It was not.")
        request = SynthesisRequest.objects.get(pk=request.pk)
        assert request.state == S.SYNTHESISING
        assert Job.objects.filter(request=request, kind="synthesise", done_at=None).exists()
        assert worked(request).state == S.CHECKING
    assert (told("set"), told("lifted")) == (["user:stella"], ["user:stefan"])


def test_a_switch_for_something_else_stops_nothing_here(house: Site) -> None:
    other = datasets.register_dataset(by=house.owner, declaration=privacy_site.declaration(title="Other"))
    switches.set_switch(by=house.stella, target=f"dataset:{other.pk}", reason="That one only.")
    with open_door():
        assert worked(approved(house)).state == S.CHECKING


def test_a_switch_set_while_the_lease_is_taken_still_stops_the_prompt(
    house: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """After intent, checkpoint and lease, in the last moment: nothing leaves, and the log says that nothing did."""
    request, honest = approved(house), prompts.start_sending

    def and_then_stop(intent: str, **options: Any) -> str:
        token = honest(intent, **options)
        switches.set_switch(by=house.stefan, target="all", reason="Now.")
        return token

    monkeypatch.setattr(prompts, "start_sending", and_then_stop)
    with open_door():
        request = worked(request)
    assert request.state == S.PAUSED
    assert "kill switch" in request.note
    record = PromptRecord.objects.get()
    assert (record.state, record.answer_id) == ("lapsed", "")
    outcome = prompts.log.find(f"{record.intent_id}:closed")
    assert outcome.facts["sent"] is False
    assert tally.read() == {}, "the door counted nothing, since nothing left"
    export(tmp_path / "export", by="user:amir", reason="To see whether the verifier follows.")
    report = verify.verify(tmp_path / "export", key=str(keys.public()))
    assert [one for one in report.findings if one["check"] == "prompts"] == []


def test_a_door_that_cannot_count_sends_nothing(house: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tally, "_append", full)
    with open_door():
        request = worked(approved(house))
    assert request.state == S.PAUSED
    assert "cannot keep its own count" in request.note
    assert PromptRecord.objects.get().state == "lapsed"


def test_who_may_set_and_who_may_lift(house: Site) -> None:
    for person in (house.rosa, house.amir):
        with pytest.raises(PermissionDenied):
            switches.set_switch(by=person, target="all", reason="No.")
    switch = switches.set_switch(by=house.ada, target="all", reason="The machine is ill.")
    for person, words in ((house.ada, "steward"), (house.rosa, "steward"), (house.amir, "steward")):
        with pytest.raises(PermissionDenied, match=words):
            switches.lift(by=person, switch=switch, reason="Please.")
    switches.lift(by=house.owner, switch=switch, reason="It is well again.")
    again = switches.set_switch(by=house.stella, target="all", reason="Once more.")
    with pytest.raises(PermissionDenied, match="second person"):
        switches.lift(by=house.stella, switch=again, reason="Changed my mind.")


def test_an_owner_stops_and_frees_only_what_is_theirs(house: Site) -> None:
    other = privacy_site.person("oscar", "owner")
    target = f"dataset:{house.dataset.pk}"
    with pytest.raises(PermissionDenied):
        switches.set_switch(by=other, target=target, reason="Not mine.")
    switch = switches.set_switch(by=house.stella, target=target, reason="Look first.")
    with pytest.raises(PermissionDenied, match="not about a dataset of yours"):
        switches.lift(by=other, switch=switch, reason="Not mine.")


def test_the_database_itself_refuses_one_person_to_set_and_lift(house: Site) -> None:
    switch = switches.set_switch(by=house.stella, target="all", reason="Stop.")
    with pytest.raises(IntegrityError), transaction.atomic():
        KillSwitch.objects.filter(pk=switch.pk).update(lifted_by="user:stella")


@pytest.mark.parametrize(
    ("target", "reason", "words"),
    [
        ("all", " ", "Say why"), ("all", "x" * 501, "500"), ("dataset:none", "So.", "no such"),
        ("request:1b4e28ba-2fa1-11d2-883f-0016d3cca427", "So.", "no such"), ("everything", "So.", "no such"),
    ],
)  # fmt: skip
def test_a_bad_switch_is_refused_and_says_why(house: Site, target: str, reason: str, words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        switches.set_switch(by=switches.CONSOLE, target=target, reason=reason)
    assert not KillSwitch.objects.exists()


def test_one_switch_stands_at_each_place(house: Site) -> None:
    switches.set_switch(by=house.stella, target="all", reason="Stop.")
    with pytest.raises(ValidationError, match="already"):
        switches.set_switch(by=house.stefan, target="all", reason="Stop.")


def test_the_command_sets_and_lifts(house: Site, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("kill_switch", "on", "--dataset", str(house.dataset.pk), "--reason", "By telephone.")
    assert KillSwitch.objects.get().target == f"dataset:{house.dataset.pk}"
    with pytest.raises(CommandError, match="already"):
        call_command("kill_switch", "on", "--dataset", str(house.dataset.pk), "--reason", "Again.")
    with pytest.raises(CommandError, match="No kill switch"):
        call_command("kill_switch", "off", "--all", "--reason", "Wrong one.")
    call_command("kill_switch", "off", "--dataset", str(house.dataset.pk), "--reason", "Cleared up.")
    assert told("lifted") == ["console"]
    assert "Lifted" in capsys.readouterr().out


def test_the_pages_set_and_lift_after_a_confirmation(house: Site) -> None:
    stella, stefan = Client(), Client()
    stella.force_login(house.stella)
    stefan.force_login(house.stefan)
    assert stella.get(reverse("switch-set")).status_code == 200
    assert not KillSwitch.objects.exists(), "looking changes nothing"
    assert "Say why" not in stella.post(reverse("switch-set"), {"target": "all", "reason": ""}).content.decode()
    assert not KillSwitch.objects.exists()
    stella.post(reverse("switch-set"), {"target": "all", "reason": "<b>Stop</b>"})
    switch = KillSwitch.objects.get()
    shown = stella.get(reverse("door")).content.decode()
    assert "&lt;b&gt;Stop&lt;/b&gt;" in shown
    assert "ask a second person" in shown
    lift = reverse("switch-lift", args=[switch.pk])
    assert stella.post(lift, {"reason": "Mine."}).status_code == 403
    assert stefan.post(lift, {"reason": "Checked."}).status_code == 302
    switch.refresh_from_db()
    assert switch.lifted_by == "user:stefan"
    assert Client(enforce_csrf_checks=True).post(lift, {"reason": "x"}).status_code in (302, 403)


def test_the_page_is_for_those_who_may_stop_and_for_auditors(house: Site) -> None:
    codes = {}
    for person in (house.owner, house.stella, house.rosa, house.amir, house.ada):
        client = Client()
        client.force_login(person)
        codes[person.username] = [client.get(reverse(name)).status_code for name in ("door", "switch-set")]
    assert codes == {
        "olivia": [200, 200], "stella": [200, 200], "rosa": [403, 403], "amir": [200, 403], "ada": [200, 200],
    }  # fmt: skip
