"""Related tables of one declaration: units, the members of each (households and their persons), and rows of these.

Each table has fields and rules of its own, read as those of a single table are. What joins them, the keys and the
order of members, is no field: it is never coded, never kept and never released, only made anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, cast

import numpy as np

from privacy import across_rules, leaf_reading
from privacy.across_rules import renamed
from privacy.joined import Blocks, Orphans, ReadTable, Table, check_blocks, of_one_day, read_blocks, read_table
from privacy.layouts import Layout
from privacy.leaves import Leaves
from privacy.schema_fields import Categories, Column
from privacy.schema_reading import PartReader, Reader
from privacy.values import Domain, HardRule, NoisyTied

MOST_MEMBERS = 100
MOST_WIDE = 5000
"""Columns of a unit with all its members side by side."""
ALIKE = "columns of the tables are named too much alike: one is called what another is called beside it"
LEVELS = "'tables' must be a list of two or three tables: units, their members, and rows of these"


@dataclass(frozen=True)
class Related:
    """``units`` and ``members``; a unit has from ``least`` to ``most`` members, and more are not counted.

    ``together``: attributes that are drawn as one. ``orphans``: what becomes of members that name no unit.
    ``leaves``: a third table below them, if there is one. ``unit_rules``: what a unit's columns and its number of
    members have to do with each other; ``member_rules``: with its members' columns, by the names of the layout.
    """

    units: Table
    members: Table
    least: int
    most: int
    orphans: Orphans
    together: Blocks = ()
    leaves: Leaves | None = None
    unit_rules: tuple[HardRule, ...] = ()
    member_rules: tuple[HardRule, ...] = ()

    @property
    def tables(self) -> tuple[Table, ...]:
        return (self.units, self.members, *([self.leaves.table] if self.leaves else []))

    def parent(self, table: Table) -> Table | None:
        """The table whose keys this one's rows name."""
        place = self.tables.index(table)
        return self.tables[place - 1] if place else None

    @property
    def size(self) -> str:
        """The name of the unit's column that says how many members it has."""
        return f"number of {self.members.name}"

    @cached_property
    def size_column(self) -> Column:
        labels = tuple(str(count) for count in range(self.least, self.most + 1))
        public = any(column.public for column in self.units.schema.columns)
        title = f"How many {self.members.name} a row of {self.units.name} has, counted up to {self.most}"
        coding = Categories(labels, {label: code for code, label in enumerate(labels)})
        return Column(self.size, "integer", coding, title, "", public, None, False, frozenset(), self.size)

    @property
    def columns(self) -> tuple[Column, ...]:
        """What is measured of a unit itself."""
        return (*self.units.schema.columns, self.size_column)

    @cached_property
    def own(self) -> dict[str, str]:
        """What the measured columns of members are called, each by a name that no column of units has."""
        return self.members.names({column.name: column for column in self.columns})

    @cached_property
    def attributes(self) -> dict[str, Column]:
        """What is measured of members; last, where there is a third table, how many rows of it each has."""
        found = {self.own[column.name]: column for column in self.members.schema.columns}
        return found | self.numbers

    @property
    def numbers(self) -> dict[str, Column]:
        """How many rows of the third table a member has, where there is one."""
        return {self.leaves.number: self.leaves.number_column} if self.leaves else {}

    @cached_property
    def layout(self) -> Layout:
        """Units with their members."""
        top = Domain.from_mapping({column.name: column.size for column in self.columns})
        members = Domain.from_mapping({name: column.size for name, column in self.attributes.items()})
        return Layout(top, self.size, tuple(range(self.least, self.most + 1)), members)

    @property
    def layouts(self) -> tuple[Layout, ...]:
        """Units with their members, and units with the leaves of all these."""
        return (self.layout, *([self.leaves.layout] if self.leaves else []))

    @cached_property
    def stored(self) -> Domain:
        """The columns of all layouts side by side; those that two of them have are there once."""
        sizes = dict[str, int]()
        for layout in self.layouts:
            sizes |= dict(zip(layout.domain.columns, layout.domain.sizes, strict=True))
        return Domain.from_mapping(sizes)

    def column(self, wide: str) -> Column:
        """What a wide column (``privacy.layouts``) shows."""
        own = {each.name: each for each in self.columns}
        for layout, attributes in zip(self.layouts, self._attributes, strict=True):
            if wide in layout.places:
                name, position = layout.places[wide]
                return attributes[name] if position else (own | self._totals)[name]
        raise KeyError(wide)

    @property
    def _attributes(self) -> tuple[dict[str, Column], ...]:
        return (self.attributes, *([self.leaves.attributes] if self.leaves else []))

    @property
    def _totals(self) -> dict[str, Column]:
        return {self.leaves.total: self.leaves.total_column} if self.leaves else {}

    @property
    def told(self) -> dict[str, Column]:
        """Every declared column by the name that people read, its table's before it; and what is counted of tables."""
        found = {f"{self.units.name}.{each.name}": each for each in self.units.schema.columns}
        found[self.size] = self.size_column
        found |= {f"{self.members.name}.{each.name}": each for each in self.members.schema.columns}
        if self.leaves is None:
            return found
        found[self.leaves.number] = self.leaves.number_column
        return found | {f"{self.leaves.table.name}.{each.name}": each for each in self.leaves.table.schema.columns}

    @property
    def rules(self) -> tuple[tuple[Table, tuple[HardRule, ...]], ...]:
        """The rules of members, and those of what is below them, by the names of their layouts."""
        own = (renamed(rule, self.own) for rule in self.members.schema.rules)
        leaves = ((self.leaves.table, self.leaves.rules),) if self.leaves else ()
        return ((self.members, (*own, *self.member_rules)), *leaves)

    def named_by(self, table: Table, rule: HardRule) -> list[str]:
        """The files' columns that a rule of a table below the first is about."""
        if self.leaves is not None and table is self.leaves.table:
            return self.leaves.named_by(rule)
        columns = {column.name: column for column in self.columns} | self.attributes
        return list(dict.fromkeys(columns[name].source for name in rule.clique.columns))

    def of_layout(self, layout: Layout, tables: Iterable[NoisyTied]) -> list[NoisyTied]:
        """The pooled tables of members, or those of leaves."""
        return [table for table in tables if table.clique.size == layout.size]

    def in_words(self) -> str:
        below = f", and with up to {self.leaves.most_of_unit} {self.leaves.table.name} of these" if self.leaves else ""
        return f"with up to {self.most} {self.members.name}{below}"


def read_related(top: Reader, read: ReadTable) -> Related | None:
    """What ``tables`` declares; None after noting a problem."""
    before, declared = len(top.problems), top.get("tables")
    if not isinstance(declared, list) or len(declared) not in (2, 3):
        top.problem(LEVELS)
        return None
    readers = [
        PartReader(each, column="", problems=top.problems, what=f"table {n}") for n, each in enumerate(declared, 1)
    ]
    names = [reader.text("name", most=31) for reader in readers]
    least, most, orphans, together = _members(readers[1], units=names[0])
    across = [across_rules.declared(reader, "unitRules") for reader in readers[:2]]
    facts = leaf_reading.read_facts(readers[2], parent=names[1]) if len(readers) == 3 else None
    tables = [_table(readers, place, names[place], read, facts) for place in range(len(readers))]
    found = [table for table in tables if table is not None]
    if len(found) < len(tables) or len(top.problems) > before:
        return None
    if any(len({getattr(table, part) for table in found}) < len(found) for part in ("name", "file")):
        top.problem("tables need different names and files")
        return None
    related = Related(found[0], found[1], least, most, orphans, together)
    check_blocks(top, related.members, together)
    if _repeated(related):
        top.problem(ALIKE)
        return None
    if facts is not None:
        related = replace(related, leaves=leaf_reading.leaves_of(
            top, facts, found[2], units=found[0], members=found[1], most_members=most, attributes=related.own
        ))  # fmt: skip
    _check_names(top, related)
    related = _ruled(top, related, across)
    return related if len(top.problems) == before else None


def _ruled(top: Reader, related: Related, declared: Sequence[list[Any]]) -> Related:
    """With the rules across tables. In those of members a name is theirs first, and then their unit's; they may also
    name how many rows of the third table a member has.
    """
    units, own = {column.name: column for column in related.columns}, related.members.schema.columns
    both = units | {column.name: column for column in own} | related.numbers
    of_units, of_members = (
        across_rules.read(top, rules, table=table.name, what="unit rule", columns=columns)
        for rules, table, columns in zip(declared, related.tables, (units, both), strict=False)
    )
    if top.problems or not (of_units or of_members):
        return related
    _check_numbers(top, related, of_members)
    named = {name for rule in of_members for name in rule.clique.columns}
    of_members += of_one_day(related.members, named)
    named = (named - {column.name for column in own} - set(related.numbers)).union(
        *(rule.clique.columns for rule in of_units)
    )
    of_units += of_one_day(related.units, named)
    found = replace(related, unit_rules=tuple(of_units), member_rules=tuple(
        across_rules.renamed(rule, related.own) for rule in of_members
    ))  # fmt: skip
    every, layout = found.rules[0][1], found.layout
    across_rules.check(top, [*found.units.schema.rules, *of_units], every, layout.top, layout.members)
    return found


def _check_numbers(top: Reader, related: Related, rules: Sequence[HardRule]) -> None:
    """Fewer rows are always allowed: those beyond what counts of a unit are left out, or not made."""
    for rule in rules:
        for place, axis in enumerate(rule.clique.axes):
            if axis.column in related.numbers:
                allowed = np.take(rule.allowed, axis.bins or range(rule.allowed.shape[place]), axis=place)
                if (np.diff(allowed.astype(int), axis=place) > 0).any():
                    top.problem(f"{rule.text}: a rule may only say how many `{axis.column}` is at most")


def _members(reader: Reader, *, units: str) -> tuple[int, int, Orphans, Blocks]:
    """How many members a unit has, what becomes of those without one, and what is drawn together."""
    if reader.text("parent") != units:
        reader.problem("'parent' must name the first table")
    most = reader.whole("most", least=1, most=MOST_MEMBERS)
    least = reader.whole("least", least=0, most=most, default=1)
    orphans = reader.choice("orphans", ("refuse", "drop"), default="refuse")
    return least, most, cast("Orphans", orphans), read_blocks(reader)


def _table(
    readers: Sequence[Reader], place: int, name: str, read: ReadTable, facts: leaf_reading.Facts | None
) -> Table | None:
    origin = facts.origin if facts is not None and place == 2 else ""
    keyed = place + 1 < len(readers)
    return read_table(readers[place], name, read, of_members=place > 0, keyed=keyed, origin=origin)


def _check_names(top: Reader, found: Related) -> None:
    """Names that stand side by side differ."""
    if _repeated(found):
        top.problem(ALIKE)
        return
    widths = [len(each.top.columns) + 1 + each.most * len(each.members.columns) for each in found.layouts]
    distinct = {name for each in found.layouts for name in each.top.columns}
    again = sum(len(each.top.columns) for each in found.layouts) - len(distinct)
    if len(found.stored.columns) != sum(widths) - again:
        top.problem("columns of the tables are named too much alike: avoid names that end in '@' and a number")
    if len(found.stored.columns) > MOST_WIDE:
        top.problem(f"'most' members with all their columns must be at most {MOST_WIDE} columns side by side")


def _repeated(found: Related) -> bool:
    """Whether a name that is made here is one that is declared."""
    names = [*(column.name for column in found.columns), *found.own.values()]
    if found.leaves is not None:
        names += found.leaves.called
    return len(set(names)) < len(names)
