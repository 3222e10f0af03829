"""Tied cliques: one table pooled over repeated slots of a row, counted by any engine that counts cliques.

Each slot is asked for together with the column of sizes; the weights are public, so the rest is arithmetic on
the counts. The result is in parts of a vote (privacy/dp/sensitivity.py), whole numbers as every table.
"""

from __future__ import annotations

import numpy as np

from privacy.dp.counting import ExactCounter
from privacy.dp.sensitivity import tied_weight
from privacy.values import Axis, Clique, IntArray, TiedClique


def tied_counts(counter: ExactCounter, clique: TiedClique) -> IntArray:
    """The pooled table, blocks x the slots' shape, in parts of a vote. Raw, like every count."""
    clique.check(counter.domain)
    asked = [Clique((Axis(clique.size), *slot.axes)) for slot in clique.slots]
    total = np.zeros(clique.shape(counter.domain), dtype=np.int64)
    for slot, table in enumerate(counter.tables(asked)):
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
