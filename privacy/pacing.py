"""When a release completes: on a tick set from what was declared, whatever the data took.

How long counting and drawing noise take depends on the data. So a release, measured or failed, shows
itself only when its tick comes, and one that is not done by then has failed: that one bit is all that time
can tell. The tick is public: it follows from the declared largest number of rows, the columns and the cells.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from privacy.values import Domain, Model

NAP_SECONDS = 5.0
"""The longest wait between two signs of life to whoever holds a lease."""


@dataclass(frozen=True, slots=True)
class Pace:
    """What the slowest machine may take: at the least, for each row of each table, and for each cell."""

    base_seconds: float
    nanoseconds_per_row: float
    microseconds_per_cell: float


BY_NORM = 15
"""How many times as long a slot takes whose row is seen whole."""
CELLS_A_KEY = 5
"""How many cells of a table take as long as one key that discovery draws noise for."""


def tick(
    domain: Domain, *, rows: int, largest: int, pace: Pace, tied: Sequence[int] = (), keys: int = 0, held: int = 0,
    by_norm: int = 0,
) -> float:  # fmt: skip
    """Seconds until a release of at most ``rows`` rows completes: every column and every pair of columns.

    ``largest`` is the plan's largest table: a pair with more cells is never measured. ``tied`` holds the cells of
    every table that the plan's tied cliques are counted from. ``keys``: how many different values there may be,
    in all columns together, among which key discovery has to look. ``by_norm``: slots of rows that are seen whole.
    """
    one_way = 2 * domain.sizes  # what a plan's rounds leave may buy each column's table a second time
    one_way += (largest,) * held  # at most so many pairs once more
    sizes = [*one_way, *(left * right for left, right in combinations(domain.sizes, 2)), *tied]
    cells = sum(min(size, largest) for size in sizes) + CELLS_A_KEY * keys
    counted = (len(sizes) + (keys > 0) + BY_NORM * by_norm) * rows * pace.nanoseconds_per_row * 1e-9
    return pace.base_seconds + counted + cells * pace.microseconds_per_cell * 1e-6


LOOKUP_AS_ROWS = 100
"""How many counted rows take as long as looking one record up among others."""


def lookups(*, rows: int, times: int, pace: Pace) -> float:
    """Seconds until a check completes that looks at most ``rows`` records up so many ``times``."""
    return pace.base_seconds + rows * times * LOOKUP_AS_ROWS * pace.nanoseconds_per_row * 1e-9


class Tick:
    """Runs from the moment it is made."""

    def __init__(self, seconds: float, *, now: Callable[[], float] = time.monotonic) -> None:
        self._now, self._end = now, now() + seconds

    @property
    def overrun(self) -> bool:
        return self._now() > self._end

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """The clock stands still: what is done meanwhile takes as long as it takes."""
        since = self._now()
        try:
            yield
        finally:
            self._end += self._now() - since

    def wait(self, beat: Callable[[], object]) -> None:
        """Return when the tick comes; at once when it has passed."""
        while (left := self._end - self._now()) > 0:
            beat()
            sleep(min(left, NAP_SECONDS))


class Unhurried:
    """A model whose thinking does not count: it sees released tables alone, so its time tells nothing of the data.

    Everything the model offers is passed on, with the clock stopped while it answers.
    """

    def __init__(self, model: Model, clock: Tick) -> None:
        self._model, self._clock = model, clock

    def __getattr__(self, name: str) -> Callable[..., Any]:
        asked = getattr(self._model, name)

        def answer(*args: Any, **values: Any) -> Any:
            with self._clock.stopped():
                return asked(*args, **values)

        return answer


def sleep(seconds: float) -> None:
    time.sleep(seconds)
