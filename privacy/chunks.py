"""The coded table as the vault keeps it: chunks of rows, each column as narrow as its declared codes allow.

A chunk is its columns one after another. How many rows it holds follows from its length, so that a chunk
says nothing beside its codes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from privacy.values import Columns, Domain

ROWS = 2**17
"""Rows of a chunk; the last one may hold fewer."""
MOST_BYTES = 2**25


class BrokenChunk(ValueError):
    """Bytes that are not whole rows of this domain."""


def width(size: int) -> np.dtype[Any]:
    """The narrowest type for the codes of a column of this size, the same on every machine."""
    return np.dtype(np.min_scalar_type(size - 1)).newbyteorder("<")


def pack(columns: Columns, domain: Domain) -> bytes:
    return b"".join(
        np.ascontiguousarray(codes, dtype=width(size)).tobytes()
        for codes, size in zip(columns, domain.sizes, strict=True)
    )


def unpack(chunk: bytes, domain: Domain) -> list[NDArray[np.integer[Any]]]:
    """The chunk's columns, read in place. BrokenChunk unless it holds whole rows."""
    widths = [width(size) for size in domain.sizes]
    rows, rest = divmod(len(chunk), sum(each.itemsize for each in widths))
    if rest or not rows:
        raise BrokenChunk("a chunk does not hold whole rows")
    columns, start = [], 0
    for each in widths:
        columns.append(np.frombuffer(chunk, dtype=each, count=rows, offset=start))
        start += rows * each.itemsize
    return columns


class Chunking:
    """Gathers batches of any length into chunks, handed to ``write``; ``close`` hands over the rest."""

    def __init__(self, write: Callable[[bytes], None], domain: Domain) -> None:
        self._write, self._domain = write, domain
        row = sum(width(size).itemsize for size in domain.sizes)
        self._rows = max(1, min(ROWS, MOST_BYTES // row))
        self._waiting: list[Columns] = []
        self._count = 0

    def add(self, columns: Columns) -> None:
        self._waiting.append(columns)
        self._count += len(columns[0])
        if self._count >= self._rows:
            self._hand_over(whole=True)

    def close(self) -> None:
        if self._count:
            self._hand_over(whole=False)

    def _hand_over(self, *, whole: bool) -> None:
        joined = [np.concatenate(parts) for parts in zip(*self._waiting, strict=True)]
        end = self._count - self._count % self._rows if whole else self._count
        for part in slices(joined, self._rows, end=end):
            self._write(pack(part, self._domain))
        self._waiting, self._count = [[codes[end:] for codes in joined]], self._count - end


def slices(columns: Columns, rows: int, *, end: int | None = None) -> Iterator[Columns]:
    """The columns' first ``end`` rows, so many at a time."""
    for start in range(0, len(columns[0]) if end is None else end, rows):
        stop = start + rows if end is None else min(start + rows, end)
        yield [codes[start:stop] for codes in columns]
