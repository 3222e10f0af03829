"""What can happen to the log's files, keys and clock: each stops it, nothing is written, and repair starts it again."""

import shutil
import sqlite3
from contextlib import contextmanager
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


def refused(rule, **facts):
    """Neither an entry nor a prompt gets through while this rule is broken."""
    for attempt in (lambda: append(7, **facts), send):
        with pytest.raises(LogUnavailable, match=rule):
            attempt()
    assert not PromptRecord.objects.get().token


@contextmanager
def clock_set_back(monkeypatch, **by):
    now = timezone.now()
    with monkeypatch.context() as clock:
        clock.setattr(timezone, "now", lambda: now - timedelta(**by))
        yield


@pytest.mark.long_sizes
@in_a_transaction
def test_a_clock_set_back_stops_the_log_and_a_small_step_does_not(monkeypatch, is_long, repeats, note):
    """Row A5. The prompt that was refused then has lapsed, by the clock that was wrong: the next one goes."""
    for times in repeats(5 if is_long else 1):
        begin(2 * times)
        with clock_set_back(monkeypatch, seconds=30):
            last = append(2)
        assert log.entry(last).time >= log.entry(last - 1).time
        with clock_set_back(monkeypatch, hours=1):
            refused("the clock stands before")
        begin(2 * times + 1)
        all_moves()
    note("A5", "clock back", f"{times + 1} times", "0 bytes left, recovered each time", "0")


sqlite_only = pytest.mark.skipif("connections['log'].vendor != 'sqlite'", reason="about SQLite's file")


@pytest.mark.long_sizes
@on_disk
@sqlite_only
def test_an_unlinked_or_replaced_file_stops_the_log(is_long, repeats, note):
    """Row A5, for who has the file open."""
    path = Path(connections["log"].settings_dict["NAME"])
    away = path.with_suffix(".away")
    for times in repeats(5 if is_long else 1):
        begin(times)
        path.rename(away)
        try:
            refused("cannot be used")
            shutil.copy(away, path)
            refused("replaced")
        finally:
            away.rename(path)
        all_moves()
    note("A5", "sqlite: file unlinked, and replaced", f"{times + 1} times", "0 bytes left, recovered each time", "0")


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
    for characters in (20_000, 0):  # pages that other tests have freed first, then what is left of the last one
        with pytest.raises(LogUnavailable, match="full"):
            for number in range(1000):
                append(number, blob="x" * characters)
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
            refused(rule, blob="x" * 20_000)
        finally:
            repair()
        all_moves()
    note("A5", f"sqlite: {fault}", f"{times + 1} times", "0 bytes left, recovered each time", "0")
