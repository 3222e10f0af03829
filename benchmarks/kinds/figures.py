"""How far synthetic tables are from the real ones: total variation distances, and their means."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from privacy.values import IntArray
from synthesis.members import People

Seen = Sequence[IntArray]


def distance(real: Seen, made: Seen) -> float:
    """Total variation distance of two tables, each given as columns of codes, all of one length."""
    left, right = np.stack(real), np.stack(made)
    sizes = np.maximum(left.max(axis=1, initial=0), right.max(axis=1, initial=0)) + 1
    shares = []
    for each in (left, right):
        counts = np.bincount(np.ravel_multi_index(tuple(each), tuple(sizes)), minlength=int(np.prod(sizes)))
        shares.append(counts / max(counts.sum(), 1))
    return float(np.abs(shares[0] - shares[1]).sum() / 2)


def mean(distances: Iterable[float]) -> float:
    return float(np.mean(list(distances)))


def compared(real: People, made: People, *names: str, of_units: bool = False) -> tuple[Seen, Seen]:
    """The same columns of both: of every member, or of every unit."""
    seen = _of_units if of_units else column
    return [seen(real, name) for name in names], [seen(made, name) for name in names]


def column(people: People, name: str) -> IntArray:
    """An attribute of every member, or a column of its unit."""
    if name in people.layout.top.columns:
        return np.asarray(_of_units(people, name)[people.owners])
    return people.codes[name].astype(np.int64)


def meeting(people: People, name: str) -> Seen:
    """The first two members of every unit that has two."""
    first = people.starts[people.counts >= 2]
    return [column(people, name)[first], column(people, name)[first + 1]]


def all_pairs(people: People, name: str) -> Seen:
    """Every two members of a unit, in their order."""
    values, lefts, rights = column(people, name), [], []
    for gap in range(1, people.layout.most):
        left = np.flatnonzero(people.position + gap < people.counts[people.owners])
        lefts.append(values[left])
        rights.append(values[left + gap])
    return [np.concatenate(lefts), np.concatenate(rights)]


def _of_units(people: People, name: str) -> IntArray:
    return np.asarray(people.top[:, people.layout.top.index(name)])
