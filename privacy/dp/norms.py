"""Tied cliques whose rows weigh by the norm of their own table: each row is seen whole, with all its slots.

A row's slots are laid out as cells, its weight is the largest whole number of parts that keeps the L2 norm of
(weight x its table) within the votes, and weighted cells are added up. No row's weight depends on another row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from privacy.dp.counting import ExactCounter, checked
from privacy.dp.sensitivity import VOTE
from privacy.values import Columns, Domain, IntArray, TiedClique

MOST_CELLS = 2**20
"""Slots of rows that are laid out at a time."""


def tables(counter: ExactCounter, cliques: Sequence[TiedClique]) -> tuple[IntArray, ...]:
    """The pooled tables in parts of a vote, in one pass over the rows. Raw.

    ValueError where the counter's engine does not hand out rows.
    """
    if not cliques:
        return ()
    batches = getattr(counter, "batches", None)
    if batches is None:
        raise ValueError("votes by norm need an engine that sees rows whole")
    domain = counter.domain
    totals = [np.zeros(clique.cells(domain), dtype=np.int64) for clique in cliques]
    for batch in batches():
        columns = checked(batch, domain)
        for clique, total in zip(cliques, totals, strict=True):
            _add(clique, columns, domain, total)
    return tuple(total.reshape(clique.shape(domain)) for clique, total in zip(cliques, totals, strict=True))


def norm_weights(rows: IntArray, cells: IntArray, *, units: int, votes: int) -> IntArray:
    """Each row's weight in parts of a vote: of instances that fall in ``cells``, one line each, of ``rows``."""
    width = int(cells.max(initial=0)) + 1
    places, counts = np.unique(rows * width + cells, return_counts=True)
    squares = np.zeros(units, dtype=np.int64)
    np.add.at(squares, places // width, counts.astype(np.int64) ** 2)
    return np.minimum(_root_down((votes * VOTE) ** 2 // np.maximum(squares, 1)), VOTE)


def _add(clique: TiedClique, columns: Columns, domain: Domain, total: IntArray) -> None:
    sizes = columns[domain.index(clique.size)]
    step = max(MOST_CELLS // len(clique.slots), 1)
    for start in range(0, len(sizes), step):
        part = [column[start : start + step] for column in columns]
        rows, cells = _laid_out(clique, part, domain)
        weights = norm_weights(rows, cells, units=len(part[0]), votes=clique.votes)
        np.add.at(total, cells, weights[rows])


def _laid_out(clique: TiedClique, columns: Columns, domain: Domain) -> tuple[IntArray, IntArray]:
    """Row and flat cell of every slot that a row has."""
    present = np.array(clique.present)[columns[domain.index(clique.size)]]
    shape, rows, cells = clique.shape(domain), [], []
    for slot, each in enumerate(clique.slots):
        there = np.flatnonzero(present > slot)
        found = np.full(len(there), clique.blocks[slot], dtype=np.int64)
        for axis, size in zip(each.axes, shape[1:], strict=True):
            codes: NDArray[np.integer[Any]] = columns[domain.index(axis.column)][there]
            found = found * size + (np.array(axis.bins)[codes] if axis.bins else codes)
        rows.append(there)
        cells.append(found)
    return np.concatenate(rows), np.concatenate(cells)


def _root_down(squares: IntArray) -> IntArray:
    """The largest whole numbers whose squares are no larger; exact below 2**62."""
    roots = np.sqrt(squares.astype(np.float64)).astype(np.int64)
    roots -= roots * roots > squares
    return roots + ((roots + 1) * (roots + 1) <= squares)
