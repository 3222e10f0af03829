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
            bytes(UNIT_BYTES) if each is None else self._hash(b"unit", each.encode()) for each in identifiers
        )
        units = np.frombuffer(hashes, dtype=f"V{UNIT_BYTES}")[places[named]]
        self._named.extend(named.tobytes())
        self._flags.extend((~named if self._nulls == "own-unit" else np.zeros_like(named)).tobytes())
        self._units.extend(units.tobytes())

    def kept(self) -> NDArray[np.bool_]:
        """One flag a row seen."""
        flags = np.frombuffer(self._flags, dtype=np.bool_).copy()
        rows = np.flatnonzero(np.frombuffer(self._named, dtype=np.bool_))
        if len(rows):
            self._keep(flags, rows, np.frombuffer(self._units, dtype=np.uint64).reshape(-1, 2))
        return flags

    def _keep(self, flags: NDArray[np.bool_], rows: IntArray, units: NDArray[np.uint64]) -> None:
        """Units of at most k rows stay whole; of the others, the k rows of lowest rank do."""
        order = np.lexsort((units[:, 1], units[:, 0]))  # stable: a unit's rows stay in file order
        starts = np.flatnonzero(_new(units[:, 0][order]) | _new(units[:, 1][order]))
        sizes = np.diff(starts, append=len(order))
        flags[rows[order[np.repeat(sizes <= self._k, sizes)]]] = True
        for start, size in zip(starts[sizes > self._k].tolist(), sizes[sizes > self._k].tolist(), strict=True):
            members = order[start : start + size]
            flags[rows[members[self._lowest(units[members[0]].tobytes(), size)]]] = True

    def _lowest(self, unit: bytes, rows: int) -> list[int]:
        """The ordinals of the k rows of lowest rank."""
        return nsmallest(
            self._k, range(rows), key=lambda ordinal: self._hash(b"rank", ordinal.to_bytes(8, "big") + unit)
        )

    def _hash(self, purpose: bytes, message: bytes) -> bytes:
        return hmac.digest(self._key, purpose + message, "sha256")[:UNIT_BYTES]


def _new(values: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Where a value differs from the one before it."""
    return np.concatenate([[True], values[1:] != values[:-1]])
