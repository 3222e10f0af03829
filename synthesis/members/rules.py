"""What is declared to hold for one record of the members' table, as rules of every member."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from privacy.layouts import Layout
from privacy.values import HardRule
from synthesis.members.tables import Rule


def of_each(rules: Iterable[HardRule], layout: Layout, names: Mapping[str, str] | None = None) -> list[Rule]:
    """The rules for every member of a unit; ``names``: what a rule's columns are called in the layout."""
    called = names or {}
    found = []
    for rule in rules:
        columns = tuple(called.get(column, column) for column in rule.clique.columns)
        found.append(Rule(layout.each(*columns), _every_code(rule, layout, columns)[None]))
    return found


def _every_code(rule: HardRule, layout: Layout, columns: tuple[str, ...]) -> NDArray[np.bool_]:
    """What the rule allows, code by code."""
    sizes = [(layout.top if name in layout.top.columns else layout.members).size(name) for name in columns]
    seen = [
        np.asarray(axis.bins or range(size))[grid]
        for axis, size, grid in zip(rule.clique.axes, sizes, np.indices(sizes), strict=True)
    ]
    return np.asarray(rule.allowed[tuple(seen)])
