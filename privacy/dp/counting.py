"""Exact counts: the port that every engine that can hold the data must satisfy, and counting with NumPy.

All engines give the same tables for the same rows; which one counts is a matter of size and place alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from privacy.dp.blocks import cover
from privacy.values import Clique, Columns, Domain, IntArray

SLICE = 2**16
"""Rows counted at a time: a slice of every column stays in the processor's cache."""


class ExactCounter(Protocol):
    """Counts rows of bounded, coded data. Its answers are raw: they never leave measuring."""

    @property
    def domain(self) -> Domain: ...

    def counts(self, clique: Clique) -> IntArray:
        """Rows per cell, of the clique's shape; every row falls in exactly one cell."""
        ...

    def tables(self, cliques: Sequence[Clique]) -> tuple[IntArray, ...]:
        """The counts of every clique, in as few passes over the rows as the engine can."""
        ...


class BatchCounter:
    """Counts over batches of columns of codes; ``batches`` starts a new pass each time it is called.

    No more than one batch is held at a time, so the rows may be more than memory.
    """

    def __init__(self, batches: Callable[[], Iterable[Columns]], domain: Domain) -> None:
        self.domain, self.batches = domain, batches

    def counts(self, clique: Clique) -> IntArray:
        return self.tables((clique,))[0]

    def tables(self, cliques: Sequence[Clique]) -> tuple[IntArray, ...]:
        blocks = cover(cliques, self.domain)
        totals = [np.zeros(Clique(block.axes).cells(self.domain), dtype=np.int64) for block in blocks]
        for columns in self.batches():
            for part in _slices(checked(columns, self.domain)):
                for block, total in zip(blocks, totals, strict=True):
                    total += block.count(part, self.domain)
        read = {
            place: block.read(total, cliques[place], self.domain)
            for block, total in zip(blocks, totals, strict=True)
            for place in block.places
        }
        return tuple(read[place] for place in range(len(cliques)))


class NumpyCounter(BatchCounter):
    """Counts over an array of codes in memory, rows x columns in the domain's order."""

    def __init__(self, codes: NDArray[np.integer[Any]], domain: Domain) -> None:
        if codes.ndim != 2 or codes.shape[1] != len(domain.columns):
            raise ValueError("codes need one column per declared column")
        columns = checked([codes[:, place] for place in range(codes.shape[1])], domain)
        narrow = [
            np.ascontiguousarray(column, dtype=np.min_scalar_type(size))
            for column, size in zip(columns, domain.sizes, strict=True)
        ]
        super().__init__(lambda: (narrow,), domain)


def _slices(columns: Columns) -> Iterator[Columns]:
    for start in range(0, len(columns[0]), SLICE):
        yield [column[start : start + SLICE] for column in columns]


def checked(columns: Columns, domain: Domain) -> Columns:
    """The columns, after checking that every code is declared (values stay unsaid)."""
    if len(columns) != len(domain.columns):
        raise ValueError("codes need one column per declared column")
    for codes, name, size in zip(columns, domain.columns, domain.sizes, strict=True):
        if len(codes) and not 0 <= int(codes.min()) <= int(codes.max()) < size:
            raise ValueError(f"column {name} holds a code outside its declared domain")
    return columns
