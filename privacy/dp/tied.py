"""Tied cliques: one table pooled over repeated slots of a row, counted by any engine that counts cliques.

Each slot is asked for together with the column of sizes; the weights are public, so the rest is arithmetic on
the counts. Weights that follow a row's own norm are not, and need an engine that sees rows whole (``norms``).
The result is in parts of a vote (privacy/dp/sensitivity.py), whole numbers as every table.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeGuard

import numpy as np

from privacy.dp import norms
from privacy.dp.counting import ExactCounter
from privacy.dp.sensitivity import tied_weight
from privacy.values import AnyClique, Clique, IntArray, TiedClique


def tables(counter: ExactCounter, cliques: Sequence[AnyClique]) -> tuple[IntArray, ...]:
    """The counts of every clique, pooled in parts of a vote where it is tied, in one call of the engine. Raw."""
    asked = []
    for clique in cliques:
        if isinstance(clique, TiedClique):
            clique.check(counter.domain)
        asked.append(_asked(clique))
    found = iter(counter.tables([each for group in asked for each in group]))
    counted = [[next(found) for _ in group] for group in asked]
    by_norm = iter(norms.tables(counter, [each for each in cliques if _is_by_norm(each)]))
    return tuple(
        next(by_norm) if _is_by_norm(clique)
        else _pooled(clique, slots, clique.shape(counter.domain)) if isinstance(clique, TiedClique) else slots[0]
        for clique, slots in zip(cliques, counted, strict=True)
    )  # fmt: skip


def _is_by_norm(clique: AnyClique) -> TypeGuard[TiedClique]:
    return isinstance(clique, TiedClique) and clique.by_norm


def _asked(clique: AnyClique) -> tuple[Clique, ...]:
    """The plain tables that a table is made of; none where every row needs to be seen whole."""
    if not isinstance(clique, TiedClique):
        return (clique,)
    return () if clique.by_norm else clique.counted


def _pooled(clique: TiedClique, slots: Sequence[IntArray], shape: tuple[int, ...]) -> IntArray:
    """Blocks x the slots' shape, out of each slot's counts by size."""
    total = np.zeros(shape, dtype=np.int64)
    for slot, table in enumerate(slots):
        total[clique.blocks[slot]] += np.tensordot(_weights(clique, slot), table, axes=1)
    return total


def _weights(clique: TiedClique, slot: int) -> IntArray:
    """What the slot counts in a row of each size; nothing where the row does not have it."""
    block = clique.blocks[slot]
    weights = [
        tied_weight(votes=clique.votes, instances=clique.instances(code)[block]) if slot < present else 0
        for code, present in enumerate(clique.present)
    ]
    return np.array(weights, dtype=np.int64)
