"""Reading what a declaration says of the third of three related tables. Problems are noted by table and rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any, cast

from privacy import across_rules
from privacy.across_rules import renamed
from privacy.joined import Blocks, Orphans, Table, check_blocks, check_drawn, of_one_day, read_blocks
from privacy.leaves import Counted, Journey, Leaves, of_member, votes_of
from privacy.schema_dates import DatePart
from privacy.schema_fields import Column
from privacy.schema_reading import PartReader, Reader
from privacy.values import Axis, Clique, HardRule

MOST_LEAVES, MOST_OF_UNIT, MOST_VOTES = 1000, 2000, 500


@dataclass(frozen=True)
class Facts(Counted):
    """The keys of the third table that are no part of every table."""

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
        facts.least, facts.most, facts.or_none, facts.most_of_unit, facts.orphans, facts.votes, table,
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
