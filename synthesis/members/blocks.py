"""Attributes drawn together, and the members that may be drawn at once.

A block's codes are enumerated, those that a rule inside the block forbids left out, so that attributes tied by rules
change together. Members of one colour never meet in one instance of any table, so they are drawn all at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from privacy.layouts import Layout
from privacy.values import IntArray
from synthesis.loop.denoising import FloatArray
from synthesis.loop.sampling import Codes, Weights, chunks, draw
from synthesis.members.evidence import Tilted
from synthesis.members.people import People
from synthesis.members.tables import Rule

MOST_CHOICES = 2**14


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """``choices``: allowed combinations x attributes; ``base``: the log weight of each."""

    attributes: tuple[str, ...]
    choices: IntArray
    base: Weights

    @classmethod
    def of(cls, attributes: Sequence[str], layout: Layout, rules: Iterable[Rule], base: dict[str, FloatArray]) -> Block:
        """ValueError when there are too many combinations to enumerate, or none that the rules allow."""
        sizes = [layout.members.size(name) for name in attributes]
        if np.prod(sizes, dtype=float) > MOST_CHOICES:
            raise ValueError(f"too many combinations to draw together: {', '.join(attributes)}")
        choices = np.indices(sizes).reshape(len(sizes), -1).T
        for rule in rules:
            names = own_columns(rule, layout)
            if names is not None and set(names) <= set(attributes):
                cell = tuple(choices[:, list(attributes).index(name)] for name in names)
                choices = choices[rule.allowed[0][cell]]
        if not len(choices):
            raise ValueError(f"the rules leave no combination of {', '.join(attributes)}")
        weights = sum(base[name][choices[:, place]] for place, name in enumerate(attributes))
        return cls(tuple(attributes), choices, np.asarray(weights, dtype=np.float32))


def own_columns(rule: Rule, layout: Layout) -> list[str] | None:
    """The attributes a rule is about, where it is about each member by itself, in one block; else None."""
    if len(rule.allowed) > 1 or len(rule.clique.slots) < layout.most:
        return None
    places = [layout.places[axis.column] for axis in rule.clique.slots[0].axes]
    plain = all(position == 1 and name in layout.drawn for name, position in places)
    return [name for name, _ in places] if plain and not any(a.bins for a in rule.clique.slots[0].axes) else None


def colours(tables: Sequence[Tilted], people: People) -> IntArray:
    """A number for every position, different for two positions that meet in an instance."""
    meeting: set[tuple[int, int]] = set()
    for table in tables:
        rows = [reading.rows for reading in table.readings if reading.attribute]
        for left, right in combinations(rows, 2):
            both = (left >= 0) & (right >= 0) & (left != right)
            pairs = np.unique(people.position[np.stack([left[both], right[both]])], axis=1)
            meeting |= {(int(a), int(b)) for a, b in pairs.T.tolist()}
    found = np.zeros(people.layout.most, dtype=np.int64)
    for place in range(people.layout.most):
        taken = {int(found[a if b == place else b]) for a, b in meeting if place in (a, b) and min(a, b) < place}
        found[place] = next(colour for colour in range(place + 1) if colour not in taken)
    return found


class Occurrence:
    """A table's instances in which the drawn members own the axes ``owned``; ``rows``: whose they are."""

    def __init__(self, table: Tilted, owned: tuple[int, ...], block: Block) -> None:
        self.table, self.owned = table, owned
        self.rest = [axis for axis in range(len(table.readings)) if axis not in owned]
        self.rows = table.readings[owned[0]].rows
        choices = [table.readings[a].bins[block.choices[:, block.attributes.index(table.readings[a].attribute)]]
                   for a in owned]  # fmt: skip
        self.moves = sum(code * table.strides[axis + 1] for code, axis in zip(choices, owned, strict=True))
        sizes = [table.shape[axis + 1] for axis in owned]
        self.flat = np.ravel_multi_index(choices, sizes)
        self.cells_owned = int(np.prod(sizes))
        self.cells_rest = int(np.prod(table.shape)) // self.cells_owned
        self._order = (0, *(axis + 1 for axis in self.rest), *(axis + 1 for axis in owned))

    @property
    def complete(self) -> bool:
        """Whether every instance of the table is among them."""
        return bool((self.rows >= 0).all())

    def elsewhere(self, codes: dict[str, Codes]) -> IntArray:
        """Each instance's cell of the block and of the other axes, numbered without gaps."""
        found = self.table.blocks
        for axis in self.rest:
            found = found * self.table.shape[axis + 1] + self.table.readings[axis].seen(codes)
        return found

    def unfold(self, values: FloatArray) -> FloatArray:
        """A table's values as cells elsewhere x choices."""
        return np.asarray(values.transpose(self._order).reshape(self.cells_rest, -1)[:, self.flat])

    def fold(self, rows: FloatArray) -> FloatArray:
        """The inverse for sums: cells elsewhere x choices, added up into the table."""
        choices = len(self.flat)
        ones = sp.csr_matrix((np.ones(choices), (np.arange(choices), self.flat)), shape=(choices, self.cells_owned))
        shape = [self.table.shape[place] for place in self._order]
        return np.asarray(rows @ ones).reshape(shape).transpose(np.argsort(self._order))


def occurrences(block: Block, tables: Sequence[Tilted]) -> list[Occurrence]:
    """Every way in which a member's block is part of a table. Axes of the same member are owned together."""
    return [Occurrence(table, way, block) for table in tables for way in _ways(block, table)]


def _ways(block: Block, table: Tilted) -> list[tuple[int, ...]]:
    ways: dict[bytes, tuple[int, ...]] = {}
    for axis, reading in enumerate(table.readings):
        if reading.attribute in block.attributes:
            whose = reading.rows.tobytes()
            ways[whose] = (*ways.get(whose, ()), axis)
    return list(ways.values())


class Group:
    """One block of all members of one colour: what never changes about drawing them."""

    def __init__(self, block: Block, parts: Sequence[Occurrence], chosen: NDArray[np.bool_]) -> None:
        self.block, self.parts, self.members = block, parts, np.flatnonzero(chosen)
        local = np.cumsum(chosen) - 1
        self.instances = [np.flatnonzero((part.rows >= 0) & chosen[part.rows]) for part in parts]
        owners = [local[part.rows[i]] for part, i in zip(parts, self.instances, strict=True)]
        owner = np.concatenate([local[:0], *owners])
        self.order = np.argsort(owner, kind="stable")
        self.owner = owner[self.order]
        self.ends = np.searchsorted(self.owner, np.arange(len(self.members) + 1)).astype(np.int32)
        self.offsets = np.cumsum([0, *(part.cells_rest for part in parts)])

    def weights(self) -> Weights:
        """What the instances count, in the order of ``index``'s rows."""
        weights = [part.table.weights[i] for part, i in zip(self.parts, self.instances, strict=True)]
        return np.asarray(np.concatenate(weights or [np.zeros(0)]).astype(np.float32)[self.order])

    def index(self, codes: dict[str, Codes]) -> sp.csr_matrix:
        """Members x cells elsewhere of all parts, with the instances' weights."""
        cells = [part.elsewhere(codes)[i] + offset
                 for part, i, offset in zip(self.parts, self.instances, self.offsets, strict=False)]  # fmt: skip
        columns = np.concatenate(cells or [np.zeros(0, int)])[self.order].astype(np.int32)
        return sp.csr_matrix((self.weights(), columns, self.ends), shape=(len(self.members), int(self.offsets[-1])))

    def stacked(self) -> Weights:
        """The parts' tilts, in the order of ``index``'s columns."""
        width = len(self.block.choices)
        return np.concatenate([np.zeros((0, width)), *(part.unfold(part.table.theta) for part in self.parts)]).astype(
            np.float32
        )

    def draw(
        self, codes: dict[str, Codes], rng: np.random.Generator, *, expect: bool
    ) -> tuple[Codes, list[FloatArray]]:
        """A choice for every member, and each part's expected table over them."""
        index, stacked = self.index(codes), self.stacked()
        drawn = np.zeros(len(self.members), dtype=np.int32)
        rows = np.zeros((stacked.shape[0], len(self.block.choices)))
        for piece in chunks(len(self.members), len(self.block.choices)):
            logits = np.asarray(index[piece] @ stacked) + self.block.base
            drawn[piece], chances = draw(logits, rng)
            if expect:
                rows += index[piece].T @ chances
        split = np.split(rows, self.offsets[1:-1]) if self.parts else []
        return drawn, [part.fold(each) for part, each in zip(self.parts, split, strict=True)] if expect else []

    def put(self, codes: dict[str, Codes], drawn: Codes, chosen: NDArray[np.bool_] | slice = slice(None)) -> None:
        """Write choices, for all members or for some of them."""
        for place, name in enumerate(self.block.attributes):
            codes[name][self.members[chosen]] = self.block.choices[drawn[chosen], place]
