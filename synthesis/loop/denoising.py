"""Noisy one-way tables, denoised along their codes.

Counts of neighbouring codes (ages, hours, bins of income) are often equal, similar, or zero together, and
noise is none of these. A hidden Markov chain runs along the codes: its states are count levels, a released
count is the level plus Gaussian noise, and from one code to the next the level stays, drifts a little,
drifts more, or is drawn afresh. The four rates and the levels' own distribution are learned from the noisy
table alone (expectation maximisation), so a table without such order simply learns to jump.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

DRIFTS = (0.15, 0.5)  # widths of small and large steps, in asinh(level / sigma)
STEPS = 25
WIDE = 500  # codes from which fewer steps are taken: rates are then well determined
FLOOR = 1e-4  # share of the even mass that every code keeps, since an empty count is never certain


@dataclass(frozen=True, slots=True)
class Estimate:
    """Posterior mean and standard deviation of each count of one column; means add up to the total."""

    mean: FloatArray
    sd: FloatArray

    @property
    def mass(self) -> FloatArray:
        return np.asarray(self.mean / self.mean.sum())


def denoise(counts: FloatArray, *, sigma: float, total: float) -> Estimate:
    """The counts behind ``counts`` = truth + N(0, sigma^2), given that they add up to ``total`` records."""
    levels = _levels(counts, sigma, total)
    like = np.exp(_log_likelihood(counts, levels, sigma))
    posterior = _Chain(levels, sigma).fit(like + 1e-300, steps=STEPS if len(counts) <= WIDE else 8)
    mean = posterior @ levels
    spread = np.sqrt(np.maximum(posterior @ levels**2 - mean**2, 0) + posterior @ _around(levels, sigma))
    return Estimate(_share_total(mean, spread, total), np.minimum(spread, sigma))


def _levels(counts: FloatArray, sigma: float, total: float) -> FloatArray:
    """Zero, a geometric ladder, and the table's own non-negative counts (at most 100 quantiles of them)."""
    top = max(float(counts.max()), total / len(counts), 2 * sigma)
    own = np.maximum(counts, 0)
    if len(own) > 120:
        own = np.quantile(own, np.linspace(0, 1, 100))
    return np.unique(np.concatenate([[0.0], np.geomspace(0.05 * sigma, top, 40), own]))


def _around(levels: FloatArray, sigma: float) -> FloatArray:
    """Variance of a count around its level: levels far apart say no more of it than the noise does."""
    return np.clip(np.gradient(levels) ** 2 / 12, (0.05 * sigma) ** 2, sigma**2)


def _log_likelihood(counts: FloatArray, levels: FloatArray, sigma: float) -> FloatArray:
    log = -((counts[:, None] - levels) ** 2) / (2 * sigma**2)
    best: FloatArray = log.max(axis=1, keepdims=True)
    return log - best


def _share_total(mean: FloatArray, spread: FloatArray, total: float) -> FloatArray:
    """Means that add up to the total: the gap is shared out by variance, and no mean falls below a floor."""
    weight = spread**2 / (spread**2).sum()
    for _ in range(5):
        mean = np.maximum(mean + (total - mean.sum()) * weight, FLOOR * total / len(mean))
    return np.asarray(mean * (total / mean.sum()))


class _Chain:
    """The hidden chain over L levels: mixing rates of (stay, drifts..., fresh draw) and the fresh draw's law."""

    def __init__(self, levels: FloatArray, sigma: float) -> None:
        scale = np.arcsinh(levels / sigma)
        width = np.gradient(scale) if len(levels) > 1 else np.ones(1)
        self.kernels = [np.eye(len(levels))]
        for drift in DRIFTS:
            kernel = np.exp(-((scale[:, None] - scale) ** 2) / (2 * drift**2)) * width
            self.kernels.append(kernel / kernel.sum(axis=1, keepdims=True))
        fresh = np.gradient(np.sqrt(levels + sigma)) if len(levels) > 1 else np.ones(1)
        self.guess = fresh / fresh.sum()
        self.fresh = self.guess.copy()
        self.rates = np.array([0.3, 0.2, 0.2, 0.3])

    def fit(self, like: FloatArray, *, steps: int) -> FloatArray:
        """Learn rates and fresh draw from ``like`` (codes x levels); the posterior of every code's level."""
        posterior = like
        for _ in range(steps):
            posterior = self._step(like)
        return posterior

    def _step(self, like: FloatArray) -> FloatArray:
        move = sum((r * k for r, k in zip(self.rates, self.kernels, strict=False)), start=self.rates[-1] * self.fresh)
        before, after = self._forward(like, move), self._backward(like, move)
        posterior = before * after
        posterior /= posterior.sum(axis=1, keepdims=True)
        past, future = before[:-1], after[1:] * like[1:]
        both = ((past @ move) * future).sum(axis=1)
        jump = self.rates[-1] * past.sum(axis=1)[:, None] * self.fresh * future / both[:, None]
        used = [r * ((past @ k) * future).sum(axis=1) / both for r, k in zip(self.rates, self.kernels, strict=False)]
        rates = np.array([float(u.sum()) for u in used] + [float(jump.sum())]) + 0.5
        fresh = posterior[0] + jump.sum(axis=0) + 2 * self.guess
        self.rates, self.fresh = rates / rates.sum(), fresh / fresh.sum()
        return posterior

    def _forward(self, like: FloatArray, move: FloatArray) -> FloatArray:
        out = np.empty_like(like)
        state = self.fresh * like[0]
        out[0] = state / state.sum()
        for code in range(1, len(like)):
            state = (out[code - 1] @ move) * like[code]
            out[code] = state / state.sum()
        return out

    def _backward(self, like: FloatArray, move: FloatArray) -> FloatArray:
        out = np.ones_like(like)
        for code in range(len(like) - 2, -1, -1):
            state = move @ (out[code + 1] * like[code + 1])
            out[code] = state / state.sum()
        return out
