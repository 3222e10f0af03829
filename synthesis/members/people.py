"""Units with their members in long format, as a layout names them."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from privacy.layouts import Before, Layout
from privacy.values import IntArray
from synthesis.loop.sampling import Codes


class People:
    """``top``: units x columns; the members of a unit follow each other, in order. ``codes``: a code a member.

    ``given`` holds the layout's given attributes, one array each. Members are in the same ``group`` as the one
    before where that one precedes them (a person's trips); without groups, where they have the same unit.
    """

    def __init__(
        self, layout: Layout, top: IntArray, *, given: dict[str, IntArray] | None = None, groups: IntArray | None = None
    ) -> None:
        self.layout, self.top = layout, top
        self.counts = np.array(layout.present)[top[:, layout.top.index(layout.size)]]
        self.starts = np.cumsum(self.counts) - self.counts
        self.owners = np.repeat(np.arange(len(top)), self.counts)
        self.members = len(self.owners)
        self.position = np.arange(self.members) - self.starts[self.owners]
        self.groups = self.owners if groups is None else groups
        self.codes: dict[str, Codes] = {name: np.zeros(self.members, np.int32) for name in layout.members.columns}
        for name, values in (given or {}).items():
            self.codes[name][:] = values

    @classmethod
    def of(cls, layout: Layout, top: IntArray, members: dict[str, IntArray], groups: IntArray | None = None) -> People:
        """Known units and members; ``members`` has the drawn and the given attributes."""
        found = cls(layout, top, given=members, groups=groups)
        found.repeat()
        return found

    def sampled(self, *sizes: int, seed: int) -> list[People]:
        """Samples of so many units each, no unit in two of them. ValueError where there are not that many."""
        order = np.random.default_rng(seed).permutation(len(self.top))
        if sum(sizes) > len(order):
            raise ValueError("samples have more units than there are")
        ends = np.cumsum(sizes)
        return [self._of_units(np.sort(order[end - size : end])) for end, size in zip(ends, sizes, strict=True)]

    def _of_units(self, units: IntArray) -> People:
        rows = np.concatenate(
            [
                self.starts[:0],
                *(np.arange(s, s + n) for s, n in zip(self.starts[units], self.counts[units], strict=True)),
            ]
        )
        members = {name: codes[rows].astype(np.int64) for name, codes in self.codes.items()}
        return People.of(self.layout, self.top[units], members)

    @property
    def earlier(self) -> IntArray:
        """The row of the member before, or -1."""
        rows = np.arange(self.members) - 1
        first = np.ones(self.members, dtype=bool)
        first[1:] = self.groups[1:] != self.groups[:-1]
        return np.where(first, -1, rows)

    @cached_property
    def rank(self) -> IntArray:
        """Each member's place within its group, from 0."""
        starts = np.flatnonzero(self.earlier < 0)
        return np.arange(self.members) - np.repeat(starts, np.diff(starts, append=self.members))

    def starting(self, before: Before) -> IntArray:
        """What each member would repeat if none preceded it."""
        if before.start:
            return np.asarray(self.top[self.owners, self.layout.top.index(before.start)])
        return np.full(self.members, self.layout.members.size(before.repeats))

    def repeat(self) -> None:
        """Fill in what repeats the member before."""
        earlier = self.earlier
        for each in self.layout.before:
            self.codes[each.name][:] = np.where(earlier < 0, self.starting(each), self.codes[each.repeats][earlier])

    def table(self) -> IntArray:
        """Members x attributes, in the layout's order."""
        self.repeat()
        columns = [self.codes[name] for name in self.layout.members.columns]
        return np.stack(columns, axis=1).astype(np.int64)

    def wide(self) -> IntArray:
        """The same as one row a unit."""
        return self.layout.wide(self.top, self.table(), self.owners)
