"""Every table that is measured of units with members, named by rule from the declaration, and what each matters.

One-way tables and pairs of a unit's columns; one-way tables of members by role (first, second, later) and pairs;
attributes of members with their number and with the unit's columns; and the same attribute of two members of one unit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from itertools import combinations
from typing import Any

from privacy.layouts import Layout, Pair, Wanted, among_later, first_two, with_later
from privacy.plan_parts import Stages
from privacy.plans import MAX_CELLS, MeasurementPlan
from privacy.values import AnyClique, Clique, TiedClique

ROLES = (0, 1, 2)
OF_UNITS, OF_MEMBERS, PAIRS, WITH_SIZE, WITH_UNIT = 0.5, 2.0, 4.0, 0.5, 4.0  # what groups of tables matter
MEETINGS = (4.0, 2.0, 0.5)
FINEST = 1000
"""What a table matters is a whole number in a plan; 1 counts so much."""


def wanted(layout: Layout, facts: Mapping[str, Any] | None = None, *, independent: bool = False) -> list[Wanted]:
    """Every table. ``independent`` members: each by itself, none with another.

    ``facts`` may name the tables to measure where not all are worth it: ``oneWay``, ``pairs``, ``withSize``,
    ``withUnit`` and ``meetings``; ``roles`` and ``votes`` of members' tables; ``matters`` weighs single attributes.
    """
    said, tops, own = facts or {}, layout.top.columns, layout.members.columns
    units = [name for name in tops if name != layout.size]
    votes, each = said.get("votes", 1), _Pooled(layout, said.get("votes", 1))
    found = together([Clique.of(name) for name in tops], OF_UNITS)
    found += together([Clique.of(*pair) for pair in combinations(tops, 2)], OF_UNITS)
    found += _one_ways(layout, said, own, independent=independent)
    found += together(each(said.get("pairs", combinations(own, 2))), PAIRS)
    found += together(each((layout.size, name) for name in said.get("withSize", own)), WITH_SIZE)
    if independent:
        return found
    every = [(top, name) for top in units for name in own]
    found += together(each(said.get("withUnit", every)), WITH_UNIT)
    for positions, importance in zip(_meetings(layout), MEETINGS, strict=False):
        meeting = said.get("meetings", own)
        found += together(
            [layout.pairs((name, name), positions, votes=votes, by_norm=True) for name in meeting], importance
        )
    return found


class _Pooled:
    """Tables of members' attributes together, each member counted once."""

    def __init__(self, layout: Layout, votes: int) -> None:
        self._layout, self._votes = layout, votes

    def __call__(self, names: Iterable[Sequence[str]]) -> list[TiedClique]:
        return [self._layout.each(*each, votes=self._votes, by_norm=True) for each in names]


def _one_ways(layout: Layout, said: Mapping[str, Any], own: Sequence[str], *, independent: bool) -> list[Wanted]:
    names, matters, votes = said.get("oneWay", own), said.get("matters", {}), said.get("votes", 1)
    roles = (0,) if independent else tuple(said.get("roles", ROLES))
    return [
        Wanted(
            layout.each(name, roles=roles, votes=votes, by_norm=True), OF_MEMBERS / len(names) * matters.get(name, 1)
        )
        for name in names
    ]


def together(cliques: Sequence[AnyClique], importance: float) -> list[Wanted]:
    """A group of tables that matter so much together."""
    return [Wanted(clique, importance / len(cliques)) for clique in cliques]


def _meetings(layout: Layout) -> list[tuple[Pair, ...]]:
    """Who is counted together: the first two, either of them with a later one, and later ones."""
    pairs = (first_two(), with_later(layout.most), among_later(layout.most))
    return [each for each in pairs if each and min(map(max, each)) <= layout.most]


def plan_for(layout: Layout) -> MeasurementPlan:
    """The plan of units with members: every table above that is not beyond the largest, in stages."""
    found = [each for each in wanted(layout) if each.clique.cells(layout.domain) <= MAX_CELLS]
    plain = [each for each in found if isinstance(each.clique, Clique)]
    pooled = [each for each in found if isinstance(each.clique, TiedClique)]
    return MeasurementPlan(
        one_way_share=Decimal(0), fixed_share=Decimal(1), rounds=0, per_round=1, max_cells=MAX_CELLS,
        fixed=tuple(each.clique for each in plain if isinstance(each.clique, Clique)),
        tied=tuple(each.clique for each in pooled if isinstance(each.clique, TiedClique)),
        fixed_weights=tuple(max(round(FINEST * each.importance), 1) for each in (*plain, *pooled)),
        stages=Stages(layout.size),
    )  # fmt: skip
