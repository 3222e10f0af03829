"""What is worth measuring next, from released facts alone.

Noise costs a table sqrt(2 / pi) sigma per cell, so how many tables to buy, and how finely to see their
columns, follows from the released total and the price of noise, never from the data. The budget is split
over K = pairs * sqrt(n sqrt(rho) / 9000) tables, at least one per column; each choice may take any view of
a pair, and from half-way any coarse view of three columns of which two pairs were measured.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from functools import reduce
from itertools import combinations, product

import numpy as np

from privacy.values import Axis, Clique, Domain, IntArray, NoisyMarginal
from synthesis.loop.denoising import FloatArray

NOISE = math.sqrt(2 / math.pi)  # expected |N(0, 1)|
PAIR_PENALTY, TRIPLE_PENALTY = 0.3, 1.0  # share of a table's noise that its score must beat
TABLES_PER_COLUMN = 8  # so that work grows with columns, not with their pairs
MOST_CANDIDATES = 4000
SMALLEST = 16  # cells of the coarsest view of a pair
OWN_SAMPLING = 1.0  # most of the pool's own sampling, beside the records', that counts as a difference worth buying
WORTH = 0.07  # of the records: what a table's noise may add up to over its cells


def rounds(*, columns: int, total: float, rho: float, planned: int = 0, one_way_share: float = 0.3) -> tuple[int, int]:
    """Rounds, and tables in each. No round at all where the noise of the coarsest table drowns the records.

    ``planned`` tables are measured anyway and count as if they had been chosen.
    """
    pairs = columns * (columns - 1) // 2
    least = min(columns, pairs)
    noise = NOISE * math.sqrt(least / (2 * rho * (1 - one_way_share))) if rho > 0 else math.inf
    if pairs == 0 or noise * SMALLEST > total:
        return 0, 1
    wanted = pairs * math.sqrt(total * math.sqrt(rho) / 9000)
    tables = int(np.clip(wanted, least, min(1.2 * pairs, TABLES_PER_COLUMN * columns)))
    count = max(min(3, tables), min(8, tables // 4))
    return count, math.ceil(max(tables - planned, 1) / count)


def pool_size(least: int, tables: Sequence[NoisyMarginal], *, total: float) -> int:
    """Records that learn: twice as many where the pool's own sampling would outweigh most tables' noise."""
    if not tables:
        return least
    sampling = [total**2 / (least * table.counts.size) / table.sigma**2 for table in tables]
    return 2 * least if float(np.median(sampling)) > 1 else least


class Views:
    """The views of each column, by level, as axes; those that look alike are one."""

    def __init__(self, domain: Domain, bins: dict[tuple[str, int], IntArray]) -> None:
        self.domain = domain
        self._axes = {key: _axis(key[0], view, domain) for key, view in bins.items()}

    def pairs(self, taken: set[frozenset[str]], levels: tuple[int, ...]) -> Iterator[Clique]:
        columns = [pair for pair in combinations(self.domain.columns, 2) if frozenset(pair) not in taken]
        levels = _thin(levels, len(columns))
        for pair in columns:
            yield from self._distinct(pair, product(levels, repeat=2))

    def finest(self, columns: Sequence[str], levels: tuple[int, ...], *, cells: float) -> Clique:
        """The view of a few columns with the most cells, but no more than ``cells``; else the one with the fewest."""
        views = list(self._distinct(tuple(columns), product(levels, repeat=len(columns))))
        fitting = [view for view in views if view.cells(self.domain) <= cells]
        return max(fitting, key=self._cells) if fitting else min(views, key=self._cells)

    def _cells(self, view: Clique) -> int:
        return view.cells(self.domain)

    def triples(self, taken: set[frozenset[str]], levels: tuple[int, ...]) -> Iterator[Clique]:
        """Views of three columns, of which two pairs were measured already."""
        found = [
            each
            for each in combinations(self.domain.columns, 3)
            if frozenset(each) not in taken and sum(frozenset(pair) in taken for pair in combinations(each, 2)) >= 2
        ]
        for each in found[: MOST_CANDIDATES // max(len(levels), 1)]:
            yield from self._distinct(each, ((level,) * 3 for level in levels))

    def _distinct(self, columns: tuple[str, ...], levels: Iterable[tuple[int, ...]]) -> Iterator[Clique]:
        axes = (tuple(self._axes[c, at] for c, at in zip(columns, each, strict=True)) for each in levels)
        yield from map(Clique, dict.fromkeys(axes))


def affordable(*, sigma: float, total: float) -> float:
    """Cells of a table whose noise adds up to no more than its worth."""
    return WORTH * total / (NOISE * sigma)


def penalty(expected: IntArray, *, sigma: float) -> int:
    """The part of a table's noise its score must beat; a cell's noise counts at most the cell itself."""
    share = PAIR_PENALTY if expected.ndim == 2 else TRIPLE_PENALTY
    return round(share * float(np.minimum(NOISE * sigma, expected).sum()))


def chance(axes: Sequence[tuple[FloatArray, FloatArray]], *, total: float, sampling: float) -> int:
    """The distance sum |count - expected| foreseen for a table whose columns have nothing to do with each other.

    ``axes``: share and standard deviation (in records) of every bin, by column, as the one-way tables tell
    them. The records themselves are a sample, and so is the pool: one of its records stands for ``sampling``.
    """
    shares = reduce(np.multiply.outer, [share for share, _ in axes])
    variance = (1 + sampling) * total * shares
    for place, (_, spread) in enumerate(axes):
        others = [spread**2 if at == place else other**2 for at, (other, _) in enumerate(axes)]
        variance = variance + reduce(np.multiply.outer, others)
    return round(NOISE * float(np.sqrt(variance).sum()))


def forgone(columns: Sequence[tuple[FloatArray, float]], *, sigma: float) -> int:
    """What the price of one more table, with noise ``sigma``, would win on all one-way tables instead, in records.

    ``columns``: the posterior standard deviation of every code of a column, and its noise as released. The price
    would add to the one-way tables' precisions in proportion; how far that narrows a posterior depends on how much
    of it is noise. This is the sum over columns of the expected |count - truth| that would go, times sqrt(columns / 2):
    a column is in more tables of two than the one that is bought, and some of these learn from it too.
    """
    more = sigma**-2 / sum(noise**-2 for _, noise in columns) if columns else 0.0
    gone = sum(float((sd - (sd**-2 + more * noise**-2) ** -0.5).sum()) for sd, noise in columns)
    return round(NOISE * math.sqrt(len(columns) / 2) * gone)


def may_buy_nothing(cliques: Sequence[Clique], chances: Sequence[int], *, domain: Domain, sigma: float) -> bool:
    """Whether chance alone would not be worth a table's noise, even of the coarsest table.

    Where noise is smaller than the differences that chance brings, any table is better than none. ``chances`` hold no
    more than OWN_SAMPLING of the pool: how far the pool strays from its own model is nothing a table could win.
    """
    if not cliques:
        return False
    cells, foreseen = min((clique.cells(domain), chance) for clique, chance in zip(cliques, chances, strict=True))
    return NOISE * sigma * cells >= foreseen


def drowned(cliques: Sequence[Clique], *, domain: Domain, sigma: float, total: float) -> bool:
    """Whether even the coarsest table's noise is more of the records than a table is worth."""
    cells = [clique.cells(domain) for clique in cliques]
    return bool(cells) and min(cells) > affordable(sigma=sigma, total=total)


def _axis(column: str, view: IntArray, domain: Domain) -> Axis:
    apart = int(view.max()) + 1 == domain.size(column)
    return Axis(column) if apart else Axis(column, tuple(view.tolist()))


def _thin(levels: tuple[int, ...], pairs: int) -> tuple[int, ...]:
    """Every second level is left out until all pairs together stay below the largest number of candidates."""
    while len(levels) > 1 and pairs * len(levels) ** 2 > MOST_CANDIDATES:
        levels = levels[::2]
    return levels
