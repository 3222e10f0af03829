"""Every table that is measured of units with members, named by rule from the declaration, and what each matters.

One-way tables and pairs of a unit's columns; one-way tables of members by role (first, second, later) and pairs;
attributes of members with their number and with the unit's columns; and the same attribute of two members of one unit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from itertools import combinations
from typing import Any

from privacy import leaf_tables
from privacy.layouts import Layout, Pair, Wanted, among_later, first_two, together, viewed, with_later
from privacy.plan_parts import LeafStage, Stages
from privacy.plans import MAX_CELLS, MeasurementPlan
from privacy.related import Related
from privacy.values import AnyClique, Clique, TiedClique

ROLES = (0, 1, 2)
OF_UNITS, OF_MEMBERS, PAIRS, WITH_SIZE, WITH_UNIT = 3.0, 2.0, 2.0, 0.5, 12.0
"""What groups of tables matter. Columns of units matter more than those of members: what is said of members by their
unit is off by as much as the unit's own columns are, and they are counted by each unit once.
"""
UNIT_PAIRS, UNIT_SIZES = 1.2, 1.0  # a unit's columns with its number of members: what its members' tables all rest on
MEETINGS = (6.0, 2.0, 0.5)
OF_LEAVES = 3.0  # how many rows below it a member has, beside its other attributes
FINEST = 1000
"""What a table matters is a whole number in a plan; 1 counts so much."""


def wanted(layout: Layout, facts: Mapping[str, Any] | None = None, *, independent: bool = False) -> list[Wanted]:
    """Every table. ``independent`` members: each by itself, none with another.

    ``facts`` may name the tables to measure where not all are worth it: ``oneWay``, ``pairs``, ``withSize``,
    ``withUnit``, ``unitPairs`` and ``meetings``; ``roles`` and ``votes`` of members' tables; ``matters`` weighs single
    attributes and ``importance`` groups (``pairs``, ``withUnit``); ``coarse``: bins of attributes beside others.
    """
    said, tops, own = facts or {}, layout.top.columns, layout.members.columns
    matter, each = said.get("importance", {}), _Pooled(layout, said)
    found = together([Clique.of(name) for name in tops], OF_UNITS)
    found += _unit_pairs(layout, said.get("unitPairs", combinations(tops, 2)))
    found += _one_ways(layout, said, own, independent=independent)
    found += together(each(said.get("pairs", combinations(own, 2))), matter.get("pairs", PAIRS))
    found += together(each((layout.size, name) for name in said.get("withSize", own)), WITH_SIZE)
    if independent:
        return found
    every = [(top, name) for top in tops if top != layout.size for name in own]
    found += together(each(said.get("withUnit", every)), matter.get("withUnit", WITH_UNIT))
    for positions, importance in zip(_meetings(layout), MEETINGS, strict=False):
        found += together(each.meeting(said.get("meetings", own), positions), importance)
    return found


class _Pooled:
    """Tables of members' attributes together, each member counted once."""

    def __init__(self, layout: Layout, said: Mapping[str, Any]) -> None:
        self._layout, self._votes = layout, said.get("votes", 1)
        self._coarse = {name: tuple(bins) for name, bins in said.get("coarse", {}).items()}

    def __call__(self, names: Iterable[Sequence[str]]) -> list[AnyClique]:
        plain = [self._layout.each(*each, votes=self._votes, by_norm=True) for each in names]
        return [viewed(each, self._layout, self._coarse) for each in plain]

    def meeting(self, names: Iterable[str], positions: Sequence[Pair]) -> list[AnyClique]:
        """The same attribute of two members of a unit."""
        return [self._layout.pairs((name, name), positions, votes=self._votes, by_norm=True) for name in names]


def _unit_pairs(layout: Layout, pairs: Iterable[Sequence[str]]) -> list[Wanted]:
    found = [Clique.of(*pair) for pair in pairs]
    sized = [each for each in found if layout.size in each.columns]
    return together([each for each in found if each not in sized], UNIT_PAIRS) + together(sized, UNIT_SIZES)


def _one_ways(layout: Layout, said: Mapping[str, Any], own: Sequence[str], *, independent: bool) -> list[Wanted]:
    names, matters, votes = said.get("oneWay", own), said.get("matters", {}), said.get("votes", 1)
    roles = (0,) if independent else tuple(said.get("roles", ROLES))
    return [
        Wanted(
            layout.each(name, roles=roles, votes=votes, by_norm=True), OF_MEMBERS / len(names) * matters.get(name, 1)
        )
        for name in names
    ]


def _meetings(layout: Layout) -> list[tuple[Pair, ...]]:
    """Who is counted together: the first two, either of them with a later one, and later ones."""
    pairs = (first_two(), with_later(layout.most), among_later(layout.most))
    return [each for each in pairs if each and min(map(max, each)) <= layout.most]


def plan_for(related: Related) -> MeasurementPlan:
    """The plan of related tables: every table of members and of leaves that is not beyond the largest, in stages."""
    leaves = related.leaves
    levels = [(related.layout, wanted(related.layout, {"matters": {leaves.number: OF_LEAVES}} if leaves else None))]
    if leaves is not None:
        levels.append((leaves.layout, leaf_tables.wanted(leaves)))
    found = [each for layout, tables in levels for each in tables if each.clique.cells(layout.domain) <= MAX_CELLS]
    plain = [each for each in found if isinstance(each.clique, Clique)]
    pooled = [each for each in found if isinstance(each.clique, TiedClique)]
    stage = None if leaves is None else LeafStage(leaves.total, leaf_tables.total_bins(leaves))
    return MeasurementPlan(
        one_way_share=Decimal(0), fixed_share=Decimal(1), rounds=0, per_round=1, max_cells=MAX_CELLS,
        fixed=tuple(each.clique for each in plain if isinstance(each.clique, Clique)),
        tied=tuple(each.clique for each in pooled if isinstance(each.clique, TiedClique)),
        fixed_weights=tuple(max(round(FINEST * each.importance), 1) for each in (*plain, *pooled)),
        stages=Stages(related.size, leaves=stage),
    )  # fmt: skip
