"""The log itself: append, size, root, checkpoints. The only file that writes entries.

Appending runs in a transaction of its own on the `log` database, never inside another one, so that no
rollback can erase evidence. One row, the head, is locked for the time of an append; on SQLite the
database's own write lock, taken at BEGIN, does the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.db import DatabaseError, connections, transaction
from django.db.models import QuerySet, Subquery
from django.utils import timezone

from audit import anchors, keys
from audit.errors import LogUnavailable
from audit.facts import UNTIMED
from audit.leaves import Leaf, time_text
from audit.merkle import Frontier, leaf_hash
from audit.models import Body, Checkpoint, LogEntry, LogHead
from audit.notes import Checkpoint as SignedCheckpoint

ALIAS = "log"
CLOCK_TOLERANCE = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Event:
    """What one entry tells; ``bodies`` are kept beside it."""

    event_id: str
    action: str
    by: str
    subject: str
    facts: Mapping[str, Any]
    bodies: Sequence[Body] = ()


def append(
    *,
    event_id: str,
    action: str,
    by: str,
    subject: str,
    facts: Mapping[str, Any],
    bodies: Sequence[Body] = (),
) -> int:
    """Append one entry and its bodies, durably, and return its index; an event id is appended once.

    Raises LogUnavailable when the entry might not last, or when the log is not whole.
    """
    return append_all([Event(event_id, action, by, subject, facts, bodies)])[0]


def append_all(told: Sequence[Event]) -> list[int]:
    """Append entries in their order, all of them or none, as ``append`` does one; their indexes."""
    with _writing() as head:
        indexes = [_entered(head, event) for event in told]
        head.save(update_fields=["size", "frontier"])
    return indexes


def _entered(head: LogHead, event: Event) -> int:
    """The entry's index, in the caller's transaction, which saves the head."""
    known = LogEntry.objects.filter(event_id=event.event_id).values_list("index", flat=True).first()
    if known is not None:
        return int(known)
    last = _last(head)
    moment = last if last is not None and event.action in UNTIMED else _now(last)
    leaf = Leaf(
        head.size, time_text(moment), event.event_id, event.action, event.by, event.subject, event.facts
    ).to_bytes()
    Body.objects.bulk_create(event.bodies)
    LogEntry.objects.create(
        index=head.size, leaf=leaf, leaf_hash=leaf_hash(leaf), event_id=event.event_id,
        action=event.action, by=event.by, subject=event.subject, at=moment,
    )  # fmt: skip
    grown = _frontier(head).with_leaf(leaf_hash(leaf))
    head.size, head.frontier = grown.size, grown.packed()
    return head.size - 1


def checkpoint() -> SignedCheckpoint | None:
    """Sign the log as it stands and anchor the note outside the database; None for an empty log."""
    with _writing() as head:
        if head.size == 0:
            return None
        key = keys.signing()
        signed = SignedCheckpoint(key.name, head.size, _frontier(head).root())
        note = signed.signed(key)
        if not Checkpoint.objects.filter(size=head.size).exists():
            Checkpoint.objects.create(size=head.size, note=note, at=timezone.now())
        anchors.write(head.size, note)
        return signed


def size() -> int:
    """How many entries the log has."""
    with _unavailable():
        return int(LogHead.objects.values_list("size", flat=True).first() or 0)


def root() -> bytes:
    """The root over all entries."""
    with _unavailable():
        return _frontier(LogHead.objects.first() or LogHead()).root()


def entry(index: int) -> Leaf:
    """One entry, read from its exact bytes."""
    with _unavailable():
        found = LogEntry.objects.filter(index=index).values_list("leaf", flat=True).first()
    if found is None:
        raise LogUnavailable(f"entry {index} is missing")
    return Leaf.from_bytes(bytes(found))


def find(event_id: str) -> Leaf | None:
    """The entry of one event, if it is in the log."""
    with _unavailable():
        found = LogEntry.objects.filter(event_id=event_id).values_list("leaf", flat=True).first()
    return None if found is None else Leaf.from_bytes(bytes(found))


def check_whole() -> None:
    """Refuse (LogUnavailable, naming the rule) a log that is gone, rolled back, or behind its anchor."""
    with _unavailable():
        _check_file()
        anchor = anchors.latest()  # read first: others may append and anchor meanwhile, but never shrink the log
        _check_head(_heads().first() or LogHead(), anchor)


@contextmanager
def _writing() -> Iterator[LogHead]:
    with _unavailable(), transaction.atomic(using=ALIAS, durable=True):
        _check_file()
        head = _locked_head()
        _check_head(head, anchors.latest())
        yield head


@contextmanager
def _unavailable() -> Iterator[None]:
    try:
        yield
    except DatabaseError as error:
        raise LogUnavailable(f"the log's database refused: {type(error).__name__}: {error}") from error
    except OSError as error:
        raise LogUnavailable(f"the log's files cannot be used: {error.strerror}") from error


def _locked_head() -> LogHead:
    connection = connections[ALIAS]
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:  # whatever the server's default: an entry returned is on disk
            cursor.execute("SET LOCAL synchronous_commit TO on")
    if LogHead.objects.select_for_update().first() is None:
        LogHead.objects.bulk_create([LogHead()], ignore_conflicts=True)
        LogHead.objects.select_for_update().get()
    return _heads().get()  # read again now that it is locked, together with the last entry


def _heads() -> QuerySet[LogHead]:
    """The head and the number of the last entry, in one statement, so that they are of one moment."""
    last = LogEntry.objects.order_by("-index").values("index")[:1]
    return LogHead.objects.annotate(last=Subquery(last))


def _frontier(head: LogHead) -> Frontier:
    try:
        return Frontier.from_bytes(head.size, bytes(head.frontier))
    except ValueError as error:
        raise LogUnavailable(f"the log's head is damaged: {error}") from error


def _last(head: LogHead) -> datetime | None:
    return LogEntry.objects.filter(index=head.size - 1).values_list("at", flat=True).first()


def _now(last: datetime | None) -> datetime:
    """The present second; never before the last entry, so that order in the log is order in time."""
    now: datetime = timezone.now().replace(microsecond=0)
    if last is None or now >= last:
        return now
    if last - now > CLOCK_TOLERANCE:
        raise LogUnavailable("the clock stands before the last entry of the log")
    return last


def _check_head(head: LogHead, anchor: SignedCheckpoint | None) -> None:
    last = getattr(head, "last", None)
    if head.size != (0 if last is None else last + 1):
        raise LogUnavailable("entries are missing at the end of the log")
    if anchor is None:
        if Checkpoint.objects.exists() and anchors.latest() is None:
            raise LogUnavailable("the log was anchored, but the anchor is gone")
    elif head.size < anchor.size:
        raise LogUnavailable(
            f"the log holds {head.size} entries but its anchor vouches for {anchor.size}: an older state was restored"
        )
    elif head.size == anchor.size and _frontier(head).root() != anchor.root:
        raise LogUnavailable("the log and its anchor tell different histories")


def remember_file(sender: object, connection: Any, **_: object) -> None:
    """Note which file a new SQLite connection opened (a signal receiver)."""
    if connection.alias == ALIAS and connection.vendor == "sqlite" and not connection.is_in_memory_db():
        connection.log_file = _identity(connection)


def _check_file() -> None:
    # An unlinked SQLite file still accepts writes, and loses them with the last process that has it open.
    connection = connections[ALIAS]
    connection.ensure_connection()
    opened = getattr(connection, "log_file", None)
    if opened is not None and opened != _identity(connection):
        raise LogUnavailable("the log's database file was replaced while it was open")


def _identity(connection: Any) -> tuple[int, int]:
    found = Path(connection.settings_dict["NAME"]).stat()
    return found.st_dev, found.st_ino
