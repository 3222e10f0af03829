"""How entries enter the log's database, and what is checked before they do.

PostgreSQL works entries out in functions of its own (audit/sql/append.sql), so that the application needs no right
to write to the tables. Elsewhere (SQLite) the same is done here, row by row, under the database's own write
lock, taken at BEGIN; triggers refuse changes. Both give the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.db import DatabaseError, connections, transaction
from django.db.models import Q
from django.utils import timezone

from audit import anchors, canonical, fixed, postgres
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


@dataclass(frozen=True, slots=True)
class Note:
    """A signed checkpoint over the log at one size, as text."""

    size: int
    text: bytes


@contextmanager
def unavailable() -> Iterator[None]:
    """What the database or the file system refuses, as LogUnavailable."""
    try:
        yield
    except DatabaseError as error:
        raise LogUnavailable(f"the log's database refused: {type(error).__name__}: {error}") from error
    except OSError as error:
        raise LogUnavailable(f"the log's files cannot be used: {error.strerror}") from error


def enter(told: Sequence[Event], note: Note | None = None) -> list[int]:
    """Enter events durably, all of them or none, each event id once; their numbers. A note is copied with them."""
    _check_file()
    if _is_postgres():
        copied = None if note is None else (note.size, note.text)
        return postgres.append(ALIAS, [_packed(event) for event in told], _second(), _anchor(), copied)
    with transaction.atomic(using=ALIAS, durable=True):
        head = whole()
        if note is not None:
            _copy(note)
        indexes = [_entered(head, event) for event in told]
        head.save()
    return indexes


HEAD = """
    SELECT id, size, frontier, (SELECT "index" FROM audit_logentry ORDER BY "index" DESC LIMIT 1) AS last
    FROM audit_loghead WHERE id = 1
"""
"""One statement, so that all of it is of one moment; as text, since every entry and every prompt asks it."""


def whole() -> LogHead:
    """The head, of a log that is whole and not behind its anchor. LogUnavailable names the rule that it breaks."""
    _check_file()
    anchor = anchors.latest()  # read first: others may append and anchor meanwhile, but never shrink the log
    head = fixed.one(LogHead, HEAD) or LogHead()
    _check_head(head, anchor)
    return head


def frontier(head: LogHead) -> Frontier:
    try:
        return Frontier.from_bytes(head.size, bytes(head.frontier))
    except ValueError as error:
        raise LogUnavailable(f"the log's head is damaged: {error}") from error


def keep_checkpoint(note: Note) -> None:
    """Keep a copy of a signed checkpoint, for exports."""
    if _is_postgres():
        postgres.keep_checkpoint(ALIAS, note.size, note.text)
    else:
        with transaction.atomic(using=ALIAS, durable=True):
            _copy(note)


def _copy(note: Note) -> None:
    """Once for each size, in the caller's transaction, which holds the log's write lock."""
    if not Checkpoint.objects.filter(size=note.size).exists():
        Checkpoint(size=note.size, note=note.text, at=timezone.now()).save(force_insert=True)


def _is_postgres() -> bool:
    return bool(connections[ALIAS].vendor == "postgresql")


def _anchor() -> SignedCheckpoint | None:
    """The newest anchor; where there is none yet, none may have been kept in the database either."""
    anchor = anchors.latest()
    if anchor is None and Checkpoint.objects.exists():
        anchor = anchors.latest()  # it may just have been made
        if anchor is None:
            raise LogUnavailable("the log was anchored, but the anchor is gone")
    return anchor


def _packed(event: Event) -> dict[str, Any]:
    return {
        "event": event.event_id, "action": event.action, "by": event.by, "subject": event.subject,
        "facts": canonical.dumps(event.facts).decode(), "untimed": event.action in UNTIMED,
        "bodies": [
            {"id": body.pk, "kind": body.kind, "key_id": body.key_id, "nonce": bytes(body.nonce).hex(),
             "salt": bytes(body.salt).hex(), "cipher": bytes(body.cipher).hex()}
            for body in event.bodies
        ],
    }  # fmt: skip


def _entered(head: LogHead, event: Event) -> int:
    """The entry's index, in the caller's transaction, which saves the head."""
    near = LogEntry.objects.filter(Q(event_id=event.event_id) | Q(index=head.size - 1))
    last = None
    for index, event_id, at in near.values_list("index", "event_id", "at"):
        if event_id == event.event_id:
            return index
        last = at
    moment = last if last is not None and event.action in UNTIMED else _now(last)
    leaf = Leaf(
        head.size, time_text(moment), event.event_id, event.action, event.by, event.subject, event.facts
    ).to_bytes()
    Body.objects.bulk_create(event.bodies)
    LogEntry.objects.create(
        index=head.size, leaf=leaf, leaf_hash=leaf_hash(leaf), event_id=event.event_id,
        action=event.action, by=event.by, subject=event.subject, at=moment,
    )  # fmt: skip
    grown = frontier(head).with_leaf(leaf_hash(leaf))
    head.size, head.frontier = grown.size, grown.packed()
    return head.size - 1


def _second() -> datetime:
    return timezone.now().replace(microsecond=0)


def _now(last: datetime | None) -> datetime:
    """The present second; never before the last entry, so that order in the log is order in time."""
    now = _second()
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
        _anchor()
    elif head.size < anchor.size:
        raise LogUnavailable(
            f"the log holds {head.size} entries but its anchor vouches for {anchor.size}: an older state was restored"
        )
    elif head.size == anchor.size and frontier(head).root() != anchor.root:
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
