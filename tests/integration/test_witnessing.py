"""Checkpoints on their way to witnesses of every kind, and what their word, or its absence, means for a prompt."""

from __future__ import annotations

import shutil
from datetime import timedelta

import pytest
from django.core import mail
from django.db import connections
from django.utils import timezone

from audit import anchors, events, keys, log, notes, prompts, receipts, witnessing
from audit.cosignatures import WitnessKey
from audit.errors import LogUnavailable
from audit.leaves import time_of
from audit.models import Checkpoint, LogEntry, LogHead
from audit.notes import PrivateKey
from llmsynthor_site import health
from llmsynthor_site.tasks import submit_checkpoints, sweep
from tests import witness_process
from tests.append_only import triggers_lifted
from tests.audit_story import PROMPT

pytestmark = pytest.mark.django_db(databases=["default", "log"])
needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="OpenSSL plays the timestamp authority")
UNREACHABLE = "http://127.0.0.1:9"


def append(number=1):
    return events.append(action="test:thing:happened", by="user:ada", subject="t:1", facts={"number": number})


def actions():
    return [log.entry(index).action for index in range(log.size()) if log.entry(index).action.startswith("audit:witn")]


@pytest.fixture
def witness(tmp_path, settings):
    with witness_process.board(tmp_path / "witness", keys.public(), settings) as running:
        yield running


def test_a_witness_follows_the_growing_log_and_its_word_is_kept_beside_the_anchors(site, witness):
    for number in range(4):
        append(number)
        log.checkpoint()
        assert witnessing.submit_newest() == 1
        assert witnessing.submit_newest() == 0  # nothing new, so nobody is asked
    kept = [(name, size) for name, size, _ in receipts.proofs(receipts.COSIGNATURE)]
    assert kept == [("board", size) for size in (1, 2, 3, 4)]
    assert (site / "anchors" / "witnesses" / "board" / "000000000004.cosig").read_text().startswith("\u2014 ")
    assert timezone.now() - time_of(receipts.seen("board").at) < timedelta(minutes=1)
    assert list(health.outside()) == [health.Standing("board (cosigner)", True, "holds 4 entries")]


def test_the_schedule_anchors_and_submits_at_least_every_minute(settings, witness):
    beat = settings.CELERY_BEAT_SCHEDULE
    assert all(beat[name]["schedule"] <= 60 for name in ("sweep", "submit_checkpoints"))
    append()
    sweep()
    submit_checkpoints()
    assert receipts.seen("board").size == 1


def test_a_witness_whose_state_was_forgotten_here_tells_the_size_itself(site, witness):
    for number in range(5):
        append(number)
    log.checkpoint()
    witnessing.submit_newest()
    (site / "anchors" / "witnesses" / "board" / "state.json").write_bytes(b"damaged")
    append(9)
    log.checkpoint()
    assert witnessing.submit_newest() == 1
    assert receipts.seen("board").size == 6


def test_a_failing_witness_is_told_once_holds_up_nobody_and_is_told_again_when_it_answers(tmp_path, settings, witness):
    share = tmp_path / "share"
    share.mkdir()
    settings.WITNESSES = {"gone": {"url": UNREACHABLE, "key": witness.public}, "share": {"folder": str(share)}}
    append()
    for _ in range(3):
        log.checkpoint()
        witnessing.submit_newest()
    assert actions() == ["audit:witness:failed"]
    assert log.entry(1).facts == {"witness": "gone", "problem": "it cannot be reached: ConnectionRefusedError"}
    assert receipts.seen("share").size == log.size() == 2
    row = prompts.record_intent(run="u1", sequence=1, attempt=1, endpoint="e", prompt=PROMPT, by="system")
    prompts.start_sending(row.intent_id, lease_seconds=60)  # nobody is required, so nothing waits
    gone = receipts.seen("gone")
    assert (gone.size, gone.at, gone.problem) == (0, "", "it cannot be reached: ConnectionRefusedError")
    told, _ = health.outside()
    assert (told.name, told.well) == ("gone (cosigner)", False)
    assert told.words.startswith("it cannot be reached: ConnectionRefusedError, since ")
    settings.WITNESSES["gone"]["url"] = witness.url
    log.checkpoint()
    witnessing.submit_newest()
    assert actions() == ["audit:witness:failed", "audit:witness:answered"]
    assert receipts.seen("gone").problem == ""


def test_a_prompt_waits_for_the_cosignatures_that_are_required(settings, witness):
    settings.WITNESSES_REQUIRED = 2
    row = prompts.record_intent(run="u1", sequence=1, attempt=1, endpoint="e", prompt=PROMPT, by="system")
    with pytest.raises(LogUnavailable, match="1 witnesses cosigned the newest checkpoint, 2 are required"):
        prompts.start_sending(row.intent_id, lease_seconds=60)
    assert prompts.open_prompts().get().state == row.State.INTENT
    settings.WITNESSES_REQUIRED = 1
    prompts.start_sending(row.intent_id, lease_seconds=60)
    assert receipts.seen("board").size >= 1
    assert [log.entry(index).action for index in range(log.size())][-1] == "audit:prompt:sending"


def test_a_required_witness_that_is_gone_stops_every_prompt(settings, witness):
    settings.WITNESSES_REQUIRED = 1
    witness.kill()
    row = prompts.record_intent(run="u1", sequence=1, attempt=1, endpoint="e", prompt=PROMPT, by="system")
    with pytest.raises(LogUnavailable, match="0 witnesses cosigned"):
        prompts.start_sending(row.intent_id, lease_seconds=60)
    assert not LogEntry.objects.filter(action="audit:prompt:sending").exists()


def test_another_history_shown_to_the_witness_is_noticed(settings, witness):
    """A database and its anchor both taken back to an older state, and other entries written: the witness knows."""
    append(1)
    append(2)
    log.checkpoint()
    witnessing.submit_newest()
    with triggers_lifted(connections["log"]):
        LogEntry.objects.all().delete()
        Checkpoint.objects.all().delete()
        LogHead.objects.all().delete()
    (anchors.folder() / anchors.LATEST).unlink()
    append(7)
    log.checkpoint()
    assert witnessing.submit_newest() == 0
    assert "it has signed 2 entries, more than it was shown: an older state" in receipts.seen("board").problem
    log.checkpoint()  # with the entry that says so there are two entries, as the witness has signed, but others
    assert witnessing.submit_newest() == 0
    assert receipts.seen("board").problem == "it has signed another history of 2 entries"


def test_a_cosignature_by_another_key_is_not_taken(settings, witness):
    other = WitnessKey.of(PrivateKey.make("witness.example/w1"))
    settings.WITNESSES["board"]["key"] = str(other)
    append()
    log.checkpoint()
    assert witnessing.submit_newest() == 0
    assert receipts.seen("board").problem == "it answered without a cosignature by its key"


# --- copies


def test_a_folder_gets_every_checkpoint_once_and_a_missing_one_is_not_made(tmp_path, settings):
    share = tmp_path / "share"
    settings.WITNESSES = {"share": {"folder": str(share)}}
    append()
    log.checkpoint()
    assert witnessing.submit_newest() == 0
    assert not share.exists()
    share.mkdir()
    log.checkpoint()
    assert witnessing.submit_newest() == 1
    kept = share / "000000000002.note"
    assert kept.read_bytes() == anchors.latest_note()
    other = notes.Checkpoint(keys.public().name, 4, bytes(32)).signed(keys.signing())
    append()
    (share / "000000000004.note").write_bytes(other)
    log.checkpoint()
    assert log.size() == 4
    assert witnessing.submit_newest() == 0
    assert receipts.seen("share").problem == "it holds another history of 4 entries"
    assert (share / "000000000004.note").read_bytes() == other


def test_mail_carries_the_checkpoint_and_no_more_often_than_wished(settings, monkeypatch):
    settings.WITNESSES = {"auditor": {"mail": "anna@example.org", "every": 3600}}
    append()
    log.checkpoint()
    assert witnessing.submit_newest() == 1
    (sent,) = mail.outbox
    ((name, content, _),) = sent.attachments
    assert (sent.to, name, content) == (["anna@example.org"], "000000000001.note", anchors.latest_note())
    append()
    log.checkpoint()
    assert witnessing.submit_newest() == 0
    now = timezone.now()
    monkeypatch.setattr(timezone, "now", lambda: now + timedelta(hours=1))
    assert witnessing.submit_newest() == 1
    assert len(mail.outbox) == 2
