"""Released tables and rules as tilts: what pulls members towards the evidence, and when it lets go.

Tilts are thought of beforehand as normal around 0 with one standard deviation t for all tables, so that a tilt is as
large as what the release says beyond the pool is worth against its noise: theta = t^2 mu (y - mu) / sigma^2. A cell of
few votes under loud noise stays where the other tables have it; one of many votes is met. How fast a tilt moves follows
from how many tables move the same members, and from whether its last steps went the same way.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from privacy.values import NoisyTied
from synthesis.loop.denoising import FloatArray, denoise
from synthesis.members.people import People
from synthesis.members.settings import MemberSettings
from synthesis.members.tables import FORBIDDEN, Rule, Table

LARGEST_STEP = 0.7
TURNED, AHEAD = -0.2, 0.3  # correlation of successive steps: below, a step was too long; above, too short
LEAST_VOTES = 0.5  # of a cell: taken for its expected votes where there are fewer


class Tilted(Table):
    """A table whose cells have tilts."""

    def __init__(self, table_of: NoisyTied | Rule, people: People) -> None:
        super().__init__(table_of.clique, people)
        self.theta: FloatArray = np.zeros(self.shape)


class Forbidding(Tilted):
    """A rule's cells: nothing is learnt, and every instance counts in full."""

    def __init__(self, rule: Rule, people: People) -> None:
        super().__init__(rule, people)
        if rule.allowed.shape != self.shape:
            raise ValueError("a rule says of every cell of its clique whether it is allowed")
        self.weights = np.ones(len(self.weights))
        self.theta = np.where(rule.allowed, 0.0, FORBIDDEN)


class Evidence(Tilted):
    """A released table. ``scale``: released units for each unit of the pool."""

    def __init__(self, released: NoisyTied, people: People, settings: MemberSettings, *, scale: float) -> None:
        super().__init__(released, people)
        self.sigma = np.full(self.shape, released.sigma / released.parts / scale)
        self.said = self._believed(released.counts / released.parts / scale)
        self.target = self.said
        self.settings, self.gain = settings, settings.step
        self.averaged: FloatArray = np.zeros(self.shape)
        self._last: FloatArray = np.zeros(self.shape)

    @property
    def attributes(self) -> list[str]:
        """What is drawn of members along its axes."""
        return [reading.attribute for reading in self.readings if reading.attribute]

    def _believed(self, counts: FloatArray) -> FloatArray:
        """The released votes, made to add up to those that units cast; of one attribute, denoised along its codes."""
        votes = np.bincount(self.blocks, weights=self.weights, minlength=self.shape[0])
        if self.clique.by_norm:
            votes = counts.reshape(len(votes), -1).sum(axis=1)
        if len(self.shape) != 2:
            gaps = (votes - counts.reshape(len(votes), -1).sum(axis=1)) / counts[0].size
            return np.asarray(counts + gaps.reshape(-1, *[1] * (counts.ndim - 1)))
        found = np.empty(self.shape)
        for block, total in enumerate(votes.tolist()):
            estimate = denoise(counts[block], sigma=float(self.sigma[block, 0]), total=max(total, 1.0))
            found[block], self.sigma[block] = estimate.mean, estimate.sd
        return found

    def learn(self, expected: FloatArray) -> None:
        """A damped Newton step of every cell's tilt towards the release."""
        self._rescale(expected)
        variance, rest = self.sigma**2, self.target - expected
        held = variance / (self.settings.tilt**2 * np.maximum(expected, LEAST_VOTES))
        slope = rest - held * self.theta
        self._adapt(slope / np.sqrt(variance + expected))
        newton = slope / (np.maximum(expected * self.spread, 1) + held)
        self.theta += self.gain * np.clip(newton, -LARGEST_STEP, LARGEST_STEP)

    @property
    def spread(self) -> float:
        """The votes of an instance."""
        return float((self.weights**2).sum() / max(self.weights.sum(), 1e-9))

    def _rescale(self, expected: FloatArray) -> None:
        """By norm, how many votes there are follows the members, and the release says only how they are shared."""
        if not self.clique.by_norm:
            return
        axes = tuple(range(1, self.said.ndim))
        said, own = (votes.sum(axis=axes, keepdims=True) for votes in (self.said, expected))
        self.target = self.said * own / np.maximum(said, 1)

    def _adapt(self, slope: FloatArray) -> None:
        size = float(np.sqrt((slope**2).sum() * (self._last**2).sum()))
        same = float((slope * self._last).sum()) / size if size > 0 else 0.0
        self.gain *= 0.6 if same < TURNED else 1.1 if same > AHEAD else 0.97
        self.gain = min(max(self.gain, self.settings.least_step), 1.0)
        self._last = slope


def share_steps(tables: Sequence[Evidence]) -> None:
    """First steps of tables that move together. Those with one attribute all push its members the same way at once, and
    at full steps would overshoot by as many times as there are tables.
    """
    beside = Counter(name for table in tables for name in table.attributes)
    for table in tables:
        if table.attributes:
            table.gain = min(table.gain, 1 / max(beside[name] for name in table.attributes))
