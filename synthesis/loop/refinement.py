"""From a sample to the table: moves that bring the records' own counts to the model's expected tables.

Records drawn independently miss their expected counts by the square root of these counts. Each move proposes
a new value for one column of one record from the model's own conditional, and stays if it lowers
sum_c (count - target)^2 / (target + 1) over all tables. The result stays a draw of the model, with less noise.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from synthesis.loop.pool import Pool
from synthesis.loop.sampling import Codes, draw

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
        self.targets = {id(table): _scaled(table.averaged, records) for table in pool.tables}
        self.counts = {id(table): table.count(codes) for table in pool.tables}

    def run(self, passes: int) -> Codes:
        for _ in range(passes):
            self.kinds = self.pool.prior.kinds(self.codes, self.rng)
            for column in self.rng.permutation(len(self.codes)).tolist():
                order = self.rng.permutation(self.codes.shape[1])
                for batch in np.array_split(order, min(BATCHES, len(order))):
                    self._move(column, batch)
        return self.codes

    def discrepancy(self) -> float:
        """What the moves lower: sum of (count - target)^2 / (target + 1) over all tables, one-way included."""
        pairs = list(zip(self.own_counts, self.own_targets, strict=True))
        pairs += [(self.counts[key], self.targets[key]) for key in self.targets]
        return float(sum(((count - target) ** 2 / (target + 1)).sum() for count, target in pairs))

    def _move(self, column: int, batch: NDArray[np.int64]) -> None:
        pool, codes = self.pool, self.codes[:, batch]
        drawn, _ = draw(pool.logits(column, self.kinds[batch], codes), self.rng)
        gain = self._change(column, codes[column], drawn, pool.index(column, codes))
        go = (drawn != codes[column]) & (gain < 0) & (self.rng.random(len(batch)) < ACCEPT)
        self._apply(column, batch[go], codes[:, go], drawn[go])

    def _change(self, column: int, old: Codes, new: Codes, index: sp.csr_matrix | None) -> FloatArray:
        """Change of the objective, were each record alone to go from its old value to its new one."""
        enter, leave = _prices(self.own_counts[column], self.own_targets[column])
        change = enter[new] + leave[old]
        if index is None:
            return change
        tables = self.pool.touching[column]
        prices = [_prices(self.counts[id(table)], self.targets[id(table)]) for table in tables]
        rows = np.arange(len(old))
        change += (index @ self.pool.stack(column, [p[0] for p in prices]))[rows, new]
        change += (index @ self.pool.stack(column, [p[1] for p in prices]))[rows, old]
        return change

    def _apply(self, column: int, batch: NDArray[np.int64], codes: Codes, new: Codes) -> None:
        for table in self.pool.touching[column]:
            self.counts[id(table)] -= table.count(codes)
        self.own_counts[column] -= _count(codes[column], len(self.own_targets[column]))
        codes[column] = new
        self.codes[column, batch] = new
        self.own_counts[column] += _count(new, len(self.own_targets[column]))
        for table in self.pool.touching[column]:
            self.counts[id(table)] += table.count(codes)


def _prices(count: FloatArray, target: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Cost of one more record in each cell, and of one fewer."""
    gap, weight = count - target, 1 / (target + 1)
    return (2 * gap + 1) * weight, (1 - 2 * gap) * weight


def _count(values: Codes, size: int) -> FloatArray:
    return np.bincount(values, minlength=size).astype(float)


def _scaled(average: FloatArray, records: int) -> FloatArray:
    """An averaged expected table, scaled to this many records."""
    return average * (records / max(float(average.sum()), 1e-9))
