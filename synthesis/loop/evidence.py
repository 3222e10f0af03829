"""One released table of several columns, as the pool sees it: its counts, its tilt, the model's own table.

A cell's tilt theta multiplies the weight of every record in that cell by exp(theta). At the optimum of soft
maximum entropy theta = (y - N mu) / (a sigma^2): the tilt is the discrepancy in units of noise. The strength
a follows the discrepancy principle: it falls while the mean squared residual is above sigma^2 and rises
below it, so that the table is explained to within its noise and no further.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from privacy.values import IntArray, NoisyMarginal

FloatArray = NDArray[np.float64]

STRENGTH = (0.3, 3.0)  # first and largest a
WEAKEST = 0.01  # smallest a; less where noise is large, so that a full tilt costs at most one sigma
GAIN_FLOOR = 0.1
LARGEST_STEP = 0.5


class Evidence:
    """A table over ``columns`` (indices), each seen through a map pool bin -> table bin of ``maps``."""

    def __init__(self, marginal: NoisyMarginal, columns: Sequence[int], maps: Sequence[IntArray]) -> None:
        self.marginal, self.columns = marginal, tuple(columns)
        self.maps = tuple(np.asarray(m, np.int32) for m in maps)
        self.target = marginal.counts.astype(float)
        self.sigma, self.shape = float(marginal.sigma), marginal.counts.shape
        self.tilt, self.expected = np.zeros(self.shape), np.zeros(self.shape)
        self.averaged = np.zeros(self.shape)  # sum of expected tables while settling
        self.strength, self.gain, self.chi, self.best = STRENGTH[0], 1.0, np.inf, np.inf
        self._orders = tuple(np.argsort(m, kind="stable") for m in self.maps)
        self._starts = tuple(
            np.searchsorted(m[o], np.arange(k)) for m, o, k in zip(self.maps, self._orders, self.shape, strict=True)
        )

    @property
    def cells(self) -> int:
        return int(self.target.size)

    def key(self, codes: NDArray[np.int32], *, without: int | None = None) -> NDArray[np.int32]:
        """Flat cell of each record of ``codes`` (columns x records), or its cell of the other columns."""
        key = np.zeros(codes.shape[1], np.int32)
        for column, view, size in zip(self.columns, self.maps, self.shape, strict=True):
            if column != without:
                key *= size
                key += view.take(codes[column])
        return key

    def count(self, codes: NDArray[np.int32]) -> FloatArray:
        """The records' own table, as floats of the table's shape."""
        return np.bincount(self.key(codes), minlength=self.cells).astype(float).reshape(self.shape)

    def rows(self, column: int) -> int:
        """Cells of the other columns."""
        return self.cells // int(self.shape[self.columns.index(column)])

    def unfold(self, table: FloatArray, column: int) -> FloatArray:
        """Table -> (cells of the other columns) x (pool bins of ``column``)."""
        place = self.columns.index(column)
        flat = np.moveaxis(table, place, -1).reshape(-1, self.shape[place])
        return np.asarray(flat[:, self.maps[place]])

    def fold(self, rows: FloatArray, column: int) -> FloatArray:
        """The inverse of ``unfold`` for counts: pool bins that share a table bin are added up."""
        place = self.columns.index(column)
        folded = np.add.reduceat(rows[:, self._orders[place]], self._starts[place], axis=1)
        others = [size for at, size in enumerate(self.shape) if at != place]
        return np.moveaxis(folded.reshape([*others, self.shape[place]]), -1, place)

    def learn(self, expected: FloatArray, step: float, busiest: int) -> None:
        """One damped Newton step of the tilt towards the expected table's residual.

        ``busiest`` is the largest number of tables that share one of this table's columns: all of them
        move at once, so each moves that much less. A table whose residual grows loses gain, and regains it.
        """
        residual, variance = self.target - expected, self.sigma**2
        self.expected, self.chi = expected, float((residual**2).mean() / variance)
        worse = self.chi > 1.5 * self.best and self.chi > 1.3
        self.gain = max(0.8 * self.gain, GAIN_FLOOR) if worse else min(1.1 * self.gain, 1.0)
        self.best = min(self.best, self.chi)
        moved = self.strength * float(np.clip(self.chi, 0.5, 2)) ** -0.1
        self.strength = min(max(moved, min(WEAKEST, 1 / self.sigma)), STRENGTH[1])
        damping = self.strength * variance
        newton = (residual - damping * self.tilt) / (np.maximum(expected, 1) + damping)
        rate = step * self.gain * 4 / len(self.columns) / (busiest + 1)
        self.tilt += np.clip(rate * newton, -LARGEST_STEP, LARGEST_STEP)
