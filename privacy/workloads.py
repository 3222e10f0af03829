"""How a budget is split over tied tables: more for what matters and has many cells, less where votes are many.

From public facts and released counts alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from privacy.dp.sensitivity import VOTE, l2_of
from privacy.values import AnyClique, Domain, PrivacyUnit, TiedClique

POWER = 2 / 3
FINEST = 10_000
"""Weights are whole numbers; the largest is this."""


def weights(
    cliques: Sequence[AnyClique], importance: Sequence[float], *, domain: Domain, units: Sequence[float]
) -> tuple[int, ...]:
    """Shares of rho for equal gain: (importance x cells x sensitivity / mass) to the power 2/3.

    ``units``: how many units each code of the size column is thought to have. Every table's noise adds up over its
    cells and is worth what it is beside the table's mass.
    """
    raw = [
        (weight * clique.cells(domain) * _change(clique) / _mass(clique, units)) ** POWER
        for clique, weight in zip(cliques, importance, strict=True)
    ]
    return tuple(max(round(FINEST * each / max(raw)), 1) for each in raw)


def _change(clique: AnyClique) -> float:
    """What one unit can change, in votes."""
    return l2_of(PrivacyUnit(), clique) / (VOTE if isinstance(clique, TiedClique) else 1)


def _mass(clique: AnyClique, units: Sequence[float]) -> float:
    """The votes that all units together cast."""
    known = np.maximum(np.asarray(units, dtype=float), 0)
    if not isinstance(clique, TiedClique):
        return max(float(known.sum()), 1.0)
    cast = [sum(min(each, clique.votes) for each in clique.instances(code)) for code in range(len(known))]
    return max(float(known @ np.array(cast)), 1.0)
