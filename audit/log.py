"""The log itself: append, size, root, checkpoints. Nothing else writes entries.

Appending runs in a transaction of its own on the `log` database, never inside another one, so that no
rollback can erase evidence (audit/entering.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from audit import anchors, entering, fixed, keys
from audit.entering import ALIAS, Event, Note, frontier, unavailable
from audit.errors import LogUnavailable
from audit.leaves import Leaf
from audit.models import Body, LogEntry, LogHead
from audit.notes import Checkpoint as SignedCheckpoint

__all__ = [
    "ALIAS", "Event", "Note", "anchor", "append", "append_all", "check_whole", "checkpoint", "entry", "find", "root",
    "size",
]  # fmt: skip

ENTRY = 'SELECT "index", leaf FROM audit_logentry WHERE "index" = %s'
EVENT = 'SELECT "index", leaf FROM audit_logentry WHERE event_id = %s'


def append(
    *,
    event_id: str,
    action: str,
    by: str,
    subject: str,
    facts: Mapping[str, Any],
    bodies: Sequence[Body] = (),
    note: Note | None = None,
) -> int:
    """Append one entry and its bodies, durably, and return its index; an event id is appended once.

    ``note`` is a checkpoint from ``anchor``, copied into the database with it. Raises LogUnavailable when the entry
    might not last, or when the log is not whole.
    """
    told = Event(event_id, action, by, subject, facts, bodies)
    with unavailable():
        return entering.enter([told], note)[0]


def append_all(told: Sequence[Event]) -> list[int]:
    """Append entries in their order, all of them or none, as ``append`` does one; their indexes."""
    with unavailable():
        return entering.enter(told)


def checkpoint() -> SignedCheckpoint | None:
    """Sign the log as it stands and anchor the note outside the database; None for an empty log."""
    signed, note = anchor()
    if note is not None:
        with unavailable():
            entering.keep_checkpoint(note)
    return signed


def anchor() -> tuple[SignedCheckpoint | None, Note | None]:
    """As ``checkpoint``, but for the copy in the database; None for the note where it was anchored before.

    What can be read in the log is on the disk, so an anchor never speaks of entries that a crash takes back.
    """
    with unavailable():
        head = entering.whole()
        if head.size == 0:
            return None, None
        key = keys.signing()
        signed = SignedCheckpoint(key.name, head.size, frontier(head).root())
        if signed == anchors.latest():
            return signed, None
        note = Note(signed.size, signed.signed(key))
        anchors.write(note.size, note.text)
        return signed, note


def size() -> int:
    """How many entries the log has."""
    with unavailable():
        return int(LogHead.objects.values_list("size", flat=True).first() or 0)


def root() -> bytes:
    """The root over all entries."""
    with unavailable():
        return frontier(LogHead.objects.first() or LogHead()).root()


def entry(index: int) -> Leaf:
    """One entry, read from its exact bytes."""
    with unavailable():
        found = fixed.one(LogEntry, ENTRY, index)
    if found is None:
        raise LogUnavailable(f"entry {index} is missing")
    return Leaf.from_bytes(bytes(found.leaf))


def find(event_id: str) -> Leaf | None:
    """The entry of one event, if it is in the log."""
    with unavailable():
        found = fixed.one(LogEntry, EVENT, event_id)
    return None if found is None else Leaf.from_bytes(bytes(found.leaf))


def check_whole() -> None:
    """Refuse (LogUnavailable, naming the rule) a log that is gone, rolled back, or behind its anchor."""
    with unavailable():
        entering.whole()
