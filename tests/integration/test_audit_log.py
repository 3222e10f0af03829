"""The log in its database: appended once, in order, protected, and refusing when it is not whole."""

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connections, transaction
from django.utils import timezone

from audit import anchors, events, keys, livecheck, log, notes
from audit.errors import LogUnavailable, UnfitEvent
from audit.leaves import Leaf
from audit.merkle import Frontier, leaf_hash, root
from audit.models import Checkpoint, LogEntry, LogHead
from tests.append_only import triggers_lifted

in_a_transaction = pytest.mark.django_db(databases=["default", "log"])
on_disk = pytest.mark.django_db(databases=["default", "log"], transaction=True)
ABOUT = {"by": "user:ada", "subject": "request:1"}


def append(number=1, **more):
    return events.append(action="test:thing:happened", facts={"number": number}, **ABOUT, **more)


@in_a_transaction
def test_entries_are_numbered_hashed_and_read_back(site):
    assert [append(number) for number in range(5)] == [0, 1, 2, 3, 4]
    stored = list(LogEntry.objects.order_by("index"))
    assert [Leaf.from_bytes(bytes(entry.leaf)).facts["number"] for entry in stored] == list(range(5))
    assert log.root() == root([leaf_hash(bytes(entry.leaf)) for entry in stored])
    assert log.size() == 5
    assert log.entry(3).by == "user:ada"
    with pytest.raises(LogUnavailable, match="entry 9 is missing"):
        log.entry(9)


@in_a_transaction
def test_an_event_id_is_appended_once():
    assert append(1, event_id="once") == 0
    assert append(2) == 1
    assert append(3, event_id="once") == 0
    assert log.size() == 2
    assert log.find("once").facts == {"number": 1}


@in_a_transaction
def test_attachments_are_kept_beside_the_log_and_not_in_it():
    index = append(1, attachments={"tables": b"secret table"})
    kept = log.entry(index).facts["tables"]
    assert set(kept) == {"id", "hash"}
    assert b"secret" not in bytes(LogEntry.objects.get(index=index).leaf)


@on_disk
def test_an_entry_outlives_the_rollback_of_its_caller():
    with pytest.raises(RuntimeError, match="undo"), transaction.atomic():
        append(1)
        raise RuntimeError("undo")
    assert log.size() == 1


@on_disk
def test_appending_inside_a_transaction_of_the_log_itself_is_refused():
    with transaction.atomic(using="log"), pytest.raises(RuntimeError, match="durable"):
        append(1)
    assert log.size() == 0


@in_a_transaction
@pytest.mark.parametrize("facts", [{"rho": 0.5}, {"when": timezone.now()}, {"n": 2**60}, {1: "a"}])
def test_facts_without_a_canonical_form_are_refused(facts):
    with pytest.raises(UnfitEvent):
        events.append(action="test:thing:happened", facts=facts, **ABOUT)
    with pytest.raises(UnfitEvent):
        events.append(action="test:thing:happened", facts={}, by="", subject="x")
    assert log.size() == 0


# --- the database's own protection


@in_a_transaction
@pytest.mark.parametrize("table", ["audit_logentry", "audit_checkpoint"])
def test_the_database_refuses_to_change_or_delete(table):
    append(1)
    log.checkpoint()
    connection = connections["log"]
    first = "SELECT * FROM " + table
    statements = [f"DELETE FROM {table}", f"UPDATE {table} SET at = at"]
    if connection.vendor == "sqlite":
        statements.append(f"INSERT OR REPLACE INTO {table} {first}")
    else:
        statements.append(f"TRUNCATE {table}")
    for statement in statements:
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic(using="log"):
            connection.cursor().execute(statement)
    assert LogEntry.objects.count() == Checkpoint.objects.count() == 1


@in_a_transaction
def test_the_live_check_holds_for_a_clean_log_and_names_missing_triggers(capsys):
    append(1)
    log.checkpoint()
    append(2)
    assert livecheck.check().found == []
    call_command("verify_log")
    assert "HOLDS: 1 checkpoints, 2 entries" in capsys.readouterr().out
    if connections["log"].vendor == "sqlite":
        with triggers_lifted(connections["log"]):
            assert {one.check for one in livecheck.check().found} == {"triggers"}
            assert len(livecheck.check().found) == 9


def change_leaf(entry):
    leaf = bytes(entry.leaf).replace(b'"number":1', b'"number":7')
    LogEntry.objects.filter(pk=entry.pk).update(leaf=leaf)


def change_leaf_and_hash(entry):
    leaf = bytes(entry.leaf).replace(b'"number":1', b'"number":7')
    LogEntry.objects.filter(pk=entry.pk).update(leaf=leaf, leaf_hash=leaf_hash(leaf))


def rewrite_everything(entry):
    """As a superuser who recomputes all that the database holds, checkpoints included."""
    change_leaf_and_hash(entry)
    hashes = [leaf_hash(bytes(leaf)) for leaf in LogEntry.objects.values_list("leaf", flat=True)]
    tree = Frontier.of(hashes)
    LogHead.objects.update(frontier=tree.packed())
    Checkpoint.objects.all().delete()


def swap_in_another_entry(entry):
    """Bytes, hash and columns of a well-formed entry that belongs elsewhere."""
    other = LogEntry.objects.get(index=2)
    LogEntry.objects.filter(pk=2).delete()
    LogEntry.objects.filter(pk=entry.pk).update(
        leaf=bytes(other.leaf), leaf_hash=bytes(other.leaf_hash), event_id=other.event_id, at=other.at
    )


TAMPERING = {
    "bytes of an entry": (change_leaf, "its hash does not belong to its bytes"),
    "bytes that say nothing": (lambda entry: LogEntry.objects.filter(pk=entry.pk).update(leaf=b"{}"), "not an entry"),
    "entry and hash": (change_leaf_and_hash, "the head does not belong to the entries"),
    "columns": (lambda entry: LogEntry.objects.filter(pk=1).update(by="user:eve"), "the columns beside it"),
    "an entry deleted": (lambda entry: LogEntry.objects.filter(pk=0).delete(), "its number is another one"),
    "an entry moved": (swap_in_another_entry, "entries are missing at the end"),
    "head": (lambda entry: LogHead.objects.update(frontier=bytes(64)), "the head does not belong to the entries"),
    "checkpoint": (lambda entry: Checkpoint.objects.update(note=b"none"), "a note is text"),
    "everything": (rewrite_everything, "the entries do not have this root"),
}


@in_a_transaction
@pytest.mark.parametrize("how", TAMPERING)
def test_the_live_check_sees_tampering_by_the_database_owner(how, capsys):
    append(0)
    append(1)
    log.checkpoint()
    append(2)
    tamper, expected = TAMPERING[how]
    with triggers_lifted(connections["log"]):
        tamper(LogEntry.objects.get(index=1))
    with pytest.raises(CommandError, match="BROKEN") as broken:
        call_command("verify_log")
    assert expected in capsys.readouterr().err + str(broken.value)


# --- anchors


@in_a_transaction
def test_a_checkpoint_is_signed_over_the_present_root_and_lies_outside_the_database():
    assert log.checkpoint() is None
    append(1)
    signed = log.checkpoint()
    assert signed == anchors.latest() == notes.Checkpoint(keys.public().name, 1, log.root())
    assert log.checkpoint() == signed
    append(2)
    log.checkpoint()
    sizes = [notes.Checkpoint.opened(note, keys.public()).size for note in anchors.every()]
    assert sizes == [1, 2] == list(Checkpoint.objects.values_list("size", flat=True))


@in_a_transaction
def test_an_older_database_is_refused_and_told_why():
    append(1)
    append(2)
    log.checkpoint()
    with triggers_lifted(connections["log"]):
        LogEntry.objects.filter(index=1).delete()
        Checkpoint.objects.all().delete()
        tree = Frontier.of([bytes(LogEntry.objects.get(index=0).leaf_hash)])
        LogHead.objects.update(size=1, frontier=tree.packed())
    for attempt in (append, log.checkpoint, log.check_whole):
        with pytest.raises(LogUnavailable, match="holds 1 entries but its anchor vouches for 2: an older state"):
            attempt()


@in_a_transaction
def test_another_history_of_the_same_size_is_refused():
    append(1)
    log.checkpoint()
    other = notes.Checkpoint(keys.public().name, 1, bytes(32)).signed(keys.signing())
    anchors.write(1, other)
    with pytest.raises(LogUnavailable, match="different histories"):
        append(2)


@in_a_transaction
def test_entries_cut_off_at_the_end_are_refused():
    append(1)
    append(2)
    with triggers_lifted(connections["log"]):
        LogEntry.objects.filter(index=1).delete()
    with pytest.raises(LogUnavailable, match="missing at the end"):
        append(3)
