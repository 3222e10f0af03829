"""A proposer that describes all records at once: how far to believe it, and what it adds.

A whole plan is one hypothesis. It is put to the released tables twice. First its one-way tables: an untested
source is not believed, and one that predicts the released one-way tables hardly better than even shares is not
believed on their account. Then the released tables of several columns: the source, brought to the one-way
tables, is mixed with independent columns in the proportion that comes nearest to them. What it earns is the
share of records it speaks for; component 0 keeps the rest, and the released tables correct both.

A believed source also sharpens the one-way tables. How far its own lie from the truth is learned, column by
column, from the released ones, and the two are weighed accordingly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from privacy.values import Clique, Domain, NoisyMarginal
from synthesis.llm.base import ProposalPlan
from synthesis.loop import beliefs
from synthesis.loop.beliefs import is_one_way
from synthesis.loop.denoising import Estimate, FloatArray
from synthesis.loop.mixtures import Mixture

EVEN = 0.25  # squared distance a tested source's one-way tables may keep, as a share of that of even tables
CHANCE = 3.0  # standard deviations of noise charged
HEAD_START = 25.0  # what a passed test is worth, in squared units of noise, once tables of pairs speak
LEAST, MOST = 0.3, 0.98  # a smaller share is not worth a source; the largest it may have
LIKENESS = 0.3  # share of the tables' structure that a source must explain if one-way tables do not speak for it
OUTSIDE = 0.01  # share of every component that follows the one-way tables
DRIFTS = np.geomspace(1e-7, 1, 60)  # variances of a code's share, per share, that a source may be off by


@dataclass(frozen=True, slots=True)
class Opinion:
    """``trust``: the share of records that the source speaks for, 0 when it is not believed; and why."""

    trust: float
    reason: str


class Source:
    """A whole plan over a domain; columns without chances follow the one-way tables."""

    def __init__(self, plan: ProposalPlan, domain: Domain) -> None:
        if not plan.whole or not plan.proposals:
            raise ValueError("a source is a plan that describes all records, with at least one proposal")
        self.domain = domain
        weights = np.array([each.weight for each in plan.proposals], float)
        self.weights: FloatArray = weights / weights.sum()
        self.parts = [self._part(plan, column) for column in domain.columns]

    def _part(self, plan: ProposalPlan, column: str) -> FloatArray | None:
        """Components x codes, rows adding up to 1; None where the plan says nothing of the column."""
        told = [each.chances.get(column) for each in plan.proposals]
        if all(chances is None for chances in told):
            return None
        size = self.domain.size(column)
        if any(chances is None or len(chances) != size for chances in told):
            raise ValueError(f"column {column}: every component needs one chance for each code")
        part = np.array(told, float)
        if not np.isfinite(part).all() or part.min() < 0 or (part.sum(axis=1) <= 0).any():
            raise ValueError(f"column {column}: chances are numbers from 0, and not all of them 0")
        return np.asarray(part / part.sum(axis=1, keepdims=True))

    def consult(
        self, marginals: Sequence[NoisyMarginal], estimates: list[Estimate], *, records: float
    ) -> tuple[Opinion, list[Estimate], Mixture]:
        """What to think of the source, the one-way tables it leads to, and component 0 followed by its components.

        ``estimates`` are the one-way tables without it, and what is returned where it is not believed.
        """
        released = beliefs.pooled(self.domain, marginals)
        tested = self._predicts(released, records)
        better = self._sharpened(released, estimates, records) if tested else estimates
        mixture = self._brought_to([each.mass for each in better])
        tables = [each for each in marginals if not is_one_way(each)]
        opinion = self._weigh(tables, mixture, [each.mass for each in better], records, tested=tested)
        if opinion.trust == 0:
            return opinion, estimates, _alone([each.mass for each in estimates])
        return opinion, better, _beside([each.mass for each in better], mixture, opinion.trust)

    def _predicts(self, released: list[tuple[FloatArray, float] | None], records: float) -> bool:
        """Whether the source's one-way tables come much nearer to the released ones than even tables do."""
        own, even, spread = 0.0, 0.0, 0.0
        for part, table in zip(self.parts, released, strict=True):
            if part is not None and table is not None:
                counts, noise = table[0] / records, table[1] / records
                far = float(((counts - self.weights @ part) ** 2).sum()) - len(counts) * noise**2
                own, even = own + far, even + float(((counts - 1 / len(counts)) ** 2).sum()) - len(counts) * noise**2
                spread += 2 * len(counts) * noise**4 + 4 * noise**2 * max(far, 0.0)
        return bool(own + CHANCE * spread**0.5 < EVEN * even)

    def _sharpened(
        self, released: list[tuple[FloatArray, float] | None], estimates: list[Estimate], records: float
    ) -> list[Estimate]:
        """One-way tables between the released ones and the source's, by how far each column is seen to drift."""
        columns = [
            None if part is None or table is None else (records * (self.weights @ part) + 1e-6 * records, *table)
            for part, table in zip(self.parts, released, strict=True)
        ]
        likely = [None if each is None else _likelihoods(*each, records) for each in columns]
        known = [each for each in likely if each is not None]
        found = []
        for each, log, estimate in zip(columns, likely, estimates, strict=True):
            if each is None or log is None:
                found.append(estimate)
            else:
                drift = float(DRIFTS[np.argmax(log + sum(known) / len(known))])
                found.append(_between(*each, drift * records, estimate, records))
        return found

    def _brought_to(self, masses: list[FloatArray]) -> Mixture:
        """The source with these one-way tables, every component a little mixed with them."""
        parts = tuple(
            np.tile(mass, (len(self.weights), 1)) if part is None else (1 - OUTSIDE) * part + OUTSIDE * mass
            for part, mass in zip(self.parts, masses, strict=True)
        )
        return Mixture(self.weights, parts).raked(masses)

    def _weigh(
        self,
        tables: Sequence[NoisyMarginal],
        mixture: Mixture,
        masses: list[FloatArray],
        records: float,
        *,
        tested: bool,
    ) -> Opinion:
        """The share that brings tables of several columns nearest to the released ones.

        Squared differences are taken in units of noise and of the cells' own spread, so that a few large cells
        do not decide alone.
        """
        gram, pull, energy, cells = 0.0, 0.0, 0.0, 0
        for table in tables:
            mixed = records * _table(mixture, table.clique, self.domain)
            apart = records * _table(_alone(masses), table.clique, self.domain)
            spread = np.sqrt(table.sigma**2 + (mixed + apart) / 2)
            change, residual = (mixed - apart) / spread, (table.counts - apart) / spread
            gram, pull = gram + float((change**2).sum()), pull + float((change * residual).sum())
            energy += float((residual**2 - (table.sigma / spread) ** 2).sum())
            cells += residual.size
        head = HEAD_START if tested else 0.0
        share = (pull + head) / (gram + head) if gram + head > 0 else 0.0
        if not tested:
            return self._earned(share, gram, pull, energy)
        if share < LEAST:
            return Opinion(0.0, "not believed: the released tables of several columns contradict it")
        words = "its one-way tables and the released tables of several columns agree with it"
        return Opinion(min(share, MOST), words if tables else "its one-way tables agree with the released ones")

    def _earned(self, share: float, gram: float, pull: float, energy: float) -> Opinion:
        """A source that one-way tables do not speak for has to explain what joint tables show, beyond chance."""
        shown = pull > CHANCE * gram**0.5 and pull**2 > LIKENESS * gram * energy and share >= LEAST
        if shown:
            return Opinion(min(share, MOST), "it explains the released tables of several columns")
        return Opinion(0.0, "not believed: it does not predict the released one-way tables")


def _likelihoods(own: FloatArray, counts: FloatArray, sigma: float, records: float) -> FloatArray:
    """Log likelihood of the released counts for each drift of DRIFTS."""
    variance = sigma**2 + DRIFTS[:, None] * records * own
    return np.asarray(-0.5 * (np.log(variance) + (counts - own) ** 2 / variance).sum(axis=1))


def _between(
    own: FloatArray, counts: FloatArray, sigma: float, drift: float, estimate: Estimate, records: float
) -> Estimate:
    """Posterior of the counts, given a source off by sqrt(drift x own): from the noisy table, or from the denoised
    one where the source is too far off to be the better help against noise.
    """
    allowed = drift * own
    plain = sigma**2 * allowed / (sigma**2 + allowed)
    close = plain.sum() <= 4 * (estimate.sd**2).sum()
    seen, noise = (counts, np.full(len(own), sigma)) if close else (estimate.mean, estimate.sd)
    precision = 1 / noise**2 + 1 / allowed
    mean = np.maximum((seen / noise**2 + own / allowed) / precision, 1e-6 * records)
    return Estimate(mean * (records / mean.sum()), np.sqrt(1 / precision))


def _alone(masses: list[FloatArray]) -> Mixture:
    """Independent columns."""
    return Mixture(np.ones(1), tuple(mass[None] for mass in masses))


def _beside(masses: list[FloatArray], mixture: Mixture, trust: float) -> Mixture:
    """Component 0, and the source's components with their share of the records."""
    parts = tuple(np.vstack([mass, part]) for mass, part in zip(masses, mixture.parts, strict=True))
    return Mixture(np.concatenate([[1 - trust], trust * mixture.weights]), parts)


def _table(mixture: Mixture, clique: Clique, domain: Domain) -> FloatArray:
    """The mixture's own table over a clique; adds up to 1."""
    whole = mixture.weights[:, None]
    for axis in clique.axes[:-1]:
        whole = (whole[:, :, None] * mixture.view(axis, domain)[:, None, :]).reshape(len(whole), -1)
    return np.asarray(whole.T @ mixture.view(clique.axes[-1], domain)).reshape(clique.shape(domain))
