"""A finished fit, from which the shards of a table are drawn: each by itself, from random numbers of its own.

So a shard is the same whoever draws it, in whatever order and however often.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from privacy.values import IntArray
from synthesis.loop.fit import Fit
from synthesis.loop.scenario import Scenario, Swap

TABLE_STREAM = 1  # tables are drawn from streams of their own, so that asking twice gives the same twice
SPARE_STREAM, SPARE = 2, 20_000  # and so are the records that a what-if takes from; at least so many of them


@dataclass(frozen=True, slots=True)
class Finished:
    """A settled fit, the seed of its tables, and how many records are refined together at most."""

    fit: Fit
    seed: int
    shard_rows: int

    def sizes(self, rows: int) -> list[int]:
        """The rows of each shard of a table; ValueError for a table without rows."""
        if rows < 1:
            raise ValueError("a table needs at least one row")
        count = -(-rows // self.shard_rows)
        return [rows // count + (number < rows % count) for number in range(count)]

    def shard(self, number: int, rows: int) -> IntArray:
        """The shard of this number, from 0, of a table of so many rows: records x columns.

        A shard of several is refined less: the sampling error of a large table is small beside the noise already.
        """
        sizes = self.sizes(rows)
        rng = np.random.default_rng([self.seed, TABLE_STREAM, number])
        return self.fit.draw(sizes[number], rng, part=len(sizes) > 1)

    def change(self, number: int, shard: IntArray, scenario: Scenario) -> Swap:
        """What of this shard changes under a scenario."""
        spare, rng = self.spare(number + 1, max(len(shard), SPARE))
        return scenario.swap(shard, spare, rng)

    def spare(self, number: int, rows: int) -> tuple[IntArray, np.random.Generator]:
        """Further records, and the stream they came from; number 0 is for making a scenario."""
        rng = np.random.default_rng([self.seed, SPARE_STREAM, number])
        return self.fit.draw(rows, rng, part=True), rng
