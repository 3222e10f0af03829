"""What the loop says of itself: discrepancies for the next proposals, and the figures of an iteration."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from privacy.values import Clique, NoisyMarginal

FloatArray = NDArray[np.float64]

NOISE = math.sqrt(2 / math.pi)  # expected |N(0, 1)|


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """One cell where released and synthetic counts differ by more than noise explains.

    Both counts are whole numbers of records on the scale of the released total; ``cell`` holds one bin per
    axis of the clique, ``sigma`` is the target's noise and ``measurement`` the ledger entry behind it.
    """

    clique: Clique
    cell: tuple[int, ...]
    target: int
    now: int
    sigma: float
    measurement: str


@dataclass(frozen=True, slots=True)
class Iteration:
    """Figures after one iteration.

    ``residual``: root mean square, over the cells of all released tables, of (target - expected) / noise; 1 is pure
    noise. Expected is what the records of this iteration hold: drawn anew in each, they wobble by chance.
    ``alone``: weight of component 0, the share of records that no proposer speaks for.
    ``tvd2``: total variation distance from the released tables of two columns, mean, beyond their noise.
    """

    number: int
    residual: float
    tvd2: float
    accepted: int
    rejected: tuple[str, ...]
    cliques: int
    alone: float


def largest(marginal: NoisyMarginal, now: FloatArray, *, sampling: float, among: int) -> list[Discrepancy]:
    """The cells that stand out of ``among`` noisy ones: beyond sqrt(2 ln among) standard deviations.

    ``sampling`` is how many released records one synthetic record stands for: its own sampling noise
    counts as noise too.
    """
    spread = np.sqrt(marginal.sigma**2 + sampling * np.maximum(now, 1))
    gap = np.abs(marginal.counts - now)
    cells = np.argwhere(gap > spread * math.sqrt(2 * math.log(max(among, 2))))
    return [
        Discrepancy(
            marginal.clique,
            tuple(cell),
            int(marginal.counts[tuple(cell)]),
            round(float(now[tuple(cell)])),
            marginal.sigma,
            marginal.measurement,
        )
        for cell in cells.tolist()
    ]


def chi_square(marginal: NoisyMarginal, expected: FloatArray, *, sampling: float) -> float:
    """Mean squared residual in units of noise, the pool's own sampling noise included."""
    variance = marginal.sigma**2 + sampling * np.maximum(expected, 0)
    return float(((marginal.counts - expected) ** 2 / variance).mean())


def within_noise(chi: float, cells: int, *, among: int = 1) -> bool:
    """Whether noise alone gives a mean of ``cells`` squared residuals this large, at three deviations.

    ``among``: how many tables are asked about together. The more, the further the worst of them is off by chance,
    and the bound moves so that all of them pass as often as a single table passes at three deviations.
    The cube root of a chi-square is nearly normal (Wilson and Hilferty 1931).
    """
    spread = 2 / (9 * cells)
    deviations = float(ndtri(1 - ndtr(-3.0) / among))
    return chi <= (1 - spread + deviations * math.sqrt(spread)) ** 3


def distance_beyond_noise(marginal: NoisyMarginal, expected: FloatArray) -> float:
    """Total variation distance from a released table, less what its noise alone would show; at least 0."""
    total = max(float(expected.sum()), 1.0)
    gap = float(np.abs(marginal.counts - expected).sum())
    return max(gap - NOISE * marginal.sigma * marginal.counts.size, 0.0) / (2 * total)
