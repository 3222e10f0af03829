"""Reading what a declaration says of the third of three related tables. Problems are noted by table and rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any, cast

import numpy as np

from privacy import across_rules
from privacy.across_rules import renamed
from privacy.joined import Blocks, Orphans, Table, check_blocks, check_drawn, of_one_day, read_blocks
from privacy.leaves import PLACE, PLACES, Journey, Leaves, of_member, votes_of
from privacy.schema_dates import DatePart
from privacy.schema_fields import Column
from privacy.schema_reading import PartReader, Reader
from privacy.validity import Contradiction, Validity, Zero
from privacy.values import Axis, Clique, Domain, HardRule, IntArray

MOST_LEAVES, MOST_OF_UNIT, MOST_VOTES = 1000, 2000, 500
MOST_CELLS = 2**22
"""Cells of a rule, code by code."""
TRIED = 3
"""Leaves in a row that must be able to keep all rules."""


@dataclass(frozen=True)
class Facts:
    """The keys of the third table that are no part of every table."""

    least: int
    most: int
    or_none: bool
    most_of_unit: int
    orphans: Orphans
    votes: int
    ordered_by: str
    seen_with: tuple[str, ...] | None
    together: Blocks
    rules: list[Any]
    journey: Reader | None

    @property
    def origin(self) -> str:
        """The column that holds where a leaf starts."""
        return self.journey.text("from") if self.journey else ""


def read_facts(reader: Reader, *, parent: str) -> Facts:
    """What the third table declares beside its fields."""
    if reader.text("parent") != parent:
        reader.problem("'parent' must name the second table")
    most = reader.whole("most", least=1, most=MOST_LEAVES)
    of_unit = reader.whole("mostOfUnit", least=most, most=MOST_OF_UNIT)
    rules = across_rules.declared(reader, "sequenceRules")
    journey = PartReader(
        reader.get("journey"), column="", problems=reader.problems, what=f"{reader.what}: 'journey'"
    ) if reader.has("journey") else None  # fmt: skip
    return Facts(
        reader.whole("least", least=0, most=most, default=1), most, reader.flag("orNone", default=False), of_unit,
        cast("Orphans", reader.choice("orphans", ("refuse", "drop"), default="refuse")),
        reader.whole("votes", least=1, most=MOST_VOTES, default=votes_of(of_unit)),
        reader.text("orderedBy", default=""), reader.texts("seenWith") if reader.has("seenWith") else None,
        read_blocks(reader), rules, journey,
    )  # fmt: skip


def leaves_of(
    top: Reader, facts: Facts, table: Table, *, units: Table, members: Table, most_members: int,
    attributes: dict[str, str],
) -> Leaves | None:  # fmt: skip
    """The third table beside the two above it; None after noting a problem.

    ``attributes``: what declared columns of members are called beside those of units.
    """
    before, columns = len(top.problems), {each.name: each for each in members.schema.columns}
    taken = {column.name: column for column in units.schema.columns} | {name: None for name in attributes.values()}
    found = Leaves(
        table, facts.least, facts.most, facts.or_none, facts.most_of_unit, facts.orphans, facts.votes,
        table.names(taken), {}, (), {}, facts.ordered_by, facts.together,
    )  # fmt: skip
    _check_counts(top, found, most_members)
    check_blocks(top, table, facts.together)
    orders = [column.name for column in table.schema.columns if not isinstance(column.coding, DatePart)]
    if facts.ordered_by and facts.ordered_by not in orders:
        top.problem(f"'orderedBy' must name a measured column of {table.name} that is no part of a date")
    if len(top.problems) > before:
        return None
    found = _seen(top, found, facts.seen_with, units, members, columns, attributes)
    found = _journeying(top, found, facts.journey, units)
    _check_names(top, found, taken)
    if len(top.problems) > before:
        return None
    found = replace(found, declared=_rules(top, found, facts.rules, (units, members)))
    if len(top.problems) == before:
        _check_together(top, found)
    return found if len(top.problems) == before else None


def _check_counts(top: Reader, leaves: Leaves, most_members: int) -> None:
    if not leaves.or_none and leaves.least * most_members > leaves.most_of_unit:
        top.problem(f"'mostOfUnit' of {leaves.table.name} must be room for 'least' rows of as many members as count")


def _check_names(top: Reader, leaves: Leaves, taken: Mapping[str, object]) -> None:
    """Nothing declared is called what is made of other names."""
    names = [*taken, *leaves.called]
    if again := sorted({name for name in names if names.count(name) > 1}):
        top.problem(f"columns are named like others that are made beside {leaves.table.name}: {', '.join(again)}")


def _seen(
    top: Reader, leaves: Leaves, wanted: Sequence[str] | None, units: Table, members: Table, columns: dict[str, Column],
    attributes: dict[str, str],
) -> Leaves:  # fmt: skip
    """What leaves are counted together with: of their members everything, where nothing is said."""
    known = columns | {leaves.number: leaves.number_column}
    above = {column.name: column for column in units.schema.columns}
    names = list(known) if wanted is None else wanted
    if unknown := [name for name in names if name not in known and name not in above]:
        top.problem(f"'seenWith' names columns that no table above {leaves.table.name} measures: {sorted(unknown)}")
    own = [name for name in names if name in known]
    given = {of_member(name, members.name): replace(known[name], name=of_member(name, members.name)) for name in own}
    sources = tuple(attributes.get(name, name) for name in own)
    tops = {name: above[name] for name in names if name in above and name not in known}
    return replace(leaves, given=given, sources=sources, tops=tops)


def _journeying(top: Reader, leaves: Leaves, journey: Reader | None, units: Table) -> Leaves:
    """With the journey that is declared, if one is."""
    if journey is None:
        return leaves
    to, start, back = journey.text("to"), journey.text("start"), journey.text("back", default="")
    journey.done()
    ends, homes = leaves.names.get(to), {column.name: column for column in units.schema.columns}
    column = leaves.attributes[ends] if ends else None
    if column is None or start not in homes or homes[start].labels != column.labels or column.name != column.source:
        journey.problem(
            f"'to' of 'journey' must be a column of {leaves.table.name}, and 'start' one of {units.name} that is "
            "declared alike"
        )
        return leaves
    if not leaves.is_ordered:
        journey.problem("'journey' needs an order: 'number' or 'orderedBy'")
    own = {column.name: column for column in leaves.table.schema.columns}
    what = f"table {leaves.table.name}: 'back' of 'journey'"
    held = across_rules.compiled(top, own, what, back, "where journeys go back") if back else None
    if held and to in held.clique.columns:
        journey.problem("'back' of 'journey' must not be about 'to' itself")
    tops = dict(leaves.tops) | {start: homes[start]}
    found, sizes = replace(leaves, tops=tops, journey=Journey(to, start, held)), leaves.table.sizes
    for block in found.linked:
        check_drawn(top, f"'back' of 'journey' with 'to' of {leaves.table.name}", prod(sizes[name] for name in block))
    return found


def _rules(top: Reader, leaves: Leaves, declared: list[Any], above: Sequence[Table]) -> tuple[HardRule, ...]:
    """``sequenceRules`` over the names of the layout, and what follows for the parts of dates they name."""
    columns = {name: column for name, (_, column) in leaves.ruled.items()}
    read = across_rules.read(top, declared, table=leaves.table.name, what="sequence rule", columns=columns)
    found = [placed(rule, leaves) for rule in read]
    return (*found, *_dates(top, leaves, found, above))


def _dates(top: Reader, leaves: Leaves, rules: Sequence[HardRule], above: Sequence[Table]) -> list[HardRule]:
    """The parts of a date that rules from row to row name are those of one day.

    Of tables above, rules of their own must say so.
    """
    units, members = above
    repeated = {each.name: each.repeats for each in leaves.befores}
    named = {repeated.get(axis.column, axis.column) for rule in rules for axis in rule.clique.axes}
    if leaves.journey and leaves.journey.back:
        named |= {leaves.names[axis.column] for axis in leaves.journey.back.clique.axes}
    for rule in of_one_day(units, named & set(leaves.tops)):
        top.problem(f"{rule.text}: what 'sequenceRules' name, rules of {units.name} must name too")
    theirs = {column.name for column in members.schema.columns if of_member(column.name, members.name) in named}
    for rule in of_one_day(members, theirs):
        top.problem(f"{rule.text}: what 'sequenceRules' name, rules of {members.name} must name too")
    own = {name for name, called in leaves.names.items() if called in named}
    return [renamed(rule, leaves.names) for rule in of_one_day(leaves.table, own)]


def placed(rule: HardRule, leaves: Leaves) -> HardRule:
    """The rule over the names of the layout, where what a leaf before would have said has a code of its own."""
    axes = []
    for axis in rule.clique.axes:
        called, column = leaves.ruled[axis.column]
        bins = axis.bins or tuple(range(column.size))
        size = (leaves.layout.top if called in leaves.tops else leaves.layout.members).size(called)
        axes.append(Axis(called, (*bins, *[bins[-1]] * (size - column.size))))
    return HardRule(rule.text, rule.reason, Clique(tuple(axes)), rule.allowed)


def _check_together(top: Reader, leaves: Leaves) -> None:
    """Some rows must be able to keep all rules one after another, whatever number of them."""
    sizes = dict(zip(leaves.layout.top.columns, leaves.layout.top.sizes, strict=True))
    sizes |= dict(zip(leaves.layout.members.columns, leaves.layout.members.sizes, strict=True))
    if any(np.prod([float(sizes[name]) for name in rule.clique.columns]) > MOST_CELLS for rule in leaves.rules):
        top.problem(f"a rule of {leaves.table.name} has more than {MOST_CELLS} cells: use coarser bins")
        return
    for count in range(max(leaves.least, 1), min(leaves.most, max(leaves.least, TRIED)) + 1):
        try:
            _keep(leaves, count)
        except Contradiction:
            rows = f"{count} {leaves.table.name} in a row"
            top.problem(f"no {rows} that keep all rules were found: they contradict each other, or are too tangled")
            return


def _keep(leaves: Leaves, count: int) -> None:
    """Contradiction where no member's ``count`` leaves keep all rules."""
    layout = leaves.layout
    sizes = {name: layout.top.size(name) for name in leaves.tops}
    sizes |= {name: layout.members.size(name) for name in leaves.given}
    for place in range(1, count + 1):
        sizes |= {f"{name}@{place}": layout.members.size(name) for name in leaves.names.values()}
    domain = Domain.from_mapping(sizes)
    rules = [each for rule in leaves.rules for place in range(1, count + 1)  # what hangs together is tried together
             if (each := _at(rule, leaves, place, count)) is not None]  # fmt: skip
    Validity([Zero.of(rule, domain) for rule in rules], [np.ones(size) for size in domain.sizes])


def _at(rule: HardRule, leaves: Leaves, place: int, count: int) -> HardRule | None:
    """The rule of the leaf at a place among so many; None where it forbids nothing there.

    What the leaf before has is that leaf's own, what is known of the place is put in.
    """
    allowed, views = np.asarray(rule.allowed), dict[str, IntArray]()
    for axis in rule.clique.axes:
        column, code, size = _read_at(axis.column, leaves, place, count)
        bins = np.asarray(axis.bins or range(size))[:size]
        if column is None:
            allowed = np.asarray(np.take(allowed, axis.bins[code] if axis.bins else code, axis=len(views)))
        elif column in views:  # twice the same column: what that forbids is seen when members are made
            return None
        else:
            used, views[column] = np.unique(bins, return_inverse=True)
            allowed = np.take(allowed, used, axis=len(views) - 1)
    if not allowed.any():
        raise Contradiction
    if allowed.all():
        return None
    axes = tuple(Axis(name, tuple(view.tolist())) for name, view in views.items())
    return HardRule(rule.text, rule.reason, Clique(axes), np.ascontiguousarray(allowed))


def _read_at(name: str, leaves: Leaves, place: int, count: int) -> tuple[str | None, int, int]:
    """Where a name of the layout is read at a place: a column and its size, or None and the code that is known."""
    layout = leaves.layout
    each = next((each for each in leaves.befores if each.name == name), None)
    if each is not None and place > 1:
        return f"{each.repeats}@{place - 1}", 0, layout.members.size(each.repeats)
    if each is not None:
        return each.start or None, layout.members.size(each.repeats), layout.members.size(each.repeats)
    if name == PLACE:
        return None, int(leaves.places(np.array([count]))[place - 1]), len(PLACES)
    if name in leaves.names.values():
        return f"{name}@{place}", 0, layout.members.size(name)
    return name, 0, (layout.top if name in leaves.tops else layout.members).size(name)
