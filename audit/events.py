"""What happened: the two ways to write it down. The table of actions and their facts is audit/facts.py.

``record`` belongs into the transaction that changes the state: the event and the change are kept or lost
together, and the log entry follows as soon as the transaction is committed. ``append`` writes the log
entry first, whatever becomes of the caller's transaction: for charges, intents and refusals.

No effect (mail, measuring, sending, download) may come before its entry: what acts on a recorded change
calls ``flush`` first, and stops on LogUnavailable.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from django.db import connection, transaction

from audit import bodies, canonical, fixed, log, restored
from audit import facts as fact_table
from audit.errors import LogUnavailable, UnfitEvent
from audit.models import Outbox

AT_ONCE = 200
"""Events that go into the log in one transaction."""

WAITING = 'SELECT id FROM audit_outbox WHERE "index" IS NULL LIMIT 1'

__all__ = ["LogUnavailable", "UnfitEvent", "any_pending", "append", "flush", "pending", "record"]


def record(*, action: str, by: str, subject: str, facts: Mapping[str, Any]) -> str:
    """Write an event beside a state change, in the same transaction, and return its id.

    ``by`` and ``subject`` are references such as ``user:ada`` and ``request:7``. Raises UnfitEvent, and
    LogUnavailable while the log is not whole, or knows more than this database, so that the state does not
    move when nothing can be logged.
    """
    packed = _packed(action, by, subject, facts)
    log.check_whole()
    restored.check()
    event_id = restored.RECORDED + uuid.uuid4().hex
    Outbox.objects.create(event_id=event_id, action=action, by=by, subject=subject, facts=packed)
    transaction.on_commit(flush)
    return event_id


def append(
    *,
    action: str,
    by: str,
    subject: str,
    facts: Mapping[str, Any],
    event_id: str | None = None,
    attachments: Mapping[str, bytes] | None = None,
) -> int:
    """Write the log entry now and return its index; committed even if the caller's transaction is not.

    With an ``event_id`` of the caller's choosing a repeated call returns the first entry's index.
    Attachments are kept encrypted beside the log; the entry holds their salted hashes, under their names.
    """
    told = canonical.loads(_packed(action, by, subject, {**facts, **dict.fromkeys(attachments or ())}))
    if not connection.in_atomic_block:
        flush()  # what was decided before this stands before it in the log
    kept = []
    for name, data in (attachments or {}).items():
        body, body_hash = bodies.sealed(data, kind=name)
        told[name] = {"id": body.pk, "hash": body_hash}
        kept.append(body)
    event_id = event_id or uuid.uuid4().hex
    return log.append(event_id=event_id, action=action, by=by, subject=subject, facts=told, bodies=kept)


def flush() -> int:
    """Move recorded events into the log, in order, each exactly once; return how many were waiting.

    A crash after an entry is written and before its row is marked is harmless: the id is already there.
    """
    with transaction.atomic(durable=True):  # never the uncommitted events of a transaction still open
        rows = list(Outbox.objects.filter(index=None))
    for start in range(0, len(rows), AT_ONCE):
        _append_rows(rows[start : start + AT_ONCE])
    return len(rows)


def _append_rows(rows: list[Outbox]) -> None:
    """Into the log in one transaction of its database, then marked in one of this one."""
    told = [log.Event(row.event_id, row.action, row.by, row.subject, canonical.loads(bytes(row.facts))) for row in rows]
    for row, index in zip(rows, log.append_all(told), strict=True):
        row.index = index
    Outbox.objects.bulk_update(rows, ["index"])


def pending() -> int:
    """How many recorded events are not in the log yet."""
    return Outbox.objects.filter(index=None).count()


def any_pending() -> bool:
    """Whether there are any."""
    return fixed.one(Outbox, WAITING) is not None


def _packed(action: str, by: str, subject: str, facts: Mapping[str, Any]) -> bytes:
    fact_table.check(action, facts)
    if not by or not subject:
        raise UnfitEvent(f"{action}: an event names who did it and what it is about")
    try:
        return canonical.dumps(facts)
    except canonical.CanonicalError as error:
        raise UnfitEvent(f"{action}: {error}") from error
