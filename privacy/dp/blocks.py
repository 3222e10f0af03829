"""Which sets of columns to count together, so that many tables are read off few passes over the rows.

A block is counted once per batch of rows; every asked table whose columns lie in it is a sum over the
block's cells. A table too large to share is a block of its own, with its bins applied row by row.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from privacy.values import Axis, Clique, Columns, Domain, IntArray

MOST_CELLS = 2**15
"""Of a shared block: its counters stay in the processor's cache."""


@dataclass(frozen=True, slots=True)
class Block:
    """Axes counted together, and which of the asked tables (by place) are read off them."""

    axes: tuple[Axis, ...]
    places: tuple[int, ...]

    def count(self, columns: Columns, domain: Domain) -> IntArray:
        """Rows per cell of the block, flat."""
        sizes = [axis.size(domain) for axis in self.axes]
        cells = math.prod(sizes)
        kind: type[np.integer[Any]] = np.uint16 if cells < 2**16 else np.int64
        found: NDArray[np.integer[Any]] = np.zeros(len(columns[0]), dtype=kind)
        for axis, size in zip(self.axes, sizes, strict=True):
            codes = columns[domain.index(axis.column)]
            np.multiply(found, kind(size), out=found)
            seen = np.take(np.asarray(axis.bins, dtype=kind), codes) if axis.bins else codes
            np.add(found, seen, out=found, casting="unsafe")
        return np.bincount(found, minlength=cells).astype(np.int64, copy=False)

    def read(self, counts: IntArray, clique: Clique, domain: Domain) -> IntArray:
        """The clique's table out of the block's counts."""
        if self.axes == clique.axes:
            return counts.reshape(clique.shape(domain)).copy()
        names = [axis.column for axis in self.axes]
        table = counts.reshape([axis.size(domain) for axis in self.axes])
        table = table.sum(axis=tuple(place for place, name in enumerate(names) if name not in clique.columns))
        kept = [name for name in names if name in clique.columns]
        table = table.transpose([kept.index(name) for name in clique.columns])
        for place, axis in enumerate(clique.axes):
            table = binned(table, axis, place)
        return np.ascontiguousarray(table)


def binned(table: IntArray, axis: Axis, place: int) -> IntArray:
    """The table with the codes along ``place`` added up into the axis' bins."""
    if not axis.bins:
        return table
    turned = np.moveaxis(table, place, 0)
    sums = np.zeros((max(axis.bins) + 1, *turned.shape[1:]), dtype=table.dtype)
    np.add.at(sums, np.asarray(axis.bins), turned)
    return np.moveaxis(sums, 0, place)


def cover(cliques: Sequence[Clique], domain: Domain) -> list[Block]:
    """Blocks from which every one of ``cliques`` can be read."""
    small: dict[frozenset[str], list[int]] = {}
    blocks = []
    for place, clique in enumerate(cliques):
        if _cells(clique.columns, domain) <= MOST_CELLS:
            small.setdefault(frozenset(clique.columns), []).append(place)
        else:
            blocks.append(Block(clique.axes, (place,)))
    wanted = dict(sorted(small.items(), key=lambda item: (-len(item[0]), sorted(item[0]))))
    touching = {name: [each for each in wanted if name in each] for name in domain.columns}
    while wanted:
        columns, inside = _grown(next(iter(wanted)), wanted, touching, domain)
        places = tuple(place for each in inside for place in wanted.pop(each))
        blocks.append(Block(tuple(Axis(name) for name in domain.columns if name in columns), places))
    return blocks


def _grown(
    start: frozenset[str],
    wanted: Container[frozenset[str]],
    touching: Mapping[str, list[frozenset[str]]],
    domain: Domain,
) -> tuple[frozenset[str], list[frozenset[str]]]:
    """``start`` with further columns, as long as each brings more wanted sets into a block of bounded size.

    Also the wanted sets that lie in it. A set comes in with a column when that is all it lacks: keeping how many
    columns of each set are in already tells every column's gain without looking at all sets again.
    """
    columns, added, room = frozenset[str](), start, MOST_CELLS
    held: Counter[frozenset[str]] = Counter()
    while True:
        held.update(each for name in added for each in touching[name] if each in wanted)
        columns, room = columns | added, room // max(_cells(added, domain), 1)
        gains = Counter(name for each, count in held.items() if count == len(each) - 1 for name in each - columns)
        gains.update(name for name in domain.columns if name not in columns and frozenset((name,)) in wanted)
        fitting = [name for name in domain.columns if gains[name] and domain.size(name) <= room]
        if not fitting:
            return columns, [each for each, count in held.items() if count == len(each)]
        added = frozenset((max(fitting, key=lambda name: gains[name]),))


def _cells(columns: Iterable[str], domain: Domain) -> int:
    return math.prod(domain.size(column) for column in columns)
