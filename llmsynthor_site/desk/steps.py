"""Long lists in steps: by the last row seen and never by a count, so that the last step is as quick as the first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

SHOWN = 50


@dataclass(frozen=True, slots=True)
class Step:
    """Some rows, newest first; ``older`` and ``newer`` are the keys with which the list goes on."""

    rows: list[Any]
    older: int | None
    newer: int | None


def step(found: QuerySet[Any], *, before: int | None, after: int | None, shown: int = SHOWN) -> Step:
    """The rows before, or after, a primary key; the newest ones with neither."""
    if after is not None:
        rows = list(found.filter(pk__gt=after).order_by("pk")[: shown + 1])
        more, rows = len(rows) > shown, rows[:shown][::-1]
        return Step(rows, rows[-1].pk if rows else after + 1, rows[0].pk if more else None)
    found = found if before is None else found.filter(pk__lt=before)
    rows = list(found.order_by("-pk")[: shown + 1])
    more, rows = len(rows) > shown, rows[:shown]
    newer = None if before is None else rows[0].pk if rows else before - 1
    return Step(rows, rows[-1].pk if more else None, newer)
