"""Three small attacks on a released table: was somebody in the data, can one be singled out, can two parts be linked.

Each attacks the persons in the data and, just alike, persons of the same kind that were not in it. What succeeds
against both is knowledge of the population, which a useful table must give; only the difference is a risk to those in
the data. (The measure is that of Giomi et al., "A unified framework for quantifying privacy risk in synthetic data",
2023; the attacks are our own.) Tables are codes, rows x columns, all of one domain. Pure.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.integer[Any]]
Flags = NDArray[np.bool_]

SURE = 3.29
"""Half the width of an interval in standard errors: true differences lie in it 999 of 1000 times."""
AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Risk:
    """How much oftener an attack succeeds against those in the data, with an interval around it."""

    estimate: float
    error: float

    @property
    def low(self) -> float:
        return self.estimate - SURE * self.error

    @property
    def high(self) -> float:
        return self.estimate + SURE * self.error

    def __str__(self) -> str:
        return f"{self.estimate:.3f} ({self.low:.3f} to {self.high:.3f})"


def difference(inside: Flags, outside: Flags) -> Risk:
    """Of two independent shares."""
    shares = [(float(flags.mean()), len(flags)) for flags in (inside, outside)]
    error = math.sqrt(sum(max(share * (1 - share), 1 / many) / many for share, many in shares))
    return Risk(shares[0][0] - shares[1][0], error)


def membership(synthetic: Codes, inside: Codes, outside: Codes) -> Risk:
    """Whoever lies close to a synthetic row is taken for a member.

    How close is learned on half of the persons, as an attacker could who knows some, and judged on the other half.
    """
    near, far = nearest(synthetic, inside), nearest(synthetic, outside)
    learned = [(float((near[::2] <= at).mean() - (far[::2] <= at).mean()), at) for at in range(synthetic.shape[1] + 1)]
    limit = max(learned)[1]
    return difference(near[1::2] <= limit, far[1::2] <= limit)


def nearest(synthetic: Codes, persons: Codes) -> NDArray[np.int64]:
    """For each person, in how many columns the closest synthetic row differs."""
    parts = [distances(synthetic, persons[at : at + AT_ONCE]).min(axis=1) for at in range(0, len(persons), AT_ONCE)]
    return np.concatenate(parts)


def distances(synthetic: Codes, persons: Codes) -> NDArray[np.int64]:
    """In how many columns they differ: persons x synthetic rows."""
    return sum(persons[:, [at]] != synthetic[:, at] for at in range(synthetic.shape[1])).astype(np.int64)


def singling_out(synthetic: Codes, inside: Codes, outside: Codes, rng: np.random.Generator, guesses: int) -> Risk:
    """A description that fits one synthetic row alone is taken to fit one person alone."""
    hits = [guess(synthetic, inside, outside, rng) for _ in range(guesses)]
    return difference(np.array([one for one, _ in hits]), np.array([other for _, other in hits]))


def guess(synthetic: Codes, inside: Codes, outside: Codes, rng: np.random.Generator) -> tuple[bool, bool]:
    """Whether one such description fits exactly one person in the data, and exactly one of those outside it."""
    while True:
        row = synthetic[rng.integers(len(synthetic))]
        columns = rng.permutation(synthetic.shape[1])[: rng.integers(3, synthetic.shape[1] + 1)]
        if fitting(synthetic, row, columns) == 1:
            return fitting(inside, row, columns) == 1, fitting(outside, row, columns) == 1


def fitting(table: Codes, row: Codes, columns: NDArray[np.int64]) -> int:
    return int((table[:, columns] == row[columns]).all(axis=1).sum())


def linkability(synthetic: Codes, inside: Codes, outside: Codes) -> Risk:
    """Two halves of a person's columns are linked through the synthetic rows that are closest to both."""
    return difference(linked(synthetic, inside), linked(synthetic, outside))


def linked(synthetic: Codes, persons: Codes) -> Flags:
    half = synthetic.shape[1] // 2
    found = []
    for at in range(0, len(persons), AT_ONCE):
        part = persons[at : at + AT_ONCE]
        first, second = distances(synthetic[:, :half], part[:, :half]), distances(synthetic[:, half:], part[:, half:])
        found.append((closest(first) & closest(second)).any(axis=1))
    return np.concatenate(found)


def closest(found: NDArray[np.int64]) -> Flags:
    return found == found.min(axis=1, keepdims=True)
