"""One released table of several columns, as the pool sees it: its counts, its tilt, the model's own table.

A cell's tilt theta multiplies the weight of every record in that cell by exp(theta). At the optimum of soft
maximum entropy theta = (y - N mu) / (a sigma^2): the tilt is the discrepancy in units of noise. The strength
a follows the discrepancy principle: it falls while the mean squared residual is above what noise leaves of
sigma^2 once some of it was fitted, and rises below it, so that the table is explained to within its noise and
no further.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from privacy.values import IntArray, NoisyMarginal
from synthesis.loop.cells import Table

FloatArray = NDArray[np.float64]

STRENGTH = (0.3, 3.0)  # first and largest a
WEAKEST = 0.01  # smallest a; less where noise is large, so that a full tilt costs at most one sigma
LEFT = 0.85  # mean squared residual wanted, in units of noise: a fit that learns anything follows some of the noise
SAMPLING = 0.3  # share of the pool's sampling variance that is left in tables averaged over conditionals
GAIN_FLOOR = 0.1
LARGEST_STEP = 0.5


class Evidence(Table):
    """A released table over ``columns`` (indices), each seen through a map pool bin -> table bin of ``maps``."""

    def __init__(self, marginal: NoisyMarginal, columns: Sequence[int], maps: Sequence[IntArray]) -> None:
        super().__init__(columns, maps, marginal.counts.shape)
        self.marginal, self.sigma = marginal, float(marginal.sigma)
        self.target = marginal.counts.astype(float)
        self.tilt, self.expected = np.zeros(self.shape), np.zeros(self.shape)
        self.strength, self.gain, self.chi, self.best = STRENGTH[0], 1.0, np.inf, np.inf
        self.pull = np.inf  # root mean square, in units of noise, of what still moves the tilt

    def learn(self, expected: FloatArray, step: float, busiest: int, *, scale: float) -> None:
        """One damped Newton step of the tilt towards the expected table's residual.

        The pool is a sample, each of its records standing for ``scale``; what that adds to a cell's variance
        counts as noise, or a pool much smaller than the data would chase its own.
        ``busiest`` is the largest number of tables that share one of this table's columns: all of them
        move at once, so each moves that much less. A table whose residual grows loses gain, and regains it.
        """
        residual = self.target - expected
        variance = self.sigma**2 + SAMPLING * scale * np.maximum(expected, np.maximum(self.target, 0))
        self.expected, self.chi = expected, float((residual**2 / variance).mean())
        worse = self.chi > 1.5 * self.best and self.chi > 1.3
        self.gain = max(0.8 * self.gain, GAIN_FLOOR) if worse else min(1.1 * self.gain, 1.0)
        self.best = min(self.best, self.chi)
        moved = self.strength * float(np.clip(self.chi / LEFT, 0.5, 2)) ** -0.1
        self.strength = min(max(moved, min(WEAKEST, 1 / self.sigma)), STRENGTH[1])
        damping = self.strength * variance
        gap = residual - damping * self.tilt
        self.pull = float(np.sqrt((gap**2 / variance).mean()))
        newton = gap / (np.maximum(expected, 1) + damping)
        rate = step * self.gain * 4 / len(self.columns) / (busiest + 1)
        self.tilt += np.clip(rate * newton, -LARGEST_STEP, LARGEST_STEP)
