"""A pool together with what it was built from: the released total, column estimates, bins and tables."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from privacy.values import Clique, Domain, IntArray, NoisyMarginal
from synthesis.loop import beliefs
from synthesis.loop.binning import Binning
from synthesis.loop.denoising import FloatArray
from synthesis.loop.evidence import Evidence
from synthesis.loop.policy import Views
from synthesis.loop.pool import Pool
from synthesis.loop.refinement import Refiner
from synthesis.loop.settings import LoopSettings
from synthesis.loop.sources import Opinion, Source
from synthesis.loop.spreading import spread

DOUBT = 0.15  # change of a source's share that is worth starting anew
WANDER = 2  # sweeps between the pool and the table drawn from it


class Fit:
    """Everything the loop knows while its bins stay as they are; built anew when they have to change."""

    def __init__(
        self,
        domain: Domain,
        marginals: Sequence[NoisyMarginal],
        settings: LoopSettings,
        rng: np.random.Generator,
        source: Source | None = None,
    ) -> None:
        self.domain, self.settings = domain, settings
        self.total = beliefs.total(marginals)
        estimates, ground = beliefs.columns(domain, marginals, records=self.total), None
        self.source, self.opinion = source, Opinion(0.0, "no source")
        if source is not None:
            self.opinion, estimates, ground = source.consult(marginals, estimates, records=self.total)
        tables = [marginal for marginal in marginals if not beliefs.is_one_way(marginal)]
        self.binning = Binning(domain, estimates, tables, level=max(settings.levels))
        ground = ground and ground.through(self.binning.bins)
        self.pool = Pool(self.binning.estimates, total=self.total, size=settings.pool_size, rng=rng, ground=ground)
        for marginal in tables:
            self.add(marginal)

    def doubts(self, marginals: Sequence[NoisyMarginal]) -> bool:
        """Whether the tables released by now lead to another opinion of the source than this was built on."""
        if self.source is None:
            return False
        estimates = beliefs.columns(self.domain, marginals, records=self.total)
        now, _, _ = self.source.consult(marginals, estimates, records=self.total)
        return (now.trust == 0) != (self.opinion.trust == 0) or abs(now.trust - self.opinion.trust) > DOUBT

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
        """Every column at every level, in whole bins of the pool."""
        wanted = sorted({*self.settings.levels, *self.settings.triple_levels})
        columns = list(enumerate(self.domain.columns))
        found = {(name, level): self.binning.at_level(at, level) for at, name in columns for level in wanted}
        return Views(self.domain, found)

    def settle(self) -> None:
        """Slow sweeps whose expected tables are averaged: the targets of every table drawn afterwards."""
        self.pool.forget_averages()
        for _ in range(self.settings.settle_sweeps):
            self.pool.sweep(self.settings.settle_step, average=True)

    def draw(self, rows: int, rng: np.random.Generator) -> IntArray:
        """``rows`` records x columns, refined towards the averaged tables; call ``settle`` before."""
        picked = np.resize(rng.permutation(self.pool.size), rows)
        codes = self.pool.wander(self.pool.codes[:, picked], WANDER, rng)
        codes = Refiner(self.pool, codes, rng).run(self.settings.refinement_passes)
        return spread(codes, self.binning.masses, self.binning.bins, rng)

    def _places(self, clique: Clique) -> list[int]:
        return [self.binning.place(axis) for axis in clique.axes]
