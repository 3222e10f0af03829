"""Rules beyond one record: what a unit's number of members says of it and of them, and what its first two must be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.kinds.declared import Table
from privacy.layouts import Layout, first_two
from privacy.values import HardRule, IntArray
from synthesis.members import Rule


def of_units(units: Table, layout: Layout) -> list[HardRule]:
    """``sizeRules`` of the units' table, over its columns and the number of members."""
    return _sized(units, layout)


def of_members(members: Table, layout: Layout) -> list[Rule]:
    """``sizeRules`` of the members' table, which hold for every member, and ``someone``: what the first member or the
    second is, where there are two.
    """
    found = []
    for rule in _sized(members, layout):
        found.append(Rule(layout.each(*rule.clique.columns), by_code(rule, layout)[None]))
    for rule in members.holding(members.facts.get("someone", [])):
        (name,), one = rule.clique.columns, by_code(rule, layout)
        found.append(Rule(layout.pairs((name, name), first_two()), (one[:, None] | one[None])[None]))
    return found


def broken(rules: Sequence[HardRule], layout: Layout, top: IntArray) -> int:
    """How many units break each rule, over all rules."""
    codes = [tuple(top[:, layout.top.index(name)] for name in rule.clique.columns) for rule in rules]
    return sum(int((~by_code(rule, layout)[each]).sum()) for rule, each in zip(rules, codes, strict=True))


def by_code(rule: HardRule, layout: Layout) -> NDArray[np.bool_]:
    """What the rule allows, code by code."""
    sizes = [(layout.top if name in layout.top.columns else layout.members).size(name) for name in rule.clique.columns]
    seen = [
        np.asarray(axis.bins or range(size))[grid]
        for axis, size, grid in zip(rule.clique.axes, sizes, np.indices(sizes), strict=True)
    ]
    return np.asarray(rule.allowed[tuple(seen)])


def _sized(table: Table, layout: Layout) -> list[HardRule]:
    bounds = {"required": True, "minimum": min(layout.present), "maximum": layout.most}
    number: dict[str, Any] = {"name": layout.size, "type": "integer", "constraints": bounds}
    return table.holding(table.facts.get("sizeRules", []), number)
