"""Units with their members in long format, as a layout names them."""

from __future__ import annotations

import numpy as np

from privacy.layouts import Layout
from privacy.values import IntArray
from synthesis.loop.sampling import Codes


class People:
    """``top``: units x columns; the members of a unit follow each other, in order.

    ``codes[attribute]`` has one code a member, and one more at the end: what a member before the first would have.
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
        self.codes: dict[str, Codes] = {}
        for name, size in zip(layout.members.columns, layout.members.sizes, strict=True):
            self.codes[name] = np.zeros(self.members + 1, dtype=np.int32)
            self.codes[name][-1] = size
        for name, values in (given or {}).items():
            self.codes[name][:-1] = values

    @classmethod
    def of(
        cls, layout: Layout, top: IntArray, members: dict[str, IntArray], groups: IntArray | None = None
    ) -> People:
        """Known units and members; ``members`` has the drawn and the given attributes."""
        found = cls(layout, top, given=members, groups=groups)
        found.repeat()
        return found

    @property
    def earlier(self) -> IntArray:
        """The row of the member before, or -1."""
        rows = np.arange(self.members) - 1
        first = np.ones(self.members, dtype=bool)
        first[1:] = self.groups[1:] != self.groups[:-1]
        return np.where(first, -1, rows)

    def repeat(self) -> None:
        """Fill in what repeats the member before."""
        for later, before in self.layout.before:
            self.codes[later][:-1] = self.codes[before][self.earlier]

    def table(self) -> IntArray:
        """Members x attributes, in the layout's order."""
        self.repeat()
        columns = [self.codes[name][:-1] for name in self.layout.members.columns]
        return np.stack(columns, axis=1).astype(np.int64)

    def wide(self) -> IntArray:
        """The same as one row a unit."""
        return self.layout.wide(self.top, self.table(), self.owners)
