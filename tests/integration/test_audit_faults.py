"""What can happen to the log's files, keys and clock: each stops it, nothing is written, and repair starts it again."""

import shutil
import sqlite3
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connections
from django.utils import timezone

from audit import events, log, prompts
from audit.errors import LogUnavailable
from audit.models import LogEntry, Outbox, PromptRecord
from tests.audit_story import PROMPT

in_a_transaction = pytest.mark.django_db(databases=["default", "log"])
on_disk = pytest.mark.django_db(databases=["default", "log"], transaction=True)
ABOUT = {"by": "user:ada", "subject": "request:1"}


def append(number=1, **more):
    return events.append(action="test:thing:happened", facts={"number": number, **more}, **ABOUT)


def lose_anchor(site):
    shutil.move(site / "anchors", site / "away")
    return lambda: shutil.move(site / "away", site / "anchors")


def forge_anchor(site):
    path = site / "anchors" / "latest.note"
    note = path.read_bytes()
    path.write_bytes(note.replace(b"\n", b"\n1", 1))
    return lambda: path.write_bytes(note)


def block_anchor_folder(site):
    restore = lose_anchor(site)
    (site / "anchors").write_text("a file where the folder was")
    return lambda: ((site / "anchors").unlink(), restore())


def lose_key(site):
    path = site / "keys" / "log-signing.key"
    secret = path.read_text()
    path.unlink()
    return lambda: path.write_text(secret)


def damage_key(site):
    path = site / "keys" / "log-signing.key"
    secret = path.read_text()
    path.write_text("PRIVATE+KEY+x+00000000+AAAA")
    return lambda: path.write_text(secret)


FAULTS = {
    "anchor gone": (lose_anchor, "the anchor is gone"),
    "anchor forged": (forge_anchor, "the anchor is not valid"),
    "anchor folder unusable": (block_anchor_folder, "cannot be"),
    "key gone": (lose_key, "cannot be read"),
    "key damaged": (damage_key, "log-signing.key"),
}


def nothing_moves(rule):
    """Nothing can be logged, anchored, decided or sent while this rule is broken; the log is as it was."""
    before = LogEntry.objects.count(), PromptRecord.objects.values_list("state", "token").get()
    for attempt in (
        append,
        log.checkpoint,
        lambda: events.record(action="test:a:b", facts={}, **ABOUT),
        send,
    ):
        with pytest.raises(LogUnavailable, match=rule):
            attempt()
    assert (LogEntry.objects.count(), PromptRecord.objects.values_list("state", "token").get()) == before
    assert Outbox.objects.count() == 0


def send():
    return prompts.start_sending(PromptRecord.objects.get().intent_id, lease_seconds=60)


def all_moves():
    """After the repair the same prompt can be sent."""
    size = log.size()
    assert append(2) == size
    assert send()


def begin(turn):
    PromptRecord.objects.all().delete()
    append(1)
    prompts.record_intent(run=f"u{turn}", sequence=1, attempt=1, endpoint="e", prompt=PROMPT, by="system")
    log.checkpoint()


@pytest.mark.long_sizes
@in_a_transaction
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_stops_the_log_and_its_repair_starts_it_again(site, fault, is_long, repeats, note):
    """Row A5."""
    cause, rule = FAULTS[fault]
    for times in repeats(5 if is_long else 1):
        begin(times)
        repair = cause(site)
        nothing_moves(rule)
        repair()
        all_moves()
    note("A5", fault, f"{times + 1} times", "0 bytes left, recovered each time", "0")


@in_a_transaction
def test_a_clock_set_back_stops_the_log_and_a_small_step_does_not(monkeypatch):
    append(1)
    now = timezone.now()
    monkeypatch.setattr(timezone, "now", lambda: now - timedelta(seconds=30))
    append(2)
    assert log.entry(1).time >= log.entry(0).time
    monkeypatch.setattr(timezone, "now", lambda: now - timedelta(hours=1))
    with pytest.raises(LogUnavailable, match="the clock stands before"):
        append(3)
    monkeypatch.undo()
    assert append(4) == 2


sqlite_only = pytest.mark.skipif("connections['log'].vendor != 'sqlite'", reason="about SQLite's file")


@on_disk
@sqlite_only
def test_an_unlinked_or_replaced_file_stops_the_log():
    append(1)
    path = Path(connections["log"].settings_dict["NAME"])
    path.rename(path.with_suffix(".away"))
    try:
        with pytest.raises(LogUnavailable, match="cannot be used"):
            append(2)
        shutil.copy(path.with_suffix(".away"), path)
        with pytest.raises(LogUnavailable, match="replaced"):
            append(2)
    finally:
        path.with_suffix(".away").rename(path)
    assert append(3) == 1


def read_only():
    connections["log"].cursor().execute("PRAGMA query_only = ON")
    return lambda: connections["log"].cursor().execute("PRAGMA query_only = OFF")


def locked():
    """By another process, for longer than anybody waits."""
    connections["log"].cursor().execute("PRAGMA busy_timeout = 100")
    other = sqlite3.connect(connections["log"].settings_dict["NAME"], isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    def repair():
        other.close()  # what it began is rolled back
        connections["log"].close()

    return repair


def full():
    """No page more than it has, and those filled up: what SQLite says of a full disk."""
    limit(pragma("page_count"))
    with pytest.raises(LogUnavailable, match="full"):
        for number in range(1000):
            append(number)
    return lambda: limit(1_000_000_000)


def limit(pages):
    pragma(f"max_page_count = {pages}")


def pragma(text):
    """Its answer; with the cursor closed, since an answer half read keeps the journal from being emptied."""
    with connections["log"].cursor() as cursor:
        return cursor.execute(f"PRAGMA {text}").fetchone()[0]


SQLITE_FAULTS = {
    "read-only": (read_only, "readonly"), "lock held": (locked, "locked"), "disk full": (full, "full"),
}  # fmt: skip


@pytest.mark.long_sizes
@on_disk
@sqlite_only
@pytest.mark.parametrize("fault", SQLITE_FAULTS)
def test_what_sqlite_cannot_write_is_not_sent(fault, is_long, repeats, note):
    """Row A5."""
    cause, rule = SQLITE_FAULTS[fault]
    for times in repeats(5 if is_long else 1):
        begin(times)
        repair = cause()
        try:
            for attempt in (lambda: append(7, blob="x" * 20_000), send):
                with pytest.raises(LogUnavailable, match=rule):
                    attempt()
        finally:
            repair()
        assert not PromptRecord.objects.get().token
        all_moves()
    note("A5", f"sqlite: {fault}", f"{times + 1} times", "0 bytes left, recovered each time", "0")
