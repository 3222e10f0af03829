"""Messages to workers. The row is the queue: a message only says which row to look at, and a lost one costs time alone.

The sweeper says it again of what waits, every half minute, so an old message is worth nothing. Without an end to them
they would pile up while no worker is there, or none has time, and all new work would wait behind them.
"""

from __future__ import annotations

import logging
from typing import TypeVar

from celery import current_app
from django.db.models import Model, QuerySet
from kombu.exceptions import OperationalError

log = logging.getLogger(__name__)
WORTH_SECONDS = 300
"""A worker that finds a message later drops it unread; far more than clocks may differ."""
MOST = 64
"""Rows of one kind that a sweep says again: more than workers begin until the next."""

Row = TypeVar("Row", bound=Model)


def some(waiting: QuerySet[Row]) -> list[Row]:
    """The first of the waiting rows, in their order, and as many of the others at random.

    Rows that cannot go on yet, those of a paused endpoint say, must not keep all the others unsaid.
    """
    first = list(waiting[: MOST // 2])
    others = waiting.exclude(pk__in=[row.pk for row in first]).order_by("?")
    return first + list(others[: MOST // 2])


def tell(task: str, key: object) -> None:
    """Tell the workers of this task to look at the row with this key, a number or what is written as a text."""
    told = key if isinstance(key, int) else str(key)
    try:
        current_app.send_task(task, args=[told], retry=False, expires=WORTH_SECONDS)
    except (OSError, OperationalError) as problem:
        log.warning("no message could be sent: %s", type(problem).__name__)
