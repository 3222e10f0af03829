"""How well synthetic members agree with the noised tables they were made from, and with the rules of their table.

As in ``synthesis.checks``: nothing is compared with the true rows. Counts are in votes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from privacy.layouts import Layout
from privacy.values import HardRule, NoisyTied
from synthesis.members import People, Table
from synthesis.report import purpose, sampling

FloatArray = NDArray[np.float64]
EACH, TWO, UNIT = "each", "two of one unit", "each unit"


def checks(people: People, released: Sequence[NoisyTied], *, scale: float) -> list[dict[str, Any]]:
    """Every released table of members. ``scale``: released units for each unit of ``people``."""
    return [_check(people, table, scale) for table in released]


def worst_first(tables: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(tables, key=lambda one: -one["residual_over_sigma"])


def _check(people: People, released: NoisyTied, scale: float) -> dict[str, Any]:
    noised, sigma = released.counts / released.parts, released.sigma / released.parts
    table = Table(released.clique, people)
    expected = table.count(people.codes) * scale
    residual = float(np.sqrt(np.mean((noised - expected) ** 2)))
    shares = np.maximum(noised, 0)
    shares = shares / max(float(shares.sum()), 1.0)
    return {
        **in_words(released, people.layout),
        "cells": int(noised.size),
        **sampling.told(residual, sigma, scale**2 * variance(table, people)),
        "tvd_vs_noised": round(float(0.5 * np.abs(shares - expected / max(expected.sum(), 1e-9)).sum()), 5),
    }


def variance(table: Table, people: People) -> FloatArray:
    """Of each cell's votes, had these units been drawn one by one: the members of a unit come and go together."""
    cells, size = table.cells(people.codes), int(np.prod(table.shape))
    pairs, places = np.unique(table.units * size + cells, return_inverse=True)
    votes = np.bincount(places, weights=table.weights, minlength=len(pairs))
    squares, sums = (np.bincount(pairs % size, weights=votes**power, minlength=size) for power in (2, 1))
    found: FloatArray = np.maximum(squares - sums**2 / len(people.top), 0)
    return found


def in_words(released: NoisyTied, layout: Layout) -> dict[str, Any]:
    """Which columns a table holds, and whether of each member or of two members of one unit."""
    places = [layout.places[axis.column] for axis in released.clique.slots[0].axes]
    positions = {position for _, position in places if position}
    return {"columns": [name for name, _ in places], "of": (UNIT, EACH, TWO)[len(positions)]}


def rules(declared: Sequence[HardRule], table: str, broken: int) -> list[dict[str, Any]]:
    """The rules of the members' table; a count of broken ones is of all of them together, and 0 in a package."""
    return [{"rule": f"{table}: {one.text}", "reason": one.reason, "violations": broken} for one in declared]


def within_noise(tables: Sequence[dict[str, Any]]) -> float:
    return purpose.share_of(tables, purpose.WITHIN)


def within_band(tables: Sequence[dict[str, Any]]) -> float:
    return purpose.share_of(tables, purpose.WITHIN, purpose.CHANCE)
