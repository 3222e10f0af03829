"""A what-if: the fit's own records, weighed so that some groups have the sizes that a scenario supposes.

A scenario is a list of groups (boxes of codes) with the share of all records each should have. Of all
distributions in which they have these shares the one nearest to the fit p is taken, in relative entropy:
p'(x) ~ p(x) exp(sum_k tilt_k [x in group k]), an exponential tilt by the scenario's components. Inside every
combination of groups p' is p, and what the fit holds impossible stays impossible, so that hard rules hold. The
table moves with it: records of combinations that shrink leave, and records of the fit that are in combinations
that grow take their places; all others stay as they are.

Released statistics have no part in this, on purpose: the fit would correct a supposition away.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, minimize

from privacy.values import Domain, IntArray
from synthesis.llm.base import Proposal, ProposalPlan
from synthesis.loop.denoising import FloatArray

Inside = NDArray[np.bool_]

MOST_GROUPS = 12
RIDGE = 0.01  # so that groups which contradict each other meet half-way: part of a share's spread that may be missed


@dataclass(frozen=True, slots=True)
class Reach:
    """How far a scenario may move a table. ``strength``: which part of the way from a group's odds in the fit to the
    supposed ones is gone, 1 for all of it; ``most``: the factor by which the odds of one group change at most.
    """

    strength: float = 1.0
    most: float = 20.0

    def __post_init__(self) -> None:
        if not 0 < self.strength <= 1 or not self.most > 1:
            raise ValueError("strength must be above 0 and at most 1, and most above 1")


@dataclass(frozen=True, slots=True)
class Swap:
    """Which rows of a shard leave (one flag a row), and the records (leaving rows x columns) in their places."""

    leaving: Inside
    arriving: IntArray

    def applied(self, shard: IntArray) -> IntArray:
        changed = shard.copy()
        changed[self.leaving] = self.arriving
        return changed


class Scenario:
    """Groups with what each was supposed to have, and the tilts that bring them there.

    ``sample`` are records (rows x columns) of the fit, ``total`` the records that the groups' sizes refer to.
    ``groups`` are the proposals that say something about the fit, ``rejected`` why others do not.
    """

    def __init__(self, plan: ProposalPlan, domain: Domain, sample: IntArray, *, total: float, reach: Reach) -> None:
        self.domain = domain
        self.groups, self.rejected = _telling(plan, domain, sample)
        kinds, counts = _combinations(self.inside(sample))
        shares = counts / counts.sum()
        self.before: FloatArray = shares @ kinds
        self.asked: FloatArray = np.clip([one.weight / total for one in self.groups], 0, 1)
        self.tilts = _tilts(kinds, shares, _within_reach(self.before, self.asked, reach), math.log(reach.most))
        tilted = _tilted(shares, kinds, self.tilts)
        self.after: FloatArray = tilted @ kinds
        self.divergence = float((tilted * np.log(tilted / shares)).sum())

    def inside(self, records: IntArray) -> Inside:
        """Which records (rows) are in which groups (columns)."""
        found = [_inside(one, self.domain, records) for one in self.groups]
        return np.stack(found, axis=1) if found else np.zeros((len(records), 0), bool)

    def swap(self, shard: IntArray, spare: IntArray, rng: np.random.Generator) -> Swap:
        """Bring a shard to the scenario with records of ``spare``, a table of the same fit.

        A spare record is taken twice only when its combination of groups has no other left.
        """
        rows = np.vstack([shard, spare])
        kinds, places = np.unique(self.inside(rows), axis=0, return_inverse=True)
        places = places.ravel()
        counts = np.bincount(places, minlength=len(kinds))
        wanted = _whole(_tilted(counts / counts.sum(), kinds, self.tilts), len(shard))
        leaving, arriving = np.zeros(len(shard), bool), []
        for place, more in enumerate((wanted - np.bincount(places[: len(shard)], minlength=len(kinds))).tolist()):
            here = np.flatnonzero(places[: len(shard)] == place)
            if more < 0:
                leaving[rng.choice(here, -more, replace=False)] = True
            elif more > 0:
                others = np.flatnonzero(places[len(shard) :] == place) + len(shard)
                arriving.append(np.resize(rng.permutation(others if len(others) else here), more))
        chosen = rng.permutation(np.concatenate([np.zeros(0, np.intp), *arriving]))
        return Swap(leaving, rows[chosen])


def _telling(plan: ProposalPlan, domain: Domain, sample: IntArray) -> tuple[tuple[Proposal, ...], tuple[str, ...]]:
    """The proposals whose group holds some of the fit's records and not all, and why others cannot move it."""
    taken: list[Proposal] = []
    rejected: list[str] = []
    for proposal in plan.proposals:
        share = float(_inside(proposal, domain, sample).mean())
        if len(taken) == MOST_GROUPS:
            rejected.append(f"more groups than a what-if may have: {proposal.reason}")
        elif 0 < share < 1:
            taken.append(proposal)
        else:
            which = "every record" if share else "no record"
            rejected.append(f"{which} of the table is in this group: {proposal.reason}")
    return tuple(taken), tuple(rejected)


def _inside(proposal: Proposal, domain: Domain, records: IntArray) -> Inside:
    inside = np.ones(len(records), bool)
    for place, column in enumerate(domain.columns):
        codes = proposal.cells[column]
        if len(codes) < domain.size(column):
            inside &= np.isin(records[:, place], codes)
    return inside


def _combinations(inside: Inside) -> tuple[Inside, IntArray]:
    """The combinations of groups that occur, and how often each does."""
    kinds, counts = np.unique(inside, axis=0, return_counts=True)
    return kinds, counts


def _within_reach(before: FloatArray, asked: FloatArray, reach: Reach) -> FloatArray:
    """The shares to aim at: along the way from odds to odds, no further than ``reach`` allows."""
    odds = np.log(before) - np.log1p(-before)
    with np.errstate(divide="ignore"):
        wanted = np.log(asked) - np.log1p(-asked)
    most = math.log(reach.most)
    return np.asarray(1 / (1 + np.exp(-(odds + np.clip(reach.strength * (wanted - odds), -most, most)))))


def _tilts(kinds: Inside, shares: FloatArray, target: FloatArray, most: float) -> FloatArray:
    """argmin over |tilt| <= most of log sum_s shares_s exp(kinds_s tilt) - target tilt + ridge: a convex problem."""
    inside, ridge = kinds.astype(float), RIDGE * target * (1 - target)

    def objective(tilts: FloatArray) -> tuple[float, FloatArray]:
        weights = shares * np.exp(inside @ tilts)
        value = math.log(weights.sum()) - target @ tilts + 0.5 * ridge @ tilts**2
        return float(value), inside.T @ (weights / weights.sum()) - target + ridge * tilts

    if not len(target):
        return np.zeros(0)
    start: Any = np.zeros(len(target))
    ending: Any = {"maxiter": 1000, "ftol": 1e-13, "gtol": 1e-9}
    bounds = Bounds(-most, most)
    return np.asarray(minimize(objective, start, jac=True, method="L-BFGS-B", bounds=bounds, options=ending).x)


def _tilted(shares: FloatArray, kinds: Inside, tilts: FloatArray) -> FloatArray:
    weights = shares * np.exp(kinds.astype(float) @ tilts)
    return np.asarray(weights / weights.sum())


def _whole(shares: FloatArray, rows: int) -> IntArray:
    """Whole numbers in these shares that add up to ``rows``, none off by more than one."""
    ends = np.rint(np.cumsum(shares) * rows).astype(np.int64)
    ends[-1] = rows
    return np.diff(ends, prepend=0)
