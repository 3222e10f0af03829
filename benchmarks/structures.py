"""Generated tables whose structure is known, each of another shape; nothing in them comes from people.

Every law draws its own parameters from one seed and its rows from another, so that a second sample
of the same law can be drawn: two samples of one law differ by sampling alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from privacy.values import Domain, IntArray

Random = np.random.Generator
Drawing = Callable[[Random, Random, int, Domain], IntArray]

LAW = 20261122
"""Seed of every law's parameters."""


@dataclass(frozen=True)
class Shape:
    """A law and how many rows of it are benchmarked; ``about`` says what is hard in it."""

    name: str
    about: str
    rows: int
    domain: Domain
    target: str
    draw: Drawing

    def sample(self, rows: int, *, seed: int) -> IntArray:
        """Rows x columns of codes. The same seed gives the same rows."""
        return self.draw(np.random.default_rng(LAW), np.random.default_rng([LAW, seed]), rows, self.domain)


def tree(law: Random, rng: Random, rows: int, domain: Domain) -> IntArray:
    """Every column depends on one of the three before it."""
    drawn: list[IntArray] = []
    for place, size in enumerate(domain.sizes):
        if not drawn:
            drawn.append(rng.choice(size, rows, p=law.dirichlet(np.ones(size))))
            continue
        parent = max(0, place - 1 - int(law.integers(0, 3)))
        drawn.append(_follow(drawn[parent], law.dirichlet(np.full(size, 0.4), domain.sizes[parent]), rng))
    return np.stack(drawn, axis=1)


def parity(law: Random, rng: Random, rows: int, domain: Domain) -> IntArray:
    """Triples (a, b, a xor b with one in twenty flipped): no two columns of them depend on each other."""
    drawn: list[IntArray] = []
    while len(drawn) < len(domain.columns):
        first, second = rng.integers(0, 2, (2, rows))
        drawn += [first, second, first ^ second ^ (rng.random(rows) < 0.05)]
    return np.stack(drawn[: len(domain.columns)], axis=1)


def functions(law: Random, rng: Random, rows: int, domain: Domain) -> IntArray:
    """A fifth of the columns are free; every other one is a function of two columns, wrong in one row of fifty."""
    free = max(2, len(domain.columns) // 5)
    drawn: list[IntArray] = []
    for place, size in enumerate(domain.sizes):
        noise = rng.choice(size, rows, p=law.dirichlet(np.ones(size)))
        if place >= free:
            one, other = law.choice(place, 2, replace=False).tolist()
            table = law.integers(0, size, (domain.sizes[one], domain.sizes[other]))
            noise = np.where(rng.random(rows) < 0.02, noise, table[drawn[one], drawn[other]])
        drawn.append(noise)
    return np.stack(drawn, axis=1)


def tails(law: Random, rng: Random, rows: int, domain: Domain) -> IntArray:
    """Code k has weight 1 / (k + 1)^1.2 in every column; neighbours are alike in half of the rows."""
    drawn: list[IntArray] = []
    for size in domain.sizes:
        weights = (1.0 + np.arange(size)) ** -1.2
        order = law.permutation(size)  # heavy codes are not neighbours
        fresh = order[rng.choice(size, rows, p=weights / weights.sum())]
        if drawn:
            follow = law.permutation(max(domain.sizes))[drawn[-1]] % size
            fresh = np.where(rng.random(rows) < 0.5, follow, fresh)
        drawn.append(fresh)
    return np.stack(drawn, axis=1)


def rare(law: Random, rng: Random, rows: int, domain: Domain) -> IntArray:
    """One row in a thousand is of a rare kind, which holds rare codes all at once; other rows hardly ever do."""
    odd = rng.random(rows) < 0.001
    drawn = []
    for size in domain.sizes:
        usual = np.concatenate([law.dirichlet(np.ones(size - 1)) * 0.9995, [0.0005]])
        drawn.append(np.where(odd & (rng.random(rows) < 0.9), size - 1, rng.choice(size, rows, p=usual)))
    return np.stack(drawn, axis=1)


def classes(law: Random, rng: Random, rows: int, domain: Domain) -> IntArray:
    """Blocks of ten columns; those of a block share a hidden class of four, and so depend on each other all."""
    drawn = []
    for place, size in enumerate(domain.sizes):
        if place % 10 == 0:
            hidden = rng.integers(0, 4, rows)
        drawn.append(_follow(hidden, law.dirichlet(np.full(size, 0.5), 4), rng))
    return np.stack(drawn, axis=1)


def _follow(parent: IntArray, chances: np.ndarray[tuple[int, ...], np.dtype[np.float64]], rng: Random) -> IntArray:
    """One code per row, from the row of ``chances`` that the parent's code names."""
    edges = chances.cumsum(axis=1)[:, :-1]
    found = np.zeros(len(parent), np.int64)
    mark = rng.random(len(parent))
    for edge in edges.T:
        found += mark > edge[parent]
    return found


def of_columns(columns: int, sizes: tuple[int, ...]) -> Domain:
    """Columns c000, c001, ... whose sizes go round and round."""
    return Domain(tuple(f"c{at:03d}" for at in range(columns)), tuple(sizes[at % len(sizes)] for at in range(columns)))


SHAPES = (
    Shape("clinic", "few rows, each column follows one other", 500, of_columns(5, (2, 4, 3, 6, 2)), "c004", tree),
    Shape("parity", "dependence in threes, none in twos", 10_000, of_columns(12, (2,)), "c011", parity),
    Shape(
        "functions", "columns that all but follow from two others", 50_000, of_columns(30, (2, 6, 3, 8, 4)), "c025",
        functions,
    ),
    Shape("tails", "wide columns with heavy tails", 200_000, of_columns(10, (2, 300, 40, 800, 12)), "c005", tails),
    Shape("rare", "rare codes that come together", 1_000_000, of_columns(8, (3, 6, 4, 12)), "c000", rare),
    Shape("classes", "a hundred columns in blocks of ten", 5_000, of_columns(100, (2, 5, 3, 8)), "c000", classes),
)  # fmt: skip


def growing(columns: int, rows: int) -> Shape:
    """The tree again, as wide and as long as asked: to see how work grows."""
    return Shape("tree", "each column follows one other", rows, of_columns(columns, (4, 9, 14, 2, 7)), "c003", tree)
