"""Erasing prompts and answers: two people, an entry each, nothing left on the disk, and everyone says so afterwards."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connections, transaction
from django.test import Client
from django.urls import reverse

from audit import bodies, erasure, events, keys, livecheck, log, prompts, recorded, verify
from audit.errors import ErasureRefused
from audit.export import export
from audit.models import Body, ErasureProposal, PromptRecord
from synthesis import running
from synthesis.loop import LoopSettings
from synthesis.models import SynthesisRequest
from tests import raw_bytes, request_site
from tests.request_site import Site, open_door

ROOT = Path(verify.__file__).parent.parent
pytestmark = pytest.mark.django_db(databases=["default", "log"], transaction=True)


@pytest.fixture
def house(monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.setattr(running, "LoopSettings", lambda: LoopSettings(sweeps=1, step=0.2, pool_size=4000))
    return request_site.make()


@pytest.fixture
def made(house: Site) -> Iterator[SynthesisRequest]:
    """A released table, after several prompts of the embedded proposer."""
    with open_door():
        yield house.released()


def prompt(number: int) -> PromptRecord:
    return PromptRecord.objects.get(sequence=number, attempt=1)


def erase(house: Site, body: str) -> list[str]:
    return erasure.confirm(by=house.stefan, proposal=erasure.propose(by=house.stella, body=body, reason="Asked for."))


def verified(folder: Path) -> verify.Report:
    export(folder, by="user:amir", reason="after an erasure")
    return verify.verify(folder, key=str(keys.public()))


def replayed(request: SynthesisRequest, capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, Any]]:
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        call_command("replay_prompts", str(request.pk), "--json")
    return int(str(ended.value.code)), json.loads(capsys.readouterr().out)


def test_an_erased_answer_takes_cipher_and_salt_and_every_later_prompt_with_it(
    house: Site, made: SynthesisRequest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answer, last = prompt(2).answer_id, PromptRecord.objects.count()
    cipher, salt = (bytes(part) for part in Body.objects.values_list("cipher", "salt").get(pk=answer))
    assert on_sqlite(cipher, salt) in ([], [True, True])
    assert erase(house, answer) == [answer]
    gone = Body.objects.get(pk=answer)
    assert (gone.erased, bytes(gone.cipher), bytes(gone.salt), bytes(gone.nonce)) == (True, b"", b"", b"")
    assert on_sqlite(cipher[:64], salt) in ([], [False, False]), "the database's files must not keep it either"
    told = log.find(f"erased:{answer}")
    assert told is not None
    assert (told.facts["proposed_by"], told.facts["confirmed_by"]) == ("user:stella", "user:stefan")
    code, report = replayed(made, capsys)
    assert (code, report["differences"]) == (0, [])
    names = [one.split(":")[0] for one in report["erased"]]
    assert names == [*(f"prompt {number}.1" for number in range(3, last + 1)), "table"]
    assert all("erased, not replayable" in one for one in report["erased"])
    assert report["counts"]["prompts worked out again from the loop"] == 2
    assert report["verdict"] == "equal as far as it goes"
    assert report["counts"]["iterations worked out again"] == 1 < report["counts"]["iterations that were run"]
    with pytest.raises(SystemExit):
        call_command("replay_prompts", str(made.pk))
    ran = report["counts"]["iterations that were run"]
    head = f"EQUAL as far as it goes (1 of {ran} iterations worked out again, {len(report['erased'])} erased and not"
    assert capsys.readouterr().out.startswith(head)
    outside = verified(tmp_path / "export")
    assert outside.findings == []
    assert outside.counts["bodies erased, not replayable"] == 1
    assert outside.counts["prompts after an erased answer, not replayable"] == last - 2
    assert livecheck.check().found == []


def on_sqlite(*secrets: bytes) -> list[bool]:
    """Whether the log's database files, journal included, hold these bytes; nothing where there is a server."""
    if connections[log.ALIAS].vendor != "sqlite":
        return []
    name = Path(connections[log.ALIAS].settings_dict["NAME"])
    files = [raw_bytes.content(path) for path in name.parent.glob(f"{name.name}*")]
    return [any(secret in content for content in files) for secret in secrets]


def test_an_erasure_is_not_said_to_be_done_while_a_reader_holds_copies(
    house: Site, made: SynthesisRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    if connections[log.ALIAS].vendor != "sqlite":
        pytest.skip("SQLite's journal is meant; a server has none that readers hold")
    monkeypatch.setattr(erasure, "SCRUB_PAUSES", (0.01,))
    answer = prompt(1).answer_id
    cipher, salt = (bytes(part) for part in Body.objects.values_list("cipher", "salt").get(pk=answer))
    with closing(sqlite3.connect(connections[log.ALIAS].settings_dict["NAME"])) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM audit_body").fetchone()
        with impatient(), pytest.raises(ErasureRefused, match="confirm once more"):
            erase(house, answer)
    proposal = ErasureProposal.objects.get()
    assert proposal.done_at is None
    assert erasure.confirm(by=house.stefan, proposal=proposal) == [answer]
    assert on_sqlite(cipher[:64], salt) == [False, False]


@contextmanager
def impatient() -> Iterator[None]:
    """The log's connection waits for others a moment only."""
    with connections[log.ALIAS].cursor() as cursor:
        cursor.execute("PRAGMA busy_timeout = 50")
        yield
        cursor.execute("PRAGMA busy_timeout = 30000")


def test_an_erased_prompt_goes_with_its_segments_and_alone(
    house: Site, made: SynthesisRequest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = prompt(2)
    assert sorted(erase(house, record.map_id)) == sorted([record.body_id, record.map_id])
    assert recorded.attempts(str(made.run.pk))[1].erased == {"prompt", "map"}
    code, report = replayed(made, capsys)
    assert code == 0
    assert report["erased"] == ["prompt 2.1: erased, not replayable"]
    assert report["verdict"] == "equal as far as it goes"
    assert report["counts"]["iterations worked out again"] == report["counts"]["iterations that were run"]
    assert report["counts"]["files of the table rebuilt, bit for bit"] == 2, "its answer is still there"
    outside = verified(tmp_path / "export")
    assert outside.findings == []
    assert outside.counts["prompts erased, not replayable"] == 1


# --- who may, and when


def test_one_person_alone_erases_nothing(house: Site, made: SynthesisRequest) -> None:
    answer = prompt(1).answer_id
    for person in (house.owner, house.rosa, house.amir, house.ada):
        with pytest.raises(PermissionDenied, match="roles do not allow"):
            erasure.propose(by=person, body=answer, reason="Mine.")
    with pytest.raises(ErasureRefused, match="needs a reason"):
        erasure.propose(by=house.stella, body=answer, reason=" ")
    proposal = erasure.propose(by=house.stella, body=answer, reason="Asked for.")
    for person in (house.stella, house.amir):
        with pytest.raises(PermissionDenied):
            erasure.confirm(by=person, proposal=proposal)
    with pytest.raises(DatabaseError, match="audit_two_people_erase"), transaction.atomic():
        ErasureProposal.objects.filter(pk=proposal.pk).update(confirmed_by=proposal.proposed_by)
    with pytest.raises(ErasureRefused, match="proposed already"):
        erasure.propose(by=house.stefan, body=answer, reason="Me too.")
    assert prompts.answer(prompt(1).intent_id)
    erasure.confirm(by=house.stefan, proposal=proposal)
    with pytest.raises(ErasureRefused, match="erased before"):
        erasure.propose(by=house.stella, body=answer, reason="Again.")


def test_a_proposal_is_withdrawn_by_whoever_made_it_or_another_steward_and_made_again(
    house: Site, made: SynthesisRequest, tmp_path: Path
) -> None:
    answer = prompt(1).answer_id
    for person in (house.stella, house.stefan):
        proposal = erasure.propose(by=house.stella, body=answer, reason="Asked for.")
        with pytest.raises(PermissionDenied, match="roles do not allow"):
            erasure.withdraw(by=house.amir, proposal=proposal)
        erasure.withdraw(by=person, proposal=proposal)
        with pytest.raises(ErasureRefused, match="confirmed or withdrawn before"):
            erasure.withdraw(by=person, proposal=proposal)
        with pytest.raises(ErasureRefused, match="withdrawn meanwhile; nothing was destroyed"):
            erasure.confirm(by=house.stefan, proposal=proposal)
    assert prompts.answer(prompt(1).intent_id), "nothing was destroyed"
    assert erasure.proposals_for(prompt(1)) == []
    assert erase(house, answer) == [answer]
    outside = verified(tmp_path / "export")
    assert outside.findings == []
    assert (outside.counts["erasures withdrawn"], outside.counts["erasures by two people"]) == (2, 1)


def test_what_was_confirmed_is_not_withdrawn_any_more(house: Site, made: SynthesisRequest) -> None:
    proposal = erasure.propose(by=house.stella, body=prompt(1).answer_id, reason="Asked for.")
    ErasureProposal.objects.filter(pk=proposal.pk).update(confirmed_by="user:stefan")
    with pytest.raises(ErasureRefused, match="confirmed or withdrawn before"):
        erasure.withdraw(by=house.stella, proposal=proposal)
    with pytest.raises(DatabaseError, match="audit_erased_or_withdrawn"), transaction.atomic():
        ErasureProposal.objects.filter(pk=proposal.pk).update(withdrawn_by="user:stella")


def test_tables_unknown_bodies_and_prompts_under_way_stay(house: Site, made: SynthesisRequest) -> None:
    tables = Body.objects.get(kind="tables").pk
    for body in (tables, "0" * 32, ""):
        with pytest.raises(ErasureRefused, match="only prompts and answers"):
            erasure.propose(by=house.stella, body=body, reason="Asked for.")
    PromptRecord.objects.filter(sequence=1).update(state=PromptRecord.State.SENDING)
    with pytest.raises(ErasureRefused, match="under way"):
        erasure.propose(by=house.stella, body=prompt(1).answer_id, reason="Asked for.")


# --- the database's own rule, and a crash between the entry and the erasure


def test_the_database_lets_a_body_change_by_an_erasure_alone() -> None:
    body, other = (bodies.sealed(data, kind="answer")[0] for data in (b"one", b"two"))
    for one in (body, other):
        one.save()
    events.append(action="test:body:erased", by="user:x", subject="b", facts={}, event_id=f"erased:{body.pk}")
    gone = {"erased": True, "cipher": b"", "salt": b"", "nonce": b""}
    refused(other, **gone)  # no entry speaks of it
    other_values = {"erased": False, "cipher": b"x", "salt": b"x", "nonce": b"x", "kind": "map", "key_id": "k"}
    for name, value in other_values.items():
        refused(body, **(gone | {name: value}))
    Body.objects.filter(pk=body.pk).update(**gone)
    refused(body, **gone)  # once
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic(using=log.ALIAS):
        Body.objects.filter(pk=body.pk).delete()


def refused(body: Body, **values: Any) -> None:
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic(using=log.ALIAS):
        Body.objects.filter(pk=body.pk).update(**values)


SITE = """
import sys, django
django.setup()
from django.core.management import call_command
from audit import erasure, prompts
from audit.models import Body, ErasureProposal
from llmsynthor_site.models import User
"""
MAKE = """
from audit import keys
for alias in ("default", "log"):
    call_command("migrate", database=alias, verbosity=0, skip_checks=True)
keys.make()
from tests import privacy_site
from tests.audit_story import PROMPT
stella, stefan = (privacy_site.person(name, "steward") for name in ("stella", "stefan"))
row = prompts.record_intent(run="u1", sequence=1, attempt=1, endpoint="e", prompt=PROMPT, by="system")
token = prompts.start_sending(row.intent_id, lease_seconds=60)
row = prompts.finish(row.intent_id, token=token, answer=b"an answer", error="", usage={})
erasure.propose(by=stella, body=row.answer_id, reason="Asked for.")
"""
CONFIRM = """
erasure.confirm(by=User.objects.get(username="stefan"), proposal=ErasureProposal.objects.get(done_at=None))
"""
KILLED = """
import os, signal
erasure._destroy = lambda name: os.kill(os.getpid(), signal.SIGKILL)
""" + CONFIRM  # fmt: skip
EXPORT = 'call_command("export_audit", out=__import__("pathlib").Path(sys.argv[1]), skip_checks=True)'


def test_a_process_killed_after_the_entry_is_found_and_completed_by_confirming_again(tmp_path: Path) -> None:
    site = tmp_path / "other"
    site.mkdir()
    kept = {name: value for name, value in os.environ.items() if not name.endswith("DATABASE_URL")}
    kept |= {"SITE_DIR": str(site), "DJANGO_SETTINGS_MODULE": "llmsynthor_site.settings"}

    def run(code: str, *arguments: object) -> int:
        command = [sys.executable, "-c", SITE + code, *map(str, arguments)]
        return subprocess.run(command, cwd=ROOT, env=kept, capture_output=True, check=False).returncode

    def erasures(name: str) -> list[str]:
        assert run(EXPORT, tmp_path / name) == 0
        found = verify.verify(tmp_path / name, key=str(site / "keys" / "log.pub")).findings
        return [one["message"] for one in found if one["check"] == "erasures"]

    assert run(MAKE) == 0
    assert run(KILLED) == -signal.SIGKILL
    assert [message.endswith("is erased, which it is not") for message in erasures("between")] == [True]
    assert run(CONFIRM) == 0
    assert erasures("after") == []
    assert run(CONFIRM) == 1, "nothing is left to confirm"


# --- the command and the page


def test_the_command_proposes_and_confirms(house: Site, made: SynthesisRequest, capsys: Any) -> None:
    answer = prompt(1).answer_id
    with pytest.raises(CommandError, match="no person called nobody"):
        call_command("erase_body", answer, "--by", "nobody", "--reason", "x")
    with pytest.raises(CommandError, match="Nobody proposed"):
        call_command("erase_body", answer, "--by", "stefan", "--confirm")
    call_command("erase_body", answer, "--by", "stella", "--reason", "Asked for.")
    with pytest.raises(CommandError, match="second person"):
        call_command("erase_body", answer, "--by", "stella", "--confirm")
    call_command("erase_body", answer, "--by", "stella", "--withdraw")
    assert f"Withdrawn: the proposal to erase {answer}. Nothing was destroyed." in capsys.readouterr().out
    with pytest.raises(CommandError, match="Nobody proposed to erase this, or it was carried out or withdrawn"):
        call_command("erase_body", answer, "--by", "stefan", "--withdraw")
    call_command("erase_body", answer, "--by", "stella", "--reason", "Asked for.")
    call_command("erase_body", answer, "--by", "stefan", "--confirm")
    assert f"Erased: {answer}." in capsys.readouterr().out
    assert Body.objects.get(pk=answer).erased


def test_two_stewards_erase_on_the_page(house: Site, made: SynthesisRequest) -> None:
    stella, stefan = Client(), Client()
    stella.force_login(house.stella)
    stefan.force_login(house.stefan)
    record = prompt(1)
    page = reverse("request-erase", args=[made.pk, record.intent_id])
    assert page in stella.get(reverse("request-prompt", args=[made.pk, record.intent_id])).content.decode()
    bare = stella.post(page, {"step": "propose", "part": "answer", "reason": ""}).content.decode()
    assert "There is a problem" in bare
    assert not ErasureProposal.objects.exists()
    assert stella.post(page, {"step": "propose", "part": "answer", "reason": "Asked for."}).status_code == 302
    proposal = ErasureProposal.objects.get()
    assert "Another data steward has to confirm it" in stella.get(page).content.decode()
    assert stella.post(page, {"step": "confirm", "proposal": proposal.pk}).status_code == 403
    assert "Erase the answer for ever" in stefan.get(page).content.decode()
    done = stefan.post(page, {"step": "confirm", "proposal": proposal.pk}, follow=True).content.decode()
    assert "The answer is erased" in done
    late = stefan.post(page, {"step": "confirm", "proposal": proposal.pk}, follow=True).content.decode()
    assert "carried out meanwhile" in late
    assert Body.objects.get(pk=record.answer_id).erased


def test_a_steward_withdraws_a_proposal_on_a_page_of_its_own(house: Site, made: SynthesisRequest) -> None:
    stella, stefan = Client(), Client()
    stella.force_login(house.stella)
    stefan.force_login(house.stefan)
    record = prompt(1)
    page = reverse("request-erase", args=[made.pk, record.intent_id])
    stella.post(page, {"step": "propose", "part": "answer", "reason": "Asked for."})
    proposal = ErasureProposal.objects.get()
    back = reverse("request-erase-withdraw", args=[made.pk, record.intent_id, proposal.pk])
    assert all(back in person.get(page).content.decode() for person in (stella, stefan))
    assert "Withdraw the erasure of this answer?" in stefan.get(back).content.decode()
    assert erasure.proposals_for(record) == [proposal], "asking does nothing"
    assert "The answer is kept" in stefan.post(back, follow=True).content.decode()
    proposal.refresh_from_db()
    assert (proposal.withdrawn_by, proposal.confirmed_by) == ("user:stefan", "")
    late = stella.post(back, follow=True).content.decode()
    assert "carried out or withdrawn meanwhile" in late
    assert back not in late
    assert stella.post(page, {"step": "propose", "part": "answer", "reason": "Again."}).status_code == 302
