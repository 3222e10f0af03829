"""Reading the log's entries, for pages and files: filtered, newest first, in steps that stay quick in a large log.

No step counts the entries it shows, and a search for words looks through a bounded stretch of the log at a time.
Entries are in order of time, so a span of time is a span of numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connections
from django.db.models import F, Func, Min, Q, QuerySet, TextField

from audit import canonical, log, merkle
from audit.leaves import Leaf
from audit.models import Checkpoint, LogEntry
from audit.notes import Checkpoint as SignedCheckpoint

SHOWN = 50
SEARCHED = 100_000
"""Entries that one step of a search for words looks through."""
AT_ONCE = 2000
SUBJECTS = ("request", "dataset")
"""Whose ids are looked for from the first entry about them on: none before it mentions them."""


@dataclass(frozen=True, slots=True)
class Filters:
    """What to show: an action or the beginning of one, exact person and subject, words, an id, a span of time.

    ``words`` all occur somewhere in the entry, in any case; ``mentions`` is an id (of a request, a dataset) that
    the entry is about or names among its facts.
    """

    action: str = ""
    by: str = ""
    subject: str = ""
    words: tuple[str, ...] = ()
    mentions: str = ""
    since: datetime | None = None
    until: datetime | None = None
    known: tuple[str, ...] = ()
    """The actions that occur, where whoever asks has looked them up already."""

    @property
    def texts(self) -> tuple[str, ...]:
        return (*self.words, self.mentions) if self.mentions else self.words


@dataclass(frozen=True, slots=True)
class Slice:
    """Some entries, newest first. ``older`` and ``newer`` continue it, where there may be more.

    ``searched_to``: the oldest entry a search for words has looked at, where it stopped before the end.
    """

    leaves: tuple[Leaf, ...]
    older: int | None
    newer: int | None
    size: int
    searched_to: int | None

    @property
    def last(self) -> int | None:
        return self.leaves[-1].index if self.leaves else None


class _Text(Func):
    """The bytes of an entry as text, which they are."""

    output_field = TextField()

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        return self.as_sql(compiler, connection, template="convert_from(%(expressions)s, 'UTF8')", **context)

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        return self.as_sql(compiler, connection, template="CAST(%(expressions)s AS TEXT)", **context)


def step(filters: Filters = Filters(), *, before: int | None = None, after: int | None = None) -> Slice:
    """The next entries before, or after, an entry's number; the newest ones with neither.

    Numbers out of range are cut to the log. A step holds at most SHOWN entries.
    """
    size = log.size()
    low, high = _bounds(filters, size)
    low, high = max(low, 0 if after is None else after + 1), min(high, size if before is None else before)
    near, far = _stretch(filters, low, high, up=after is not None)
    found = _within(filters, near, far, size)
    shown = [leaf_of(one) for one in found.order_by("index" if after is not None else "-index")[: SHOWN + 1]]
    more, shown = len(shown) > SHOWN, shown[:SHOWN]
    if after is not None:
        return _upwards(shown[::-1], more, (far, high), size)
    return _downwards(shown, more, (low, near), size, newest=before is None)


def _stretch(filters: Filters, low: int, high: int, *, up: bool) -> tuple[int, int]:
    """The numbers one step looks at: all, or the nearest SEARCHED of them."""
    if not filters.texts:
        return low, high
    return (low, min(high, low + SEARCHED)) if up else (max(low, high - SEARCHED), high)


def _downwards(shown: list[Leaf], more: bool, ends: tuple[int, int], size: int, *, newest: bool) -> Slice:
    low, near = ends
    stopped = near if not more and near > low else None
    older = shown[-1].index if more else stopped
    return Slice(tuple(shown), older, None if newest else _top(shown, near), size, stopped)


def _top(shown: list[Leaf], near: int) -> int:
    return shown[0].index if shown else near


def _upwards(shown: list[Leaf], more: bool, ends: tuple[int, int], size: int) -> Slice:
    far, high = ends
    newer = shown[0].index if more else far - 1 if far < high else None
    return Slice(tuple(shown), shown[-1].index if shown else far, newer, size, None)


def every(filters: Filters, *, size: int) -> Iterator[LogEntry]:
    """Everything that fits among the first ``size`` entries, oldest first, read in stretches."""
    low, high = _bounds(filters, size)
    for start in range(low, high, SEARCHED):
        found = _within(filters, start, min(high, start + SEARCHED), high + 1)
        yield from found.order_by("index").iterator(chunk_size=AT_ONCE)


def leaf_of(entry: LogEntry) -> Leaf:
    """The entry as it was signed, read from its bytes and not from the columns beside it."""
    return Leaf.from_bytes(bytes(entry.leaf))


def actions() -> list[str]:
    """The actions that occur in the log; one look at the index for each, however large the log is."""
    query = """
        WITH RECURSIVE found(action) AS (
            SELECT min(action) FROM audit_logentry
            UNION ALL
            SELECT (SELECT min(action) FROM audit_logentry WHERE action > found.action)
            FROM found WHERE found.action IS NOT NULL
        ) SELECT action FROM found WHERE action IS NOT NULL ORDER BY action"""
    with connections[log.ALIAS].cursor() as cursor:
        cursor.execute(query)
        return [action for (action,) in cursor.fetchall()]


def newest_by(people: list[str]) -> dict[str, int]:
    """The number of the newest entry of each of these people who ever left one."""
    if not people:
        return {}
    named = ", ".join(["(%s)"] * len(people))
    query = f"""SELECT column1, (SELECT max("index") FROM audit_logentry WHERE "by" = column1)
        FROM (VALUES {named}) AS people"""  # noqa: S608  # nosec B608  # placeholders, not values
    with connections[log.ALIAS].cursor() as cursor:
        cursor.execute(query, people)
        return {by: index for by, index in cursor.fetchall() if index is not None}


def about(subject: str) -> list[Leaf]:
    """Everything that happened to one subject (``request:7``), oldest first."""
    return [leaf_of(found) for found in LogEntry.objects.filter(subject=subject).order_by("index")]


def newest_checkpoint() -> Checkpoint | None:
    return Checkpoint.objects.order_by("-size").first()


@dataclass(frozen=True, slots=True)
class Inclusion:
    """Why an entry belongs to the tree of a signed checkpoint; ``holds`` is worked out, not stored."""

    checkpoint: SignedCheckpoint
    note: bytes
    path: tuple[bytes, ...]
    holds: bool


def inclusion(entry: LogEntry, checkpoint: Checkpoint, signed: SignedCheckpoint) -> Inclusion:
    """The proof that this entry's bytes are under the root that ``checkpoint`` signs."""
    found = LogEntry.objects.filter(index__lt=signed.size).order_by("index").values_list("leaf_hash", flat=True)
    hashes = [bytes(one) for one in found.iterator(chunk_size=10_000)]
    path = merkle.inclusion_proof(hashes, entry.index) if entry.index < len(hashes) else []
    own = merkle.leaf_hash(bytes(entry.leaf))
    holds = merkle.verify_inclusion(own, entry.index, signed.size, path, signed.root)
    return Inclusion(signed, bytes(checkpoint.note), tuple(path), holds)


def _within(filters: Filters, low: int, high: int, size: int) -> QuerySet[LogEntry]:
    found = LogEntry.objects.all()
    if low > 0:
        found = found.filter(index__gte=low)
    if high < size:  # a bound that bounds nothing would lead a database away from the index it should take
        found = found.filter(index__lt=high)
    if filters.action:
        meant = _meant(filters)
        found = found.filter(action=meant[0]) if len(meant) == 1 else found.filter(action__in=meant)
    if filters.by:
        found = found.filter(by=filters.by)
    if filters.subject:
        found = found.filter(subject=filters.subject)
    for number, text in enumerate(filters.texts):
        quoted = canonical.dumps(text).decode()[1:-1]
        found = found.alias(**{f"text{number}": _Text(F("leaf"))}).filter(**{f"text{number}__icontains": quoted})
    return found


def _meant(filters: Filters) -> list[str]:
    """The actions that occur and are this one, or begin with it and a colon."""
    action, known = filters.action, filters.known or actions()
    return [name for name in known if name == action or name.startswith(f"{action}:")]


def _bounds(filters: Filters, size: int) -> tuple[int, int]:
    """The numbers [low, high) that the span of time and the first entry about an id leave."""
    low, high = 0, size
    if filters.since:
        low = _first(Q(at__gte=filters.since), size)
    if filters.until:
        high = _first(Q(at__gt=filters.until), size)
    if filters.mentions:
        subjects = [f"{kind}:{filters.mentions}" for kind in SUBJECTS]
        first = LogEntry.objects.filter(subject__in=subjects).aggregate(first=Min("index"))["first"]
        low = max(low, first or 0)
    return low, high


def _first(condition: Q, size: int) -> int:
    found = LogEntry.objects.filter(condition).order_by("at", "index").values_list("index", flat=True).first()
    return size if found is None else int(found)
