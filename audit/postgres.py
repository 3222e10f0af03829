"""The log's functions in PostgreSQL (audit/sql/append.sql), called so that one statement is one transaction."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from datetime import datetime
from typing import Any

from django.db import DatabaseError, connections, transaction

from audit import canonical
from audit.errors import LogUnavailable
from audit.notes import Checkpoint

FUNCTIONS = (
    "audit_append", "audit_append_noted", "audit_collect", "audit_withdraw", "audit_keep_checkpoint",
    "audit_erase_body",
)  # fmt: skip
"""All that an application needs to call, and may (audit/log_roles.py)."""
REFUSED = "LG001"
"""The error code of what the functions themselves refuse, naming the rule."""


def append(
    alias: str, told: Sequence[Mapping[str, Any]], moment: datetime, anchor: Checkpoint | None,
    note: tuple[int, bytes] | None = None,
) -> list[int]:  # fmt: skip
    """Append events and give their numbers; what waits for the same disk is written together.

    A signed checkpoint, with its size, is copied in the same call.
    Raises LogUnavailable where a rule refuses, DatabaseError where the server does.
    """
    ticket, text = secrets.token_hex(16), canonical.dumps(list(told)).decode()
    values = (ticket, text, moment, anchor.size if anchor else None, anchor.root if anchor else None)
    if note is None:
        indexes = _call(alias, "audit_append", *values)
    else:
        indexes = _call(alias, "audit_append_noted", *values, *note)
    if indexes is None:
        indexes = _collect(alias, values)
    if len(indexes) != len(told):
        raise LogUnavailable("the log's database did not enter what it was told")
    return [int(index) for index in indexes]


def _collect(alias: str, values: tuple[Any, ...]) -> Any:
    """Entered by whoever holds the log, or by this one once it does."""
    try:
        return _call(alias, "audit_collect", *values)
    except Exception:
        with suppress(DatabaseError, LogUnavailable):
            _call(alias, "audit_withdraw", values[0])
        raise


def keep_checkpoint(alias: str, size: int, note: bytes) -> None:
    _call(alias, "audit_keep_checkpoint", size, note)


def erase_body(alias: str, name: str) -> bool:
    """Destroy a body and its salt; whether there was one."""
    return bool(_call(alias, "audit_erase_body", name))


def _call(alias: str, function: str, *values: Any) -> Any:
    places = ", ".join(["%s"] * len(values))
    with _refusals(), _alone(alias), connections[alias].cursor() as cursor:
        cursor.execute(f"SELECT {function}({places})", values)
        return cursor.fetchone()[0]


def _alone(alias: str) -> Any:
    """One statement commits by itself; inside a transaction of a caller (a test's own) it needs a savepoint."""
    inside = connections[alias].in_atomic_block
    return transaction.atomic(using=alias, durable=True) if inside else nullcontext()


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except DatabaseError as error:
        cause: Any = error.__cause__
        if getattr(cause, "sqlstate", None) == REFUSED:
            raise LogUnavailable(cause.diag.message_primary) from error
        raise
