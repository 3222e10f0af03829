"""Moves of several columns at once, for values that hard rules tie together (``start == end``, say).

Changing one column at a time would leave such values as they were first drawn. A Metropolis step: the columns
of a block are proposed together, by their one-way tables given the block's own rules, and taken with the
probability that leaves the pool's distribution as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from synthesis.loop.denoising import FloatArray
from synthesis.loop.sampling import Codes
from synthesis.loop.zeros import Zeros

if TYPE_CHECKING:
    from synthesis.loop.pool import Pool


def jump(pool: Pool, zeros: Zeros, codes: Codes, kinds: Codes, rng: np.random.Generator) -> None:
    """One step for every record (columns x records) and every tied block, in place; ``kinds`` are their components."""
    for block in (each for each in zeros.validity.blocks if each.falls_apart):
        columns = list(block.columns)
        there = codes.copy()
        there[columns] = block.draw(codes.shape[1], rng)
        odds = _weight(pool, there, kinds, columns) - _weight(pool, codes, kinds, columns)
        for column, mass in zip(columns, block.masses, strict=True):
            odds -= np.log(mass[there[column]] / mass[codes[column]])
        taken = np.flatnonzero(np.log1p(-rng.random(len(odds))) < odds)
        taken = taken[zeros.validity.keeps(there[:, taken])]
        codes[:, taken] = there[:, taken]


def _weight(pool: Pool, codes: Codes, kinds: Codes, columns: list[int]) -> FloatArray:
    """Log weight of each record, up to what does not change with these columns; rules apart."""
    found: FloatArray = np.zeros(codes.shape[1])
    for column in columns:
        found += pool.prior.logs[column][kinds, codes[column]] + pool.tilts[column][codes[column]]
    for table in dict.fromkeys(table for column in columns for table in pool.touching[column]):
        found += table.tilt.ravel()[table.key(codes)]
    return found
