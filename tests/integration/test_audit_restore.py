"""Row E1: an older log is refused until its lost entries are entered again, byte for byte, by two people."""

import pytest
from django.core.management import CommandError, call_command
from django.db import connections

from audit import anchors, bodies, entering, events, keys, livecheck, log, prompts, verify
from audit.errors import LogUnavailable
from audit.export import export
from audit.merkle import Frontier
from audit.models import Body, Checkpoint, LogEntry, LogHead
from tests.append_only import triggers_lifted
from tests.audit_story import PROMPT

pytestmark = pytest.mark.django_db(databases=["default", "log"])
PEOPLE = ("--by", "user:olga", "--confirmed-by", "user:omar", "--reason", "the disk failed")


def append(number=0, action="test:thing:happened", **facts):
    return events.append(action=action, by="user:ada", subject="thing:1", facts={"number": number, **facts})


def restored(size):
    """The database as it was when it held so many entries: entries, bodies, checkpoints, head."""
    with triggers_lifted(connections["log"]):
        LogEntry.objects.filter(index__gte=size).delete()
        Checkpoint.objects.filter(size__gt=size).delete()
        Body.objects.all().delete()
        tree = Frontier.of([bytes(entry.leaf_hash) for entry in LogEntry.objects.order_by("index")])
        LogHead.objects.update(size=tree.size, frontier=tree.packed())


def grown(tmp_path, **facts):
    """Three entries, a prompt sent, and an export of it all."""
    for number in range(3):
        append(number, **facts)
    row = prompts.record_intent(run="u1", sequence=1, attempt=1, endpoint="e", prompt=PROMPT, by="system")
    prompts.start_sending(row.intent_id, lease_seconds=60)
    export(tmp_path / "export", by="user:ada", reason="nightly")
    return row


def reconcile(folder, *more):
    call_command("reconcile_log", "--export", str(folder), *PEOPLE, *more)


def refuses():
    """Whether the log takes nothing, because it is older than its anchor."""
    try:
        append(7)
    except LogUnavailable as error:
        return "an older state was restored" in str(error)
    return False


def history(size):
    return Frontier.of([bytes(entry.leaf_hash) for entry in LogEntry.objects.order_by("index")[:size]]).root()


def restore(kept, folder, row):
    """Go back to so many entries, and forward again with the export: what went wrong; nothing, if all is well."""
    whole, here = log.root(), log.size()
    restored(kept)
    if not refuses():
        return ["an older log was taken for the whole one"]
    reconcile(folder)
    known = log.find(f"{row.intent_id}:intent").facts["prompt"]["hash"]
    rules = {
        "the entries are not those that were lost": history(here) == whole,
        "the log does not speak of the restore": log.entry(here).action == "audit:log:reconciled",
        "more or less came back than was lost": log.size() == here + 1,
        "a body did not come back": bodies.opened(row.body_id, expected=known),
    }
    return [rule for rule, holds in rules.items() if not holds] + livecheck.check().found


@pytest.mark.long_sizes
def test_an_older_log_is_refused_until_its_entries_are_back(tmp_path, is_long, repeats, note):
    row = grown(tmp_path)
    newest = tmp_path / "export"
    for times in repeats(5 if is_long else 2):
        assert restore(1 + times % 2, newest, row) == []
        newest = tmp_path / f"newer{times}"
        export(newest, by="user:ada", reason="nightly")
    report = verify.verify(newest, key=str(keys.public()))
    # Neither the prompt's release nor its run is in this log.
    assert {one["check"] for one in report.findings} <= {"dp values", "free texts", "gates"}
    assert report.counts["restores reconciled"] == times + 1
    note("E1", "an older log restored", f"{times + 1} times", "refused until reconciled, nothing lost", "all")


@pytest.mark.long_sizes
def test_a_log_that_does_not_ask_its_anchor_is_caught(tmp_path, monkeypatch, note):
    """Control of row E1: the log's own size is compared with its entries, and no longer with its anchor."""
    row, honest = grown(tmp_path), entering._check_head
    monkeypatch.setattr(entering, "_check_head", lambda head, anchor: honest(head, None))
    wrong = restore(2, tmp_path / "export", row)
    assert wrong
    note("E1", "control: a log that does not ask its anchor", "1 time", wrong[0], "caught")


def test_what_may_not_reconcile(tmp_path):
    grown(tmp_path)
    with pytest.raises(CommandError, match="nothing that is missing"):
        reconcile(tmp_path / "export")
    append(8)
    with pytest.raises(CommandError, match="nothing that is missing"):  # the log has gone on since
        reconcile(tmp_path / "export")
    log.checkpoint()
    restored(2)
    with pytest.raises(CommandError, match="signs more than"):
        reconcile(tmp_path / "export")  # older than the anchor: what came after it would be forgotten
    (anchors.folder() / anchors.LATEST).write_bytes(anchors.every()[0])
    with pytest.raises(CommandError, match="two different people"):
        reconcile(tmp_path / "export", "--confirmed-by", "user:olga")
    with (tmp_path / "export" / "entries.jsonl").open("ab") as file:
        file.write(b"{}\n")
    with pytest.raises(CommandError, match="cannot be used"):
        reconcile(tmp_path / "export")


def test_another_history_is_not_reconciled(tmp_path):
    grown(tmp_path)
    restored(0)
    with triggers_lifted(connections["log"]):
        LogHead.objects.all().delete()
    for path in anchors.folder().glob("*.note"):
        path.unlink()
    append(9)
    with pytest.raises(CommandError, match="another history"):
        reconcile(tmp_path / "export")


def test_a_ledger_older_than_the_log_is_not_let_back_in(tmp_path):
    spent = {"population": "p", "entry": "41", "rho": "0.5", "delta": "0"}
    append(0, action="privacy:ledger:cap_set", **spent)
    export(tmp_path / "export", by="user:ada", reason="nightly")
    restored(1)
    with pytest.raises(CommandError, match="lacks 1 lines of the privacy ledger"):
        reconcile(tmp_path / "export")
