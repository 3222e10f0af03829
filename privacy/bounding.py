"""Which rows of a unit are counted: at most k, chosen once per dataset version.

The choice is made by HMAC(version key, unit, the row's ordinal within its unit), so it depends on the
unit's own rows alone: whether any other unit is present changes nothing. Identifiers are not kept: a unit is
known by 16 bytes of a keyed hash, and that is all the memory a row takes.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from heapq import nsmallest
from typing import Any

import numpy as np
from numpy.typing import NDArray

from privacy.schema_parts import NullIdentifiers
from privacy.values import IntArray, PrivacyUnit

UNIT_BYTES = 16
Hashes = NDArray[np.uint64]
"""One hash a row, as two numbers."""
Flags = NDArray[np.bool_]


class Bounding:
    """Sees every row's identifier once, in file order, and then knows which rows stay."""

    def __init__(self, unit: PrivacyUnit, *, nulls: NullIdentifiers, key: bytes) -> None:
        self._k, self._nulls, self._key = unit.k, nulls, key
        self._flags, self._named, self._units = bytearray(), bytearray(), bytearray()

    def add_units(self, count: int) -> None:
        """The next rows, each of a unit of its own."""
        self._flags.extend(b"\1" * count)
        self._named.extend(bytes(count))

    def add(self, identifier: str | None) -> None:
        """The next row's identifier; None where it is missing."""
        self.add_all([identifier], np.zeros(1, dtype=np.int64))

    def add_all(self, identifiers: Sequence[str | None], places: NDArray[np.integer[Any]]) -> None:
        """The next rows, each by the place of its identifier among these; None is a missing one."""
        named = np.array([identifier is not None for identifier in identifiers], dtype=np.bool_)[places]
        hashes = b"".join(
            bytes(UNIT_BYTES) if each is None else keyed(self._key, b"unit", each.encode()) for each in identifiers
        )
        units = np.frombuffer(hashes, dtype=f"V{UNIT_BYTES}")[places[named]]
        self._named.extend(named.tobytes())
        self._flags.extend((~named if self._nulls == "own-unit" else np.zeros_like(named)).tobytes())
        self._units.extend(units.tobytes())

    def kept(self) -> Flags:
        """One flag a row seen."""
        flags = np.frombuffer(self._flags, dtype=np.bool_).copy()
        rows = np.flatnonzero(np.frombuffer(self._named, dtype=np.bool_))
        if len(rows):
            flags[rows[lowest_rows(as_hashes(self._units), self._k, self._key)]] = True
        return flags


def keyed(key: bytes, purpose: bytes, message: bytes) -> bytes:
    """16 bytes that only the key's holder can foretell."""
    return hmac.digest(key, purpose + message, "sha256")[:UNIT_BYTES]


def as_hashes(stored: bytearray) -> Hashes:
    """Hashes written one after another, two numbers a row."""
    return np.frombuffer(stored, dtype=np.uint64).reshape(-1, 2)


def starts_of(groups: Hashes) -> tuple[IntArray, IntArray]:
    """The rows ordered by group, a group's rows in file order, and where each group starts among them."""
    order = np.lexsort((groups[:, 1], groups[:, 0]))  # stable
    return order, np.flatnonzero(_new(groups[:, 0][order]) | _new(groups[:, 1][order]))


def lowest_rows(groups: Hashes, most: int, key: bytes) -> Flags:
    """Groups of at most so many rows stay whole; of the others, the rows of lowest rank do. One flag a row."""
    flags = np.zeros(len(groups), dtype=np.bool_)
    if not len(groups):
        return flags
    order, starts = starts_of(groups)
    sizes = np.diff(starts, append=len(order))
    flags[order[np.repeat(sizes <= most, sizes)]] = True
    for start, size in zip(starts[sizes > most].tolist(), sizes[sizes > most].tolist(), strict=True):
        members = order[start : start + size]
        flags[members[_lowest(groups[members[0]].tobytes(), size, most, key)]] = True
    return flags


def _lowest(group: bytes, rows: int, most: int, key: bytes) -> list[int]:
    """The ordinals of the rows of lowest rank."""
    return nsmallest(most, range(rows), key=lambda ordinal: keyed(key, b"rank", ordinal.to_bytes(8, "big") + group))


def _new(values: Hashes) -> Flags:
    """Where a value differs from the one before it."""
    return np.concatenate([[True], values[1:] != values[:-1]])
