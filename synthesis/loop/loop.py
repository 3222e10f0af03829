"""LLMSynthor's loop over released statistics: discrepancy, proposals, records, and again.

The loop sees noisy tables, declared rules, settings, a seed and validated proposals, and nothing else, so its
output is a function of these alone. A proposal only ever shapes the prior; the released tables decide, and no
record breaks a rule.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from privacy.values import Candidate, Clique, Domain, HardRule, IntArray, NoisyMarginal, Release
from synthesis.llm.base import ProposalPlan
from synthesis.loop import policy, reports
from synthesis.loop.beliefs import is_one_way
from synthesis.loop.finished import SPARE, Finished
from synthesis.loop.fit import Fit
from synthesis.loop.reports import Discrepancy, Iteration
from synthesis.loop.scenario import Reach, Scenario, Swap
from synthesis.loop.settings import LoopSettings
from synthesis.loop.sources import Opinion, Source
from synthesis.loop.trust import admit

STILL = 0.9  # evidence that pulls at least this much of what it did an iteration ago has come to rest


class Loop:
    """A model of the records behind released tables; satisfies ``privacy.values.AdaptiveModel``.

    ``supposed`` is a whole plan known before anything is released, for example from a public reference table:
    as far as released tables support it, it is where the loop starts from, while measuring and afterwards.
    """

    def __init__(
        self,
        domain: Domain,
        *,
        settings: LoopSettings,
        seed: int,
        rules: Sequence[HardRule] = (),
        supposed: ProposalPlan | None = None,
    ) -> None:
        self.domain, self.settings, self.seed, self.rules = domain, settings, seed, tuple(rules)
        self._source = Source(supposed, domain) if supposed is not None else None
        self._rng = np.random.default_rng(seed)
        self._marginals: list[NoisyMarginal] = []
        self._built: Fit | None = None
        self._number = 0
        self._news = self._settled = False
        self._drowned: bool | None = None  # whether noise drowns any table, at the first round's price
        self._pulls = (np.inf, np.inf)  # how hard evidence still pulled, one iteration ago and now
        self._asked: dict[Clique, IntArray] = {}  # expectations since the pool last moved

    @classmethod
    def from_release(
        cls,
        release: Release,
        *,
        settings: LoopSettings,
        seed: int,
        rules: Sequence[HardRule] = (),
        supposed: ProposalPlan | None = None,
    ) -> Loop:
        """A loop that has observed every table of a release, in its order."""
        loop = cls(release.domain, settings=settings, seed=seed, rules=rules, supposed=supposed)
        for marginal in release.marginals:
            loop.observe(marginal)
        return loop

    @property
    def total(self) -> int:
        """The released number of records, from all one-way tables together; at least 1."""
        return round(self._fit().total)

    @property
    def opinion(self) -> Opinion:
        """What the loop thinks by now of the plan it was given to suppose, and why."""
        return self._fit().opinion

    def observe(self, marginal: NoisyMarginal) -> None:
        """Take a released table as evidence. ValueError when it does not fit the domain."""
        if marginal.counts.shape != marginal.clique.shape(self.domain) or marginal.sigma <= 0:
            raise ValueError(f"the table of {', '.join(marginal.clique.columns)} does not fit the domain")
        self._marginals.append(marginal)
        self._settled = False
        if self._built is None or is_one_way(marginal) or not self._built.fits(marginal.clique):
            self._built = None  # column beliefs or bins change: the pool starts anew when next asked
            return
        self._built.add(marginal)
        self._news = True

    def expected(self, clique: Clique) -> IntArray:
        """The pool's counts, of the clique's shape, in whole records on the scale of the released total."""
        fit = self._fit()
        if clique not in self._asked:
            self._asked[clique] = np.rint(fit.table(clique)).astype(np.int64)
        return self._asked[clique]

    def rounds(self, *, rho: float, planned: int = 0) -> tuple[int, int]:
        """How many rounds of measuring, and how many tables in each; see ``synthesis.loop.policy``."""
        return policy.rounds(columns=len(self.domain.columns), total=self._fit().total, rho=rho, planned=planned)

    def view(self, clique: Clique, *, sigma: float) -> Clique:
        """A planned table as finely as its noise is worth; see ``synthesis.loop.policy``."""
        fit = self._fit()
        most = min(policy.affordable(sigma=sigma, total=fit.total), clique.cells(self.domain))
        levels = (*self.settings.levels, *self.settings.planned_levels)
        view = fit.views().finest(clique.columns, levels, cells=most)
        return view if view.cells(self.domain) <= clique.cells(self.domain) else clique

    def candidates(self, *, sigma: float, round: int, rounds: int) -> tuple[Candidate, ...]:
        """Views of pairs not yet measured and, in the second half, of triples, with their penalties."""
        self._fit()
        if self._news:
            self._sweep()
        fit = self._fit()  # a sweep may have changed what the loop believes of its source, and built anew
        taken = {frozenset(marginal.clique.columns) for marginal in self._marginals}
        views = fit.views()
        cliques = list(views.pairs(taken, self.settings.levels))
        if 2 * round >= rounds:
            cliques += views.triples(taken, self.settings.triple_levels)
        foreseen = [self._chance(fit, clique, sampling=fit.pool.scale) for clique in cliques]
        real = [self._chance(fit, clique, sampling=min(fit.pool.scale, policy.OWN_SAMPLING)) for clique in cliques]
        if self._drowned is None or round == 0:
            self._drowned = policy.drowned(cliques, domain=self.domain, sigma=sigma, total=fit.total)
        bar = policy.forgone(fit.one_way(self._marginals), sigma=sigma) if self._drowned else 0
        wary = self._drowned or policy.may_buy_nothing(cliques, real, domain=self.domain, sigma=sigma)
        return tuple(
            Candidate(clique, policy.penalty(self.expected(clique), sigma=sigma), chance + bar if wary else None)
            for clique, chance in zip(cliques, foreseen, strict=True)
        )

    def discrepancies(self, limit: int) -> tuple[Discrepancy, ...]:
        """The largest cells that noise does not explain, under- and over-represented, largest first."""
        fit = self._fit()
        cells = sum(marginal.counts.size for marginal in self._marginals)
        found = [
            each
            for marginal in self._marginals
            for each in reports.largest(marginal, fit.table(marginal.clique), sampling=fit.pool.scale, among=cells)
        ]
        return tuple(sorted(found, key=lambda each: -abs(each.target - each.now))[:limit])

    def iterate(self, plan: ProposalPlan) -> Iteration:
        """Take a plan into the prior as far as the evidence supports it, sweep, and say where things stand."""
        admission = admit(self._fit(), plan)
        self._sweep()
        self._number += 1
        self._pulls = (self._pulls[1], self._fit().pool.pull)
        residual, distance = self._figures()
        return Iteration(
            number=self._number,
            residual=residual,
            tvd2=distance,
            accepted=admission.accepted,
            rejected=admission.rejected,
            cliques=len(self._fit().pool.tables),
            alone=float(self._fit().pool.prior.weights[0]),
        )

    def converged(self) -> bool:
        """Whether every released table is explained to within its noise, and more iterations would change little."""
        before, now = self._pulls
        if now < STILL * before:
            return False
        among = len(self._marginals)
        return all(reports.within_noise(self._chi(m), m.counts.size, among=among) for m in self._marginals)

    def records(self, rows: int) -> IntArray:
        """Exactly ``rows`` records x columns of codes, refined. The same state gives the same table."""
        return np.concatenate(list(self.shards(rows)))

    def finished(self) -> Finished:
        """What shards are drawn from; good until the loop is asked for anything but tables."""
        return Finished(self._settle(), self.seed, self.settings.shard_rows)

    def shards(self, rows: int) -> Iterator[IntArray]:
        """The same table as ``records``, shard by shard, so that memory does not grow with rows."""
        drawn = self.finished()
        return (drawn.shard(number, rows) for number in range(len(drawn.sizes(rows))))

    def suppose(self, plan: ProposalPlan, reach: Reach) -> Scenario:
        """What a plan supposes of the present state, as far as ``reach`` allows; nothing of the state changes."""
        spare, _ = self.finished().spare(0, SPARE)
        return Scenario(plan, self.domain, spare, total=self.total, reach=reach)

    def supposed(self, scenario: Scenario, rows: int) -> Iterator[tuple[IntArray, Swap]]:
        """The shards of ``shards``, each with what changes in it under the scenario."""
        drawn = self.finished()
        for number, shard in enumerate(self.shards(rows)):
            yield shard, drawn.change(number, shard, scenario)

    def _settle(self) -> Fit:
        fit = self._fit()
        if not self._settled:
            fit.settle()
            self._settled = True
            self._asked.clear()
        return fit

    def _chance(self, fit: Fit, clique: Clique, *, sampling: float) -> int:
        axes = [fit.binning.belief(axis) for axis in clique.axes]
        return policy.chance(axes, total=fit.total, sampling=sampling)

    def _fit(self) -> Fit:
        if self._built is None:
            self._built = Fit(self.domain, self._marginals, self.settings, self._rng, self.rules, self._source)
            self._news = bool(self._built.pool.tables)
            self._asked.clear()
        return self._built

    def _sweep(self) -> None:
        if self._news and self._fit().doubts(self._marginals):
            self._built = None  # the records start anew, from what is believed now
        for _ in range(self.settings.sweeps):
            self._fit().pool.sweep(self.settings.step)
        self._news = self._settled = False
        self._asked.clear()

    def _chi(self, marginal: NoisyMarginal) -> float:
        fit = self._fit()
        return reports.chi_square(marginal, fit.table(marginal.clique), sampling=fit.pool.scale)

    def _figures(self) -> tuple[float, float]:
        """Root mean squared residual in units of noise, and mean distance of pair tables beyond noise."""
        chi = [(self._chi(marginal), marginal.counts.size) for marginal in self._marginals] or [(0.0, 1)]
        squares = sum(mean * cells for mean, cells in chi) / sum(cells for _, cells in chi)
        pairs = [m for m in self._marginals if len(m.clique.columns) == 2]
        distances = [reports.distance_beyond_noise(m, self._fit().table(m.clique)) for m in pairs]
        return float(np.sqrt(squares)), float(np.mean(distances or [0.0]))
