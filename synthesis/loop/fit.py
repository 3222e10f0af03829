"""A pool together with what it was built from: the released total, column estimates, bins and tables."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from math import prod

import numpy as np

from privacy.validity import Zero
from privacy.values import Clique, Domain, HardRule, IntArray, NoisyMarginal
from synthesis.loop import beliefs, policy
from synthesis.loop.binning import Binning
from synthesis.loop.cells import Table
from synthesis.loop.denoising import FloatArray
from synthesis.loop.evidence import Evidence
from synthesis.loop.policy import Views
from synthesis.loop.pool import Pool
from synthesis.loop.refinement import Refiner
from synthesis.loop.settings import LoopSettings
from synthesis.loop.sources import Opinion, Source
from synthesis.loop.spreading import spread
from synthesis.loop.zeros import Zeros, on_bins

DOUBT = 0.15  # change of a source's share that is worth starting anew
WANDER = 2  # sweeps between the pool and the table drawn from it
WATCHED, WATCHED_CELLS = 20, 2**13  # most pairs averaged for each column beside the released ones, and their cells


class Fit:
    """Everything the loop knows while its bins stay as they are; built anew when they have to change."""

    def __init__(
        self,
        domain: Domain,
        marginals: Sequence[NoisyMarginal],
        settings: LoopSettings,
        rng: np.random.Generator,
        rules: Sequence[HardRule] = (),
        source: Source | None = None,
    ) -> None:
        self.domain, self.settings = domain, settings
        self.total = beliefs.total(marginals)
        estimates, ground = beliefs.columns(domain, marginals, records=self.total), None
        self.source, self.opinion = source, Opinion(0.0, "no source")
        if source is not None:
            self.opinion, estimates, ground = source.consult(marginals, estimates, records=self.total)
        tables = [marginal for marginal in marginals if not beliefs.is_one_way(marginal)]
        self.binning = Binning(domain, estimates, [*tables, *rules], level=max(settings.levels))
        ground = ground and ground.through(self.binning.bins)
        size = policy.pool_size(settings.pool_size, tables, total=self.total)
        self.pool = Pool(self.binning.estimates, total=self.total, size=size, rng=rng, ground=ground)
        if rules:
            zeros = [on_bins(Zero.of(rule, domain), self.binning.bins) for rule in rules]
            self.pool.obey(Zeros(zeros, [belief.mass for belief in self.pool.beliefs]))
        for marginal in tables:
            self.add(marginal)

    def doubts(self, marginals: Sequence[NoisyMarginal]) -> bool:
        """Whether the tables released by now lead to another opinion of the source than this was built on."""
        if self.source is None:
            return False
        estimates = beliefs.columns(self.domain, marginals, records=self.total)
        now, _, _ = self.source.consult(marginals, estimates, records=self.total)
        return (now.trust == 0) != (self.opinion.trust == 0) or abs(now.trust - self.opinion.trust) > DOUBT

    def one_way(self, marginals: Sequence[NoisyMarginal]) -> list[tuple[FloatArray, float]]:
        """Of every column with a one-way table: each code's posterior standard deviation, and the noise as released."""
        pooled = beliefs.pooled(self.domain, marginals)
        return [(sd, each[1]) for sd, each in zip(self.binning.spreads, pooled, strict=True) if each is not None]

    def fits(self, clique: Clique) -> bool:
        """Whether the pool's bins tell the clique's cells apart."""
        return all(self.binning.map(axis) is not None for axis in clique.axes)

    def add(self, marginal: NoisyMarginal) -> None:
        """Take a table as evidence. ValueError when the pool's bins are too coarse for it."""
        maps = [view for axis in marginal.clique.axes if (view := self.binning.map(axis)) is not None]
        if len(maps) < len(marginal.clique.axes):
            raise ValueError("the pool's bins are too coarse for this table")
        self.pool.add(Evidence(marginal, self._places(marginal.clique), maps))

    def table(self, clique: Clique) -> FloatArray:
        """The pool's own counts over the clique, on the scale of the released total."""
        maps = [self.binning.map(axis) for axis in clique.axes]
        places = self._places(clique)
        sizes = [axis.size(self.domain) for axis in clique.axes]
        key = np.zeros(self.pool.size, np.intp)
        for at, place in enumerate(places):
            view = maps[at]
            sizes[at] = self.binning.size(place) if view is None else sizes[at]
            key *= sizes[at]
            key += self.pool.codes[place] if view is None else np.take(view, self.pool.codes[place])
        counts = np.bincount(key, minlength=int(np.prod(sizes))).reshape(sizes) * self.pool.scale
        for at, (axis, view) in enumerate(zip(clique.axes, maps, strict=True)):
            if view is None:  # codes that share a pool bin: by their shares of it
                counts = np.moveaxis(np.tensordot(counts, self.binning.shares(axis), axes=(at, 0)), -1, at)
        return np.asarray(counts, float)

    def views(self) -> Views:
        """Every column at every level, in whole bins of the pool but for the finest."""
        settings = self.settings
        wanted = sorted({*settings.levels, *settings.triple_levels, *settings.planned_levels})
        columns = list(enumerate(self.domain.columns))
        found = {(name, level): self.binning.at_level(at, level) for at, name in columns for level in wanted}
        return Views(self.domain, found)

    def settle(self) -> None:
        """Slow sweeps whose expected tables are averaged: the targets of every table drawn afterwards.

        Pairs are averaged bin by bin, also where they were not released or more coarsely: the model says what
        they are, and a table that meets this has less sampling noise than its records drawn one by one.
        """
        self.pool.watch(self._pairs())
        self.pool.forget_averages()
        for _ in range(self.settings.settle_sweeps):
            self.pool.sweep(self.settings.settle_step, average=True)

    def draw(self, rows: int, rng: np.random.Generator, *, part: bool = False) -> IntArray:
        """``rows`` records x columns, refined towards the averaged tables; call ``settle`` before.

        ``part``: they are one of several shards of a table, and are refined less.
        """
        passes = self.settings.shard_passes if part else self.settings.refinement_passes
        picked = np.resize(rng.permutation(self.pool.size), rows)
        codes = self.pool.wander(self.pool.codes[:, picked], WANDER, rng)
        codes = Refiner(self.pool, codes, rng).run(passes)
        return spread(codes, self.binning.masses, self.binning.bins, rng)

    def _pairs(self) -> list[Table]:
        """Pairs of columns on the pool's own bins: those measured together first, a limited number a column."""
        met = {pair for table in self.pool.tables for pair in combinations(sorted(table.columns), 2)}
        exact = {tuple(sorted(t.columns)) for t in self.pool.tables if t.sees_every_bin and len(t.columns) == 2}
        sizes = [self.binning.size(place) for place in range(len(self.domain.columns))]
        found, taken = [], [0] * len(sizes)
        for first, second in sorted(combinations(range(len(sizes)), 2), key=lambda pair: pair not in met):
            shape, full = (sizes[first], sizes[second]), max(taken[first], taken[second]) >= WATCHED
            if full or (first, second) in exact or prod(shape) > WATCHED_CELLS:
                continue
            taken[first], taken[second] = taken[first] + 1, taken[second] + 1
            found.append(Table((first, second), [np.arange(size) for size in shape], shape))
        return found

    def _places(self, clique: Clique) -> list[int]:
        return [self.binning.place(axis) for axis in clique.axes]
