"""What can happen to the log's files, keys and clock: each stops it, nothing is written, and repair starts it again."""

import shutil
import sqlite3
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connections
from django.utils import timezone

from audit import events, log
from audit.errors import LogUnavailable
from audit.models import Outbox

in_a_transaction = pytest.mark.django_db(databases=["default", "log"])
on_disk = pytest.mark.django_db(databases=["default", "log"], transaction=True)
ABOUT = {"by": "user:ada", "subject": "request:1"}


def append(number=1):
    return events.append(action="test:thing:happened", facts={"number": number}, **ABOUT)


def lose_anchor(site):
    shutil.move(site / "anchors", site / "away")
    return lambda: shutil.move(site / "away", site / "anchors")


def forge_anchor(site):
    path = site / "anchors" / "latest.note"
    note = path.read_bytes()
    path.write_bytes(note.replace(b"\n1\n", b"\n0\n"))
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


@in_a_transaction
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_stops_the_log_and_its_repair_starts_it_again(site, fault):
    append(1)
    log.checkpoint()
    cause, rule = FAULTS[fault]
    repair = cause(site)
    for attempt in (append, log.checkpoint, lambda: events.record(action="test:a:b", facts={}, **ABOUT)):
        with pytest.raises(LogUnavailable, match=rule):
            attempt()
    assert (log.size(), Outbox.objects.count()) == (1, 0)
    repair()
    assert append(2) == 1


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


@on_disk
@sqlite_only
def test_a_read_only_database_stops_the_log():
    append(1)
    cursor = connections["log"].cursor()
    cursor.execute("PRAGMA query_only = ON")
    try:
        with pytest.raises(LogUnavailable, match="refused"):
            append(2)
    finally:
        cursor.execute("PRAGMA query_only = OFF")
    assert append(3) == 1


@on_disk
@sqlite_only
def test_a_held_lock_stops_the_log():
    append(1)
    connection = connections["log"]
    connection.cursor().execute("PRAGMA busy_timeout = 100")
    other = sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        with pytest.raises(LogUnavailable, match="locked"):
            append(2)
    finally:
        other.rollback()
        other.close()
        connection.close()
    assert append(3) == 1
