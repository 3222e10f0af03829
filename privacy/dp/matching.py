"""How a synthetic table's records meet the rows it came from: two exact counts, for ``privacy.dp.disclosure`` alone.

A record is its codes, column by column; two are within ``radius`` when they differ in at most so many columns. Records
are compared whole, never by a hash: two that a hash confuses would let one row move a count by more than one.

Both counts are of things that one row of data can change by one at most: of the *distinct* synthetic records that occur
in the data, only the one that equals the row; of the *real* rows with a synthetic neighbour, only the row itself. The
other way round, "synthetic rows near a real one", one row could change them all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import combinations
from math import comb
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from privacy.values import Columns, Domain, IntArray

Batches = Callable[[], Iterable[Columns]]
ROOM = 2**62
"""Keys are below it, so that they fit 64 bits with their sign."""


class Lookup:
    """Distinct records of some columns, in which others are found again.

    Columns are taken a few at a time, as many as fit one number together with what the ones before came to.
    """

    def __init__(self, columns: Sequence[IntArray], sizes: Sequence[int]) -> None:
        self._sizes = tuple(sizes)
        self._groups = _groups(self._sizes, room=ROOM // max(len(columns[0]), 1))
        self._keys: list[pd.Index[Any]] = []
        state = np.zeros(len(columns[0]), dtype=np.int64)
        for group in self._groups:
            state, keys = pd.factorize(self._key(state, columns, group))
            self._keys.append(pd.Index(keys))
        self.distinct = len(self._keys[-1])

    def find(self, columns: Columns) -> tuple[NDArray[np.bool_], IntArray]:
        """For each record whether it is here, and as which: a number below ``distinct``, of no meaning where not."""
        here = np.ones(len(columns[0]), dtype=np.bool_)
        state = np.zeros(len(columns[0]), dtype=np.int64)
        for group, keys in zip(self._groups, self._keys, strict=True):
            state = keys.get_indexer(pd.Index(self._key(state, columns, group)))
            here &= state >= 0
        return here, state

    def _key(self, state: IntArray, columns: Columns, group: Sequence[int]) -> IntArray:
        key = state.astype(np.int64)
        for place in group:
            key = key * self._sizes[place] + columns[place]
        return key


def _groups(sizes: Sequence[int], *, room: int) -> list[list[int]]:
    """Consecutive columns whose sizes multiplied stay within ``room``; a column beyond it stands alone."""
    groups: list[list[int]] = [[]]
    taken = 1
    for place, size in enumerate(sizes):
        if groups[-1] and taken * size > room:
            groups.append([])
            taken = 1
        groups[-1].append(place)
        taken *= size
    return groups


def occurring(records: IntArray, batches: Batches, domain: Domain) -> int:
    """How many of the distinct ``records`` (records x columns) are also rows of the data."""
    lookup = Lookup(list(records.T), domain.sizes)
    met = np.zeros(lookup.distinct, dtype=np.bool_)
    for columns in batches():
        here, which = lookup.find(columns)
        met[which[here]] = True
    return int(met.sum())


def neighboured(records: IntArray, batches: Batches, domain: Domain, *, radius: int) -> int:
    """How many rows of the data differ from one of ``records`` in at most ``radius`` columns."""
    near: list[NDArray[np.bool_]] = []
    for left in combinations(range(len(domain.columns)), len(domain.columns) - radius):
        lookup = Lookup([records[:, place] for place in left], [domain.sizes[place] for place in left])
        found = [lookup.find([columns[place] for place in left])[0] for columns in batches()]
        near = [old | new for old, new in zip(near, found, strict=True)] if near else found
    return sum(int(each.sum()) for each in near)


def comparisons(domain: Domain, radius: int) -> int:
    """How many times both counts together look a row up: what they cost in time, from public facts alone."""
    return 1 + comb(len(domain.columns), radius)


def check_radius(domain: Domain, radius: int) -> None:
    """ValueError for a radius that is no whole number below the number of columns."""
    if type(radius) is not int or not 0 <= radius < len(domain.columns):
        raise ValueError("the radius of a comparison is a whole number below the number of columns")
