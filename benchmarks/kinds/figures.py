"""How far synthetic tables are from the real ones: total variation distances, and their means."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from privacy.values import IntArray
from synthesis.members import People

if TYPE_CHECKING:
    from benchmarks.kinds.population import Population


def distance(real: Iterable[IntArray], made: Iterable[IntArray]) -> float:
    """Total variation distance of two tables, each given by columns of codes, missing codes as -1."""
    left, right = np.stack(list(real)), np.stack(list(made))
    sizes = np.maximum(left.max(axis=1, initial=0), right.max(axis=1, initial=0)) + 2
    cells = int(np.prod(sizes))
    a, b = (np.bincount(np.ravel_multi_index(tuple(each + 1), tuple(sizes)), minlength=cells) for each in (left, right))
    return float(np.abs(a / max(a.sum(), 1) - b / max(b.sum(), 1)).sum() / 2)


def mean(distances: Iterable[float]) -> float:
    return float(np.mean(list(distances)))


def of_population(kind: Population, real: People, made: People) -> dict[str, float]:
    own, tops, size = kind.members.names, kind.units.names, kind.layout.top.columns[-1]
    attribute, unit = _attributes(real, made), _units(real, made)
    found = {
        "household 1-ways": mean(distance(*unit(name)) for name in tops),
        "household pairs": mean(distance(*unit(*pair)) for pair in combinations(tops, 2)),
        "size": distance(*unit(size)),
        "person 1-ways": mean(distance(*attribute(name)) for name in own),
        "person pairs": mean(distance(*attribute(*pair)) for pair in combinations(own, 2)),
        "household x person": mean(distance(*attribute(top, name)) for top in tops for name in own),
    }
    for name in own:
        found[f"{name} of persons 1 and 2"] = distance(meeting(real, name), meeting(made, name))
    for name in own:
        found[f"{name} of all pairs in a household"] = distance(all_pairs(real, name), all_pairs(made, name))
    return found


def column(people: People, name: str) -> IntArray:
    """An attribute of every member, or a column of its unit."""
    if name in people.layout.top.columns:
        return np.asarray(people.top[people.owners, people.layout.top.index(name)])
    return people.codes[name][:-1].astype(np.int64)


def meeting(people: People, name: str) -> list[IntArray]:
    """The first two members of every unit that has two."""
    first = people.starts[people.counts >= 2]
    return [column(people, name)[first], column(people, name)[first + 1]]


def all_pairs(people: People, name: str) -> list[IntArray]:
    """Every two members of a unit, in their order."""
    values, lefts, rights = column(people, name), [], []
    for gap in range(1, people.layout.most):
        left = np.flatnonzero(people.position + gap < people.counts[people.owners])
        lefts.append(values[left])
        rights.append(values[left + gap])
    return [np.concatenate(lefts), np.concatenate(rights)]


def _attributes(real: People, made: People):  # type: ignore[no-untyped-def]
    return lambda *names: tuple([column(people, name) for name in names] for people in (real, made))


def _units(real: People, made: People):  # type: ignore[no-untyped-def]
    return lambda *names: tuple(
        [people.top[:, people.layout.top.index(name)] for name in names] for people in (real, made)
    )
