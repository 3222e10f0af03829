"""What one-way releases say: how many records there are, and how each column is distributed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from privacy.values import Domain, NoisyMarginal
from synthesis.loop.denoising import Estimate, FloatArray, denoise


def is_one_way(marginal: NoisyMarginal) -> bool:
    """Whether this is the table of one column with every code apart."""
    return len(marginal.clique.axes) == 1 and not marginal.clique.axes[0].bins


def total(marginals: Sequence[NoisyMarginal]) -> float:
    """The number of records: the released totals, weighted by precision; one-way tables where there are any."""
    chosen = [m for m in marginals if is_one_way(m)] or list(marginals)
    if not chosen:
        return 1.0
    weights = np.array([1 / (m.counts.size * m.sigma**2) for m in chosen])
    sums = np.array([float(m.counts.sum()) for m in chosen])
    return max(float(weights @ sums / weights.sum()), 1.0)


def columns(domain: Domain, marginals: Sequence[NoisyMarginal], *, records: float) -> list[Estimate]:
    """An estimate for every column; a column without its one-way table is taken as even, and weakly so."""
    return [
        _even(size, records) if table is None else denoise(table[0], sigma=table[1], total=records)
        for table, size in zip(pooled(domain, marginals), domain.sizes, strict=True)
    ]


def pooled(domain: Domain, marginals: Sequence[NoisyMarginal]) -> list[tuple[FloatArray, float] | None]:
    """Each column's one-way counts and the standard deviation of their noise; None where nothing was released.

    Tables of the same column are averaged by their precision.
    """
    ones = [marginal for marginal in marginals if is_one_way(marginal)]
    return [_pooled([m for m in ones if m.clique.columns == (column,)]) for column in domain.columns]


def _pooled(tables: list[NoisyMarginal]) -> tuple[FloatArray, float] | None:
    if not tables:
        return None
    precision = np.array([m.sigma**-2 for m in tables])
    stacked = np.stack([m.counts.astype(float) for m in tables])
    return (precision[:, None] * stacked).sum(axis=0) / precision.sum(), float(precision.sum() ** -0.5)


def _even(size: int, records: float) -> Estimate:
    return Estimate(np.full(size, records / size), np.full(size, records))
