"""How the pool sees every column: which codes share a bin, and how a bin's records spread over its codes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from privacy.values import Axis, Domain, HardRule, IntArray, NoisyMarginal
from synthesis.loop import views
from synthesis.loop.denoising import Estimate, FloatArray


class Binning:
    """Per column a map code -> bin: the finest level of its one-way estimate, cut further wherever a
    released table or a hard rule (both in ``tables``) sees more. Within a bin, codes follow the one-way estimate.
    """

    def __init__(
        self,
        domain: Domain,
        estimates: list[Estimate],
        tables: Sequence[NoisyMarginal | HardRule],
        *,
        level: int,
    ) -> None:
        self.domain, self.level = domain, level
        self.masses = [estimate.mass for estimate in estimates]
        self.spreads = [estimate.sd for estimate in estimates]
        self._beliefs: dict[Axis, tuple[FloatArray, FloatArray]] = {}
        self.bins = [views.cut(mass, level) for mass in self.masses]
        for axis in [axis for table in tables for axis in table.clique.axes]:
            place = self.place(axis)
            self.bins[place] = views.join(self.bins[place], self._view(axis))
        self.estimates = [
            Estimate(np.bincount(bins, each.mean).astype(float), np.sqrt(np.bincount(bins, each.sd**2)))
            for each, bins in zip(estimates, self.bins, strict=True)
        ]
        self._maps: dict[Axis, IntArray | None] = {}

    def place(self, axis: Axis) -> int:
        return self.domain.index(axis.column)

    def map(self, axis: Axis) -> IntArray | None:
        """Pool bin -> bin of the axis; None where the axis tells codes apart that share a pool bin."""
        if axis not in self._maps:
            fine, view = self.bins[self.place(axis)], self._view(axis)
            self._maps[axis] = views.through(fine, view) if views.refines(fine, view) else None
        return self._maps[axis]

    def shares(self, axis: Axis) -> FloatArray:
        """Pool bins x bins of the axis: where the records of each pool bin belong; rows add up to 1."""
        place = self.place(axis)
        shares = np.zeros((self.size(place), axis.size(self.domain)))
        np.add.at(shares, (self.bins[place], self._view(axis)), self.masses[place])
        return np.asarray(shares / shares.sum(axis=1, keepdims=True))

    def belief(self, axis: Axis) -> tuple[FloatArray, FloatArray]:
        """Share of the records in each bin of the axis, and its standard deviation in records."""
        if axis not in self._beliefs:
            place, view = self.place(axis), self._view(axis)
            spread = np.sqrt(np.bincount(view, self.spreads[place] ** 2))
            self._beliefs[axis] = (np.bincount(view, self.masses[place]).astype(float), spread)
        return self._beliefs[axis]

    def size(self, place: int) -> int:
        return len(self.estimates[place].mean)

    def at_level(self, place: int, level: int) -> IntArray:
        """Code -> bin at a coarser level, made of whole pool bins; at a finer one, these bins cut further."""
        if level > self.level:
            return views.join(self.bins[place], views.cut(self.masses[place], level))
        return views.coarsen(self.bins[place], self.masses[place], level)

    def _view(self, axis: Axis) -> IntArray:
        return np.asarray(axis.bins, np.int64) if axis.bins else np.arange(self.domain.size(axis.column))
