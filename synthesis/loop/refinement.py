"""From a sample to the table: moves that bring the records' own counts to the model's expected tables.

Records drawn independently miss their expected counts by the square root of these counts. Each move proposes
a new value for one column of one record from the model's own conditional, and stays if it lowers
sum_c (count - target)^2 / (target + 1) over all tables. The result stays a draw of the model, with less noise.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from synthesis.loop.pool import Pool
from synthesis.loop.sampling import Codes, Weights, draw

FloatArray = NDArray[np.float64]

BATCHES = 60  # a column's records move in batches, so that counts are fresh
ACCEPT = 0.5  # share of good moves taken: two records of a batch may fill the same gap


class Refiner:
    """Improves ``codes`` (columns x records) in place, towards the pool's averaged expected tables."""

    def __init__(self, pool: Pool, codes: Codes, rng: np.random.Generator) -> None:
        self.pool, self.codes, self.rng = pool, codes, rng
        self.kinds = pool.prior.kinds(codes, rng)
        records = codes.shape[1]
        self.own_targets = [_scaled(average, records) for average in pool.averaged]
        self.own_counts = [_count(values, len(t)) for values, t in zip(codes, self.own_targets, strict=True)]
        tables = [*pool.tables, *pool.watched]
        self.touching = [[*known, *watched] for known, watched in zip(pool.touching, pool.watching, strict=True)]
        self.targets = {id(table): _scaled(table.averaged, records) for table in tables}
        self.counts = {id(table): table.count(codes) for table in tables}

    def run(self, passes: int) -> Codes:
        for _ in range(passes):
            self.kinds = self.pool.prior.kinds(self.codes, self.rng)
            for column in self.rng.permutation(len(self.codes)).tolist():
                order, tilts = self.rng.permutation(self.codes.shape[1]), self.pool.tilted(column)
                for batch in np.array_split(order, min(BATCHES, len(order))):
                    self._move(column, batch, tilts)
        return self.codes

    def discrepancy(self) -> float:
        """What the moves lower: sum of (count - target)^2 / (target + 1) over all tables, one-way included."""
        pairs = list(zip(self.own_counts, self.own_targets, strict=True))
        pairs += [(self.counts[key], self.targets[key]) for key in self.targets]
        return float(sum(((count - target) ** 2 / (target + 1)).sum() for count, target in pairs))

    def _move(self, column: int, batch: NDArray[np.int64], tilts: Weights) -> None:
        pool, codes = self.pool, self.codes[:, batch]
        index = pool.index(column, codes)
        drawn, _ = draw(pool.logits(column, self.kinds[batch], codes, index, tilts), self.rng)
        gain = self._change(column, codes, drawn)
        go = (drawn != codes[column]) & (gain < 0) & (self.rng.random(len(batch)) < ACCEPT)
        self._apply(column, batch[go], codes[:, go], drawn[go])

    def _change(self, column: int, codes: Codes, new: Codes) -> FloatArray:
        """Change of the objective, were each record alone to go from its old value to its new one."""
        own = self.own_counts[column], self.own_targets[column]
        change = _price(*own, new, 1) + _price(*own, codes[column], -1)
        moved = codes.copy()
        moved[column] = new
        for table in self.touching[column]:
            known = self.counts[id(table)].ravel(), self.targets[id(table)].ravel()
            change += _price(*known, table.key(moved), 1) + _price(*known, table.key(codes), -1)
        return change

    def _apply(self, column: int, batch: NDArray[np.int64], codes: Codes, new: Codes) -> None:
        for table in self.touching[column]:
            self.counts[id(table)] -= table.count(codes)
        self.own_counts[column] -= _count(codes[column], len(self.own_targets[column]))
        codes[column] = new
        self.codes[column, batch] = new
        self.own_counts[column] += _count(new, len(self.own_targets[column]))
        for table in self.touching[column]:
            self.counts[id(table)] += table.count(codes)


def _price(count: FloatArray, target: FloatArray, cells: NDArray[np.int32], more: int) -> FloatArray:
    """Cost of one more record in each of ``cells`` (``more`` = 1), or of one fewer (-1)."""
    wanted = target[cells]
    return np.asarray((1 + 2 * more * (count[cells] - wanted)) / (wanted + 1))


def _count(values: Codes, size: int) -> FloatArray:
    return np.bincount(values, minlength=size).astype(float)


def _scaled(average: FloatArray, records: int) -> FloatArray:
    """An averaged expected table, scaled to this many records."""
    return average * (records / max(float(average.sum()), 1e-9))
