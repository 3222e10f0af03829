"""Tables pooled over members: how finely each is seen, and how a budget is split over them.

More for what matters and has many cells, less where votes are many; and no more cells than keep a table's noise within
a part of its mass. All from public facts and released counts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from privacy.cliques import Axis
from privacy.dp.sensitivity import VOTE, l2_of
from privacy.layouts import Bins, Layout, viewed
from privacy.layouts import Wanted as Wanted
from privacy.values import AnyClique, Clique, Domain, IntArray, PrivacyUnit, TiedClique

POWER = 2 / 3
FINEST = 10_000
"""Weights are whole numbers; the largest is this."""
LEVELS = (64, 32, 16, 8, 4)
"""At level L a code of at least 1/L of the mass stands alone, and runs of lighter ones are cut at about that."""
WORTH = 0.7
"""Of a table's mass: the expected sum of noise over its cells, beyond which it is seen more coarsely."""
ALIKE = 0.25
"""Taken for the chance that two slots of a unit fall in one cell."""
NOISE = math.sqrt(2 / math.pi)

FloatArray = NDArray[np.float64]


def weights(wanted: Sequence[Wanted], *, domain: Domain, units: Sequence[float]) -> tuple[int, ...]:
    """Shares of rho for equal gain: (importance x cells x sensitivity / mass) to the power 2/3.

    ``units``: how many units each code of the size column is thought to have.
    """
    noises = [_Table.of(each.clique, units).noise(each.clique, domain) for each in wanted]
    return _weights(wanted, noises)


def _weights(wanted: Sequence[Wanted], noises: Sequence[float]) -> tuple[int, ...]:
    raw = [(each.importance * noise) ** POWER for each, noise in zip(wanted, noises, strict=True)]
    return tuple(max(round(FINEST * each / max(raw)), 1) for each in raw)


def affordable(
    wanted: Sequence[Wanted],
    layout: Layout,
    masses: Mapping[str, Sequence[float]],
    *,
    rho: float,
    units: Sequence[float],
) -> list[Wanted]:
    """The tables, each as finely as its noise is worth: the noisiest becomes coarser until all are within WORTH.

    ``masses``: released counts of the codes of a column or attribute; what has none is seen code by code.
    """
    levels, seen = [0] * len(wanted), list(wanted)
    tables = [_Table.of(each.clique, units) for each in wanted]  # bins change neither sensitivity nor mass
    while True:
        noises = _noises(seen, tables, layout.domain, rho=rho)
        open_ = [place for place, noise in enumerate(noises) if noise > WORTH and levels[place] < len(LEVELS)]
        if not open_:
            return seen
        worst = max(open_, key=noises.__getitem__)
        bins = {name: binned(mass, level=LEVELS[levels[worst]]) for name, mass in masses.items()}
        seen[worst] = replace(wanted[worst], clique=viewed(wanted[worst].clique, layout, bins))
        levels[worst] += 1


def binned(mass: Sequence[float], *, level: int) -> Bins:
    """Bins of codes by their mass: a heavy code alone, runs of lighter ones together."""
    shares = np.maximum(np.asarray(mass, dtype=float), 0)
    shares = shares / max(float(shares.sum()), 1e-9) * level
    found, number, held = [], -1, math.inf
    for share in shares.tolist():
        if held + share > 1 or share >= 1:
            number, held = number + 1, 0.0
        found.append(number)
        held = math.inf if share >= 1 else held + share
    return tuple(found)


@dataclass(frozen=True, slots=True)
class _Table:
    """What one unit can change of a table, and the votes of all units."""

    change: float
    mass: float

    @classmethod
    def of(cls, clique: AnyClique, units: Sequence[float]) -> _Table:
        return cls(_change(_shape_of(clique)), _mass(clique, units))

    def noise(self, clique: AnyClique, domain: Domain) -> float:
        """A table's cells x what one unit can change / the votes of all units, at noise 1."""
        return clique.cells(domain) * self.change / self.mass


def _noises(wanted: Sequence[Wanted], tables: Sequence[_Table], domain: Domain, *, rho: float) -> list[float]:
    """The expected sum of each table's noise beside its mass."""
    noise = [table.noise(each.clique, domain) for each, table in zip(wanted, tables, strict=True)]
    shares = np.array(_weights(wanted, noise), dtype=float)
    sigmas = 1 / np.sqrt(2 * rho * shares / shares.sum())
    found: list[float] = (NOISE * sigmas * np.array(noise)).tolist()
    return found


@cache
def _change(clique: AnyClique) -> float:
    return l2_of(PrivacyUnit(), clique) / (VOTE if isinstance(clique, TiedClique) else 1)


def _shape_of(clique: AnyClique) -> AnyClique:
    """The same clique code by code: bins change no sensitivity."""
    if isinstance(clique, TiedClique):
        plain = tuple(Clique(tuple(Axis(axis.column) for axis in slot.axes)) for slot in clique.slots)
        return replace(clique, slots=plain)
    return Clique(tuple(Axis(axis.column) for axis in clique.axes))


def _mass(clique: AnyClique, units: Sequence[float]) -> float:
    known = np.maximum(np.asarray(units, dtype=float), 0)
    if not isinstance(clique, TiedClique):
        return max(float(known.sum()), 1.0)
    cast = _by_norm(clique.present, clique.votes) if clique.by_norm else _votes(
        clique.present, clique.blocks, clique.votes
    )  # fmt: skip
    return max(float(known @ cast), 1.0)


@cache
def _by_norm(present: tuple[int, ...], votes: int) -> FloatArray:
    """The votes that a unit of each size casts, where so many pairs of its slots fall in one cell."""
    norms = [math.sqrt(count + ALIKE * count * (count - 1)) for count in present]
    return np.array(
        [count * min(1.0, votes / norm) if count else 0.0 for count, norm in zip(present, norms, strict=True)]
    )


@cache
def _votes(present: tuple[int, ...], blocks: tuple[int, ...], votes: int) -> IntArray:
    """The votes that a unit of each size casts."""
    cast = [sum(min(blocks[:count].count(block), votes) for block in range(max(blocks) + 1)) for count in present]
    return np.array(cast)
