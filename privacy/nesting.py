"""Which rows of a unit are counted where rows are the leaves of a tree: customer, invoice, line.

At every declared level a parent keeps at most so many members, then a member of the last level so many rows, and then
the unit at most k rows in all, which alone is what sensitivity counts. A member is known by a keyed hash of its whole
path, so that one invoice number under two customers is two members, and a parent keeps the members of lowest hash.
Rows are chosen as in privacy/bounding.py. Every step looks at one unit's rows alone: whether any other unit is
present changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from privacy.bounding import UNIT_BYTES, Flags, Hashes, as_hashes, keyed, lowest_rows, starts_of
from privacy.schema_parts import Nesting, NullIdentifiers
from privacy.values import IntArray, PrivacyUnit

Identifiers = tuple[Sequence[str | None], NDArray[np.integer[Any]]]
"""Distinct identifiers (None is a missing one), and for each row the place of its own among them."""


class NestedBounding:
    """Sees every row's identifiers once, unit first, in file order, and then knows which rows stay.

    A row without its unit's identifier is left out, or is a unit of its own. A row that lacks a level's identifier is
    left out likewise, or is a member of its own under its parent.
    """

    def __init__(self, unit: PrivacyUnit, nesting: Nesting, *, nulls: NullIdentifiers, key: bytes) -> None:
        self._k, self._nesting, self._nulls, self._key = unit.k, nesting, nulls, key
        self._depths = bytearray()
        self._paths = [bytearray() for _ in range(len(nesting.levels) + 1)]

    def add_all(self, columns: Sequence[Identifiers]) -> None:
        """The next rows: the unit's identifiers, then those of each level from the top."""
        names, rows = columns[0]
        paths = [None if name is None else keyed(self._key, b"unit", name.encode()) for name in names]
        depths = self._keep_paths(0, paths, rows)
        for level, (names, places) in enumerate(columns[1:], start=1):
            distinct, rows = np.unique(rows.astype(np.int64) * len(names) + places, return_inverse=True)
            paths = [self._member(paths[pair // len(names)], names[pair % len(names)]) for pair in distinct.tolist()]
            depths = depths + self._keep_paths(level, paths, rows)
        self._depths.extend(depths.astype(np.uint8).tobytes())

    def _member(self, parent: bytes | None, name: str | None) -> bytes | None:
        return None if parent is None or name is None else keyed(self._key, b"member", parent + name.encode())

    def _keep_paths(self, level: int, paths: Sequence[bytes | None], rows: NDArray[np.integer[Any]]) -> IntArray:
        """Note every row's path down to this level; 1 where it has one."""
        known: IntArray = np.array([path is not None for path in paths], dtype=np.int64)[rows]
        hashes = np.frombuffer(b"".join(path or bytes(UNIT_BYTES) for path in paths), dtype=f"V{UNIT_BYTES}")
        self._paths[level].extend(hashes[rows].tobytes())
        return known

    def kept(self) -> Flags:
        """One flag a row seen."""
        depths = np.frombuffer(self._depths, dtype=np.uint8)
        flags: Flags = (depths == 0) & (self._nulls == "own-unit")
        rows = np.flatnonzero(depths >= (len(self._paths) if self._nulls == "drop" else 1))
        if len(rows):
            paths = [as_hashes(path)[rows] for path in self._paths]
            self._alone(paths, depths[rows])
            flags[rows[self._within(paths)]] = True
        return flags

    def _alone(self, paths: list[Hashes], depths: NDArray[np.uint8]) -> None:
        """A member of its own for every row that lacks a level's identifier: by its ordinal within its unit."""
        lacking = np.flatnonzero(depths < len(paths))
        if not len(lacking):
            return
        for row, ordinal in zip(lacking.tolist(), _ordinals(paths[0])[lacking].tolist(), strict=True):
            path = keyed(self._key, b"alone", ordinal.to_bytes(8, "big") + paths[0][row].tobytes())
            for level in range(depths[row], len(paths)):
                paths[level][row] = np.frombuffer(path, dtype=np.uint64)

    def _within(self, paths: list[Hashes]) -> IntArray:
        """The places of the rows that stay after every cap in turn."""
        alive = np.arange(len(paths[0]))
        for level, (_, most) in enumerate(self._nesting.levels, start=1):
            alive = alive[_first_members(paths[level - 1][alive], paths[level][alive], most)]
        alive = alive[lowest_rows(paths[-1][alive], self._nesting.rows_each, self._key)]
        return alive[lowest_rows(paths[0][alive], self._k, self._key)]


def _ordinals(units: Hashes) -> IntArray:
    """Each row's place among its unit's rows, in file order."""
    order, starts = starts_of(units)
    found = np.empty(len(order), dtype=np.int64)
    found[order] = np.arange(len(order)) - np.repeat(starts, np.diff(starts, append=len(order)))
    return found


def _first_members(parents: Hashes, members: Hashes, most: int) -> Flags:
    """Rows of each parent's members of lowest hash, at most so many of them."""
    order = np.lexsort((members[:, 1], members[:, 0], parents[:, 1], parents[:, 0]))
    new_parent = _changes(parents[order])
    number = np.cumsum(new_parent | _changes(members[order]))
    first = number[new_parent][np.cumsum(new_parent) - 1]
    flags = np.zeros(len(order), dtype=np.bool_)
    flags[order] = number - first < most
    return flags


def _changes(hashes: Hashes) -> Flags:
    """Where a hash differs from the one before it."""
    return np.concatenate([[True], (hashes[1:] != hashes[:-1]).any(axis=1)])
