"""A tied clique over members in long format: every instance, its weight, its block and where its codes are read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from privacy.cliques import TiedClique
from privacy.values import IntArray
from synthesis.loop.denoising import FloatArray
from synthesis.loop.sampling import Codes
from synthesis.members.people import People

FORBIDDEN = -1000.0
"""The tilt of a cell that a rule forbids: its weight is 0 beside any allowed one, and fewer are better than more."""


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """Declared to hold for every instance of a tied clique: ``allowed`` has the clique's shape, blocks first."""

    clique: TiedClique
    allowed: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """Where one axis is read: ``attribute`` of the members at ``rows``; where a row is -1, or without an attribute,
    ``values``. ``bins`` sends a code to its place on the axis.
    """

    attribute: str
    rows: IntArray
    values: IntArray
    bins: IntArray

    def seen(self, codes: dict[str, Codes]) -> IntArray:
        read = np.where(self.rows < 0, self.values, codes[self.attribute][self.rows]) if self.attribute else self.values
        return np.asarray(self.bins[read], dtype=np.int64)


class Table:
    """All instances of one tied clique. ``weights``: in votes."""

    def __init__(self, clique: TiedClique, people: People) -> None:
        self.clique = clique
        self.shape = clique.shape(people.layout.domain)
        sizes = people.top[:, people.layout.top.index(people.layout.size)]
        present = np.array(clique.present)[sizes]
        self._units = [np.flatnonzero(present > slot) for slot in range(len(clique.slots))]
        shares = np.array([_weights(clique, code) for code in range(len(clique.present))])
        self.blocks = np.concatenate([np.full(len(u), clique.blocks[s]) for s, u in enumerate(self._units)])
        self.weights = np.concatenate([shares[sizes[u], clique.blocks[s]] for s, u in enumerate(self._units)])
        self.units = np.concatenate(self._units)
        self.readings = [self._reading(axis, people) for axis in range(len(self.shape) - 1)]
        self.strides = np.array([int(np.prod(self.shape[place + 1 :])) for place in range(len(self.shape))])

    def _reading(self, axis: int, people: People) -> Reading:
        """One axis through all slots. What repeats the member before is read from that member itself."""
        layout, none = people.layout, np.zeros(0, dtype=np.int64)
        first = self.clique.slots[0].axes[axis]
        name, position = layout.places[first.column]
        size = (layout.top if position == 0 else layout.members).size(name)
        bins = np.asarray(first.bins or range(size))
        if position == 0:
            values = people.top[:, layout.top.index(name)]
            return Reading("", none, np.concatenate([values[units] for units in self._units]), bins)
        rows = np.concatenate([self._rows(axis, slot, people) for slot in range(len(self._units))])
        repeated = {each.name: each for each in layout.before}
        if name in repeated:
            before = repeated[name]
            return Reading(before.repeats, people.earlier[rows], people.starting(before)[rows], bins)
        if name in layout.given:
            return Reading("", none, people.codes[name][rows].astype(np.int64), bins)
        return Reading(name, rows, np.zeros(len(rows), dtype=np.int64), bins)

    def _rows(self, axis: int, slot: int, people: People) -> IntArray:
        _, position = people.layout.places[self.clique.slots[slot].axes[axis].column]
        return np.asarray(people.starts[self._units[slot]] + position - 1)

    def cells(self, codes: dict[str, Codes], axes: Sequence[int] | None = None) -> IntArray:
        """The flat cell of every instance; of its block and the given axes alone, the others taken as 0."""
        found: IntArray = self.blocks * self.strides[0]
        for axis, reading in enumerate(self.readings):
            if axes is None or axis in axes:
                found = found + reading.seen(codes) * self.strides[axis + 1]
        return found

    def weigh(self, codes: dict[str, Codes]) -> None:
        """What each instance counts now, where that follows its unit's own table."""
        if self.clique.by_norm:
            norms = norms_of(self.units, self.cells(codes))
            self.weights = np.minimum(1.0, self.clique.votes / norms[self.units])

    def count(self, codes: dict[str, Codes]) -> FloatArray:
        """The members' own table, in votes."""
        self.weigh(codes)
        flat = np.bincount(self.cells(codes), weights=self.weights, minlength=int(np.prod(self.shape)))
        return np.asarray(flat, dtype=np.float64).reshape(self.shape)


def norms_of(units: IntArray, cells: IntArray) -> FloatArray:
    """The L2 norm of each unit's own table of instances."""
    if not len(units):
        return np.zeros(0)
    width = int(cells.max()) + 1
    places, counts = np.unique(units * width + cells, return_counts=True)
    return np.sqrt(np.bincount(places // width, weights=counts.astype(float) ** 2, minlength=int(units.max()) + 1))


def _weights(clique: TiedClique, code: int) -> list[float]:
    """What an instance in each block counts in a unit of this size."""
    return [min(1.0, clique.votes / count) if count else 0.0 for count in clique.instances(code)]
