"""How well synthetic members agree with the noised tables they were made from, and with the rules of their table.

As in ``synthesis.checks``: nothing is compared with the true rows. Counts are in votes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from privacy.layouts import Layout
from privacy.values import HardRule, NoisyTied
from synthesis.members import People, Table
from synthesis.report import purpose

EACH, TWO = "each", "two of one unit"


def checks(people: People, released: Sequence[NoisyTied], *, scale: float) -> list[dict[str, Any]]:
    """Every released table of members, worst first. ``scale``: released units for each unit of ``people``."""
    found = [_check(people, table, scale) for table in released]
    return sorted(found, key=lambda one: -one["residual_over_sigma"])


def _check(people: People, released: NoisyTied, scale: float) -> dict[str, Any]:
    noised, sigma = released.counts / released.parts, released.sigma / released.parts
    expected = Table(released.clique, people).count(people.codes) * scale
    shares = np.maximum(noised, 0)
    shares = shares / max(float(shares.sum()), 1.0)
    return {
        **in_words(released, people.layout),
        "cells": int(noised.size),
        "sigma": round(sigma, 3),
        "residual_over_sigma": round(float(np.sqrt(np.mean((noised - expected) ** 2)) / sigma), 3),
        "tvd_vs_noised": round(float(0.5 * np.abs(shares - expected / max(expected.sum(), 1e-9)).sum()), 5),
    }


def in_words(released: NoisyTied, layout: Layout) -> dict[str, Any]:
    """Which columns a table holds, and whether of each member or of two members of one unit."""
    places = [layout.places[axis.column] for axis in released.clique.slots[0].axes]
    positions = {position for _, position in places if position}
    return {"columns": [name for name, _ in places], "of": EACH if len(positions) == 1 else TWO}


def rules(declared: Sequence[HardRule], table: str, broken: int) -> list[dict[str, Any]]:
    """The rules of the members' table; a count of broken ones is of all of them together, and 0 in a package."""
    return [{"rule": f"{table}: {one.text}", "reason": one.reason, "violations": broken} for one in declared]


def within_noise(tables: Sequence[dict[str, Any]]) -> float:
    return round(float(np.mean([purpose.met(one["residual_over_sigma"]) for one in tables])), 4)
