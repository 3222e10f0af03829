"""Generated tables with known structure, and releases of them noised by numpy, for tests of the loop."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from itertools import combinations

import numpy as np

from privacy.values import Clique, Domain, IntArray, NoisyMarginal, PrivacyUnit, Release
from synthesis.loop import LoopSettings

DOMAIN = Domain(("region", "age", "work", "income", "owner"), (4, 12, 3, 6, 2))
EVERYTHING = {column: tuple(range(size)) for column, size in zip(DOMAIN.columns, DOMAIN.sizes, strict=True)}
SMALL = LoopSettings(pool_size=4000, sweeps=8, settle_sweeps=10)
PAIRS = tuple(Clique.of(*pair) for pair in combinations(DOMAIN.columns, 2))
ONES = tuple(Clique.of(column) for column in DOMAIN.columns)


def people(rows: int, *, seed: int = 0) -> IntArray:
    """A population in which age drives work, work and region drive income, and income drives ownership."""
    rng = np.random.default_rng(seed)
    region = rng.choice(4, rows, p=[0.4, 0.3, 0.2, 0.1])
    age = np.minimum(rng.gamma(4, 1.2, rows).astype(int), 11)
    work = np.where(age < 2, 0, np.where(age > 8, 2, rng.choice(3, rows, p=[0.2, 0.7, 0.1])))
    income = np.clip(rng.poisson(0.5 + 1.6 * (work == 1) + 0.5 * region), 0, 5)
    owner = (rng.random(rows) < 0.1 + 0.15 * income).astype(int)
    return np.stack([region, age, work, income, owner], axis=1).astype(np.int64)


def counts(codes: IntArray, clique: Clique, domain: Domain = DOMAIN) -> IntArray:
    """The codes' own table over the clique."""
    views = []
    for axis in clique.axes:
        column = codes[:, domain.index(axis.column)]
        views.append(np.asarray(axis.bins)[column] if axis.bins else column)
    shape = clique.shape(domain)
    return np.bincount(np.ravel_multi_index(views, shape), minlength=int(np.prod(shape))).reshape(shape)


def released(codes: IntArray, cliques: Sequence[Clique], *, sigma: float, seed: int = 0) -> Release:
    """Every clique's counts with rounded Gaussian noise. For tests alone: the product's noise is OpenDP's."""
    rng = np.random.default_rng(seed)
    tables = []
    for place, clique in enumerate(cliques):
        exact = counts(codes, clique)
        noise = np.rint(rng.normal(0, sigma, exact.shape)).astype(np.int64)
        tables.append(NoisyMarginal(clique, exact + noise, sigma, f"test/{place}"))
    return Release("test", DOMAIN, tuple(tables), PrivacyUnit(), Decimal(1), Decimal(0))


def distance(first: IntArray, second: IntArray, cliques: Sequence[Clique] = PAIRS) -> float:
    """Mean total variation distance between two sets of records over the cliques."""
    gaps = [0.5 * np.abs(counts(first, c) / len(first) - counts(second, c) / len(second)).sum() for c in cliques]
    return float(np.mean(gaps))
