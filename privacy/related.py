"""Related tables of one declaration: units, and the members of each (households and their persons).

Each table has fields and rules of its own, read as those of a single table are. What joins them, the keys and the
order of members, is no field: it is never coded, never kept and never released, only made anew.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, cast

from privacy.layouts import Layout
from privacy.problems import Problem
from privacy.schema_fields import Categories, Column
from privacy.schema_reading import Reader
from privacy.values import Domain

if TYPE_CHECKING:
    from privacy.schema import Schema

Orphans = Literal["refuse", "drop"]
ReadTable = Callable[[Mapping[str, Any], list[Problem]], "Schema | None"]
"""Reads fields and rules as a schema of their own, noting problems."""
FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,59}\.csv")
RESERVED = ("data.csv", "data-what-if.csv", "processing.csv")
MOST_MEMBERS = 100
MOST_WIDE = 5000
"""Columns of a unit with all its members side by side."""
FIELDS = ("fields", "rules")


@dataclass(frozen=True)
class Table:
    """One table: its file, the file's ``columns`` in their order, and the schema of those that are measured."""

    name: str
    file: str
    columns: tuple[str, ...]
    schema: Schema
    key: str = ""
    parent_key: str = ""
    number: str = ""

    @property
    def joining(self) -> tuple[str, ...]:
        """The columns that are no fields: keys, and the order of members."""
        return tuple(name for name in (self.key, self.parent_key, self.number) if name)


@dataclass(frozen=True)
class Related:
    """``units`` and ``members``; a unit has from ``least`` to ``most`` members, and more are not counted.

    ``together``: attributes that are drawn as one. ``orphans``: what becomes of members that name no unit.
    """

    units: Table
    members: Table
    least: int
    most: int
    orphans: Orphans
    together: tuple[tuple[str, ...], ...] = ()

    @property
    def tables(self) -> tuple[Table, Table]:
        return self.units, self.members

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
    def attributes(self) -> dict[str, Column]:
        """What is measured of members, by a name that no column of units has."""
        taken = {column.name for column in self.columns}
        named = {each.name: each for each in self.members.schema.columns}
        return {f"{self.members.name}.{name}" if name in taken else name: each for name, each in named.items()}

    def attribute(self, name: str) -> str:
        """What a measured column of members is called beside those of units."""
        return list(self.attributes)[self.members.schema.domain.index(name)]

    @cached_property
    def layout(self) -> Layout:
        top = Domain.from_mapping({column.name: column.size for column in self.columns})
        members = Domain.from_mapping({name: column.size for name, column in self.attributes.items()})
        return Layout(top, self.size, tuple(range(self.least, self.most + 1)), members)

    def column(self, wide: str) -> Column:
        """What a wide column (``privacy.layouts``) shows."""
        name, position = self.layout.places[wide]
        return self.attributes[name] if position else next(each for each in self.columns if each.name == name)

    def in_words(self) -> str:
        return f"with up to {self.most} {self.members.name}"


def read_related(top: Reader, read: ReadTable) -> Related | None:
    """What ``tables`` declares; None after noting a problem."""
    before, declared = len(top.problems), top.get("tables")
    if not isinstance(declared, list) or len(declared) != 2:
        top.problem("'tables' must be a list of two tables: units, and their members")
        return None
    readers = [Reader(each, column="", problems=top.problems, what=f"table {n}") for n, each in enumerate(declared, 1)]
    names = [reader.text("name", most=31) for reader in readers]
    least, most, orphans, together = _members(readers[1], units=names[0])
    tables = [_table(reader, name, read, of_members=place > 0) for place, (reader, name) in
              enumerate(zip(readers, names, strict=True))]  # fmt: skip
    units, members = tables
    if units is None or members is None or len(top.problems) > before:
        return None
    if units.name == members.name or units.file == members.file:
        top.problem("tables need different names and files")
        return None
    found = Related(units, members, least, most, orphans, together)
    _check_names(top, found)
    return found if len(top.problems) == before else None


def _members(reader: Reader, *, units: str) -> tuple[int, int, Orphans, tuple[tuple[str, ...], ...]]:
    """How many members a unit has, what becomes of those without one, and what is drawn together."""
    if reader.text("parent") != units:
        reader.problem("'parent' must name the first table")
    most = reader.whole("most", least=1, most=MOST_MEMBERS)
    least = reader.whole("least", least=0, most=most, default=1)
    orphans = reader.choice("orphans", ("refuse", "drop"), default="refuse")
    declared = reader.get("together") if reader.has("together") else []
    if isinstance(declared, list) and all(_texts(each) for each in declared):
        return least, most, cast("Orphans", orphans), tuple(map(tuple, declared))
    reader.problem("'together' must be a list of lists of columns")
    return least, most, cast("Orphans", orphans), ()


def _texts(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(each, str) for each in value)


def _table(reader: Reader, name: str, read: ReadTable, *, of_members: bool) -> Table | None:
    """One table; None after noting a problem."""
    problems = reader.problems
    before = len(problems)
    file = reader.text("file")
    if file and (not FILE.fullmatch(file) or file in RESERVED):
        reader.problem(
            "'file' must be a name of letters, digits, _ and - that ends in .csv, and not one of the package"
        )
    key = reader.text("key", default="") if of_members else reader.text("key")
    parent_key = reader.text("parentKey") if of_members else ""
    number = reader.text("number", default="") if of_members else ""
    found: list[Problem] = []
    schema = read({part: reader.get(part) for part in FIELDS if reader.has(part)}, found)
    problems += [told(name, each) for each in found]
    columns = reader.texts("columns", default=())
    reader.done()
    if schema is None or len(problems) > before:
        return None
    joining = [each for each in (key, parent_key, number) if each]
    table = Table(name, file, columns or (*joining, *schema.header), schema, key, parent_key, number)
    _check_table(table, problems)
    return table if len(problems) == before else None


def _check_table(table: Table, problems: list[Problem]) -> None:
    """Every column has one part to play, and none that related tables do not offer."""
    schema, rules = table.schema, list[str]()
    if len(set(table.joining)) != len(table.joining) or set(table.joining) & set(schema.header):
        rules.append("keys and the order of members are columns of their own, each once, and no fields")
    if sorted(table.columns) != sorted({*table.joining, *schema.header}):
        rules.append("'columns' must name every key, the order of members and every field, each once")
    if schema.free_text or schema.written:
        rules.append("free text is not offered in related tables")
    if schema.searches:
        rules.append("'discover' is not offered in related tables")
    problems += [told(table.name, Problem("", rule)) for rule in rules]


def _check_names(top: Reader, found: Related) -> None:
    """Names that stand side by side differ, and what is drawn together is measured."""
    wide = len(found.columns) + 1 + found.most * len(found.attributes)
    if len(found.layout.domain.columns) != wide:
        top.problem("columns of the tables are named too much alike: avoid names that end in '@' and a number")
    if wide > MOST_WIDE:
        top.problem(f"'most' members with all their columns must be at most {MOST_WIDE} columns side by side")
    known = set(found.members.schema.domain.columns)
    if unknown := {name for names in found.together for name in names} - known:
        top.problem(f"'together' names columns that {found.members.name} does not measure: {sorted(unknown)}")


def told(table: str, problem: Problem) -> Problem:
    """The same problem, of one table among several."""
    if problem.column:
        return replace(problem, column=f"{table}.{problem.column}")
    return replace(problem, rule=f"table {table}: {problem.rule}")
