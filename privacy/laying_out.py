"""Related tables that were read, laid out as one row a unit: its members beside it, and the leaves of these.

What counts of a unit follows from its own rows alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from privacy.leaves import Leaves
from privacy.related import Related
from privacy.values import Columns, IntArray

AT_ONCE = 2**22
"""Codes laid out at a time."""
Codes = NDArray[np.integer[Any]]
"""Rows x measured columns."""


class Told(TypedDict):
    """How many rows of a table were read, and how many count."""

    name: str
    read: int
    kept: int


@dataclass(frozen=True)
class Below:
    """Leaves as read. ``order``: their rows, member after member; ``counts``: how many each row of members has.

    ``origins``: of journeys, where each row says that it starts, in the codes of where rows end.
    """

    leaves: Leaves
    codes: Codes
    order: IntArray
    counts: IntArray
    origins: IntArray | None

    @cached_property
    def starts(self) -> IntArray:
        return np.cumsum(self.counts) - self.counts

    def rows(self, members: IntArray, kept: IntArray) -> IntArray:
        """The rows of the first ``kept`` leaves of these members."""
        return np.asarray(self.order[np.repeat(self.starts[members], kept) + _places(kept)])

    def told(self, members: IntArray, owners: IntArray, units: Codes, columns: list[str]) -> tuple[Told, int | None]:
        """Of the leaves of these members, and how many of those that count start elsewhere than the one before ended.

        ``units`` has the codes of the ``columns`` of their owners.
        """
        leaves = self.leaves
        kept = leaves.within(self.counts[members], owners)
        found = Told(name=leaves.table.name, read=len(self.codes), kept=int(kept.sum()))
        if leaves.journey is None or self.origins is None:
            return found, None
        rows = self.rows(members, kept)
        ends = self.codes[rows, leaves.table.schema.domain.index(leaves.journey.to)]
        starts, firsts = np.roll(ends, 1), (np.cumsum(kept) - kept)[kept > 0]
        starts[firsts] = units[owners[kept > 0], columns.index(leaves.journey.start)]
        return found, int((self.origins[rows] != starts).sum())


@dataclass(frozen=True)
class Read:
    """Units and members as read. ``order``: rows of members, unit after unit; ``counts``: how many each unit has."""

    related: Related
    units: Codes
    members: Codes
    order: IntArray
    counts: IntArray
    below: Below | None = None

    @cached_property
    def starts(self) -> IntArray:
        return np.cumsum(self.counts) - self.counts

    @cached_property
    def kept(self) -> IntArray:
        """How many members of each unit count."""
        return np.minimum(self.counts, self.related.most)

    @cached_property
    def enough(self) -> IntArray:
        """The units that count: those with enough members, and with enough leaves of each."""
        found = self.counts >= self.related.least
        if self.below is not None and not self.below.leaves.or_none:
            few = self.below.counts[self._members(np.arange(len(found)))] < self.below.leaves.least
            found &= np.bincount(np.repeat(np.arange(len(found)), self.kept), weights=few, minlength=len(found)) == 0
        return np.flatnonzero(found)

    @property
    def told(self) -> tuple[list[Told], int | None]:
        """Of every table, the first one first; and of journeys what ``Below.told`` says."""
        members, related = self._members(self.enough), self.related
        found = [
            Told(name=related.units.name, read=len(self.counts), kept=len(self.enough)),
            Told(name=related.members.name, read=len(self.members), kept=len(members)),
        ]
        if self.below is None:
            return found, None
        owners = np.repeat(self.enough, self.kept[self.enough])
        leaves, closed = self.below.told(members, owners, self.units, self._columns)
        return [*found, leaves], closed

    @property
    def _columns(self) -> list[str]:
        return [column.name for column in self.related.units.schema.columns]

    def pieces(self) -> Iterator[Columns]:
        """Wide columns of the units that count, so many units at a time."""
        at_once = max(AT_ONCE // len(self.related.stored.columns), 1)
        for start in range(0, len(self.enough), at_once):
            yield self._piece(self.enough[start : start + at_once])

    def _members(self, units: IntArray) -> IntArray:
        """The rows of these units' members that count."""
        return np.asarray(self.order[np.repeat(self.starts[units], self.kept[units]) + _places(self.kept[units])])

    def _piece(self, units: IntArray) -> Columns:
        related, members = self.related, self._members(units)
        owners = np.repeat(np.arange(len(units)), self.kept[units])
        top, codes = self.units[units], self.members[members].astype(np.int64)
        own = np.column_stack([top, self.kept[units] - related.least])
        if self.below is None:
            return list(related.layout.wide(own, codes, owners).T)
        leaves = self.below.leaves
        counts = leaves.within(self.below.counts[members], owners)
        codes = np.column_stack([codes, leaves.coded(counts)])
        wide = {
            column: each
            for column, each in zip(
                related.layout.domain.columns, related.layout.wide(own, codes, owners).T, strict=True
            )
        }
        wide |= zip(leaves.layout.domain.columns, self._leaves(top, members, codes, owners, counts).T, strict=True)
        return [wide[column] for column in related.stored.columns]

    def _leaves(self, top: Codes, members: IntArray, codes: IntArray, owners: IntArray, counts: IntArray) -> IntArray:
        """The wide columns of leaves."""
        assert self.below is not None
        leaves, related = self.below.leaves, self.related
        whose, attributes = np.repeat(np.arange(len(members)), counts), list(related.attributes)
        given = codes[:, [attributes.index(name) for name in leaves.sources]]
        tops = top[:, [self._columns.index(name) for name in leaves.tops]].astype(np.int64)
        totals = np.bincount(owners, weights=counts, minlength=len(top)).astype(np.int64)
        own = self.below.codes[self.below.rows(members, counts)].astype(np.int64)
        filled = leaves.filled(own, given[whose], counts, tops[owners[whose]])
        return leaves.layout.wide(np.column_stack([tops, totals]), filled, owners[whose])


def _places(counts: IntArray) -> IntArray:
    """0, 1, 2 and so on for each of the counts."""
    return np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)
