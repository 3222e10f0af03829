"""One table among related ones: its file, its keys, and the schema of what is measured of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from math import prod
from typing import TYPE_CHECKING, Any, Literal

from privacy.problems import Problem
from privacy.schema_reading import Reader
from privacy.schema_rules import calendars
from privacy.values import HardRule

if TYPE_CHECKING:
    from privacy.schema import Schema

Orphans = Literal["refuse", "drop"]
ReadTable = Callable[[Mapping[str, Any], list[Problem]], "Schema | None"]
"""Reads fields and rules as a schema of their own, noting problems."""
Blocks = tuple[tuple[str, ...], ...]
"""Attributes that are drawn as one."""
FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,59}\.csv")
RESERVED = ("data.csv", "data-what-if.csv", "processing.csv")
FIELDS = ("fields", "rules")
MOST_TOGETHER = 2**14
"""Combinations of codes that are drawn as one."""


@dataclass(frozen=True)
class Table:
    """One table: its file, the file's ``columns`` in their order, and the schema of those that are measured.

    ``origin``: the column that holds where the row before ended, which is not read but made.
    """

    name: str
    file: str
    columns: tuple[str, ...]
    schema: Schema
    key: str = ""
    parent_key: str = ""
    number: str = ""
    origin: str = ""

    @property
    def joining(self) -> tuple[str, ...]:
        """The columns that are no fields: keys, the order of members, and what is made from other rows."""
        return tuple(name for name in (self.key, self.parent_key, self.number, self.origin) if name)

    @property
    def sizes(self) -> dict[str, int]:
        """How many codes each measured column has."""
        return dict(zip(self.schema.domain.columns, self.schema.domain.sizes, strict=True))

    def names(self, taken: Mapping[str, object]) -> dict[str, str]:
        """What each measured column is called beside those that are taken."""
        columns = self.schema.domain.columns
        return {name: f"{self.name}.{name}" if name in taken else name for name in columns}


def read_blocks(reader: Reader) -> Blocks:
    """What ``together`` declares."""
    declared = reader.get("together") if reader.has("together") else []
    if isinstance(declared, list) and all(_texts(each) for each in declared):
        return tuple(map(tuple, declared))
    reader.problem("'together' must be a list of lists of columns")
    return ()


def check_blocks(top: Reader, table: Table, blocks: Blocks) -> None:
    """What is drawn as one is measured, and not too much to be enumerated."""
    sizes = table.sizes
    if unknown := {name for names in blocks for name in names} - set(sizes):
        top.problem(f"'together' names columns that {table.name} does not measure: {sorted(unknown)}")
        return
    check_drawn(
        top, f"'together' of {table.name}", max((prod(sizes[name] for name in each) for each in blocks), default=0)
    )


def of_one_day(table: Table, named: Collection[str]) -> list[HardRule]:
    """What must hold for the parts of the dates that rules beyond the table's own name, beside these."""
    known = {rule.text for rule in table.schema.rules}
    return [rule for rule in calendars(named, table.schema.columns) if rule.text not in known]


def check_drawn(top: Reader, what: str, size: int) -> None:
    """What is drawn as one can be enumerated."""
    if size > MOST_TOGETHER:
        top.problem(f"{what} has more than {MOST_TOGETHER} combinations of values")


def _texts(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(each, str) for each in value)


def read_table(
    reader: Reader, name: str, read: ReadTable, *, of_members: bool, keyed: bool, origin: str
) -> Table | None:
    """One table; None after noting a problem. ``keyed``: others name its rows, so that it needs a key."""
    problems = reader.problems
    before = len(problems)
    file = reader.text("file")
    if file and (not FILE.fullmatch(file) or file in RESERVED):
        reader.problem(
            "'file' must be a name of letters, digits, _ and - that ends in .csv, and not one of the package"
        )
    key = reader.text("key") if keyed else reader.text("key", default="")
    parent_key = reader.text("parentKey") if of_members else ""
    number = reader.text("number", default="") if of_members else ""
    found: list[Problem] = []
    schema = read({part: reader.get(part) for part in FIELDS if reader.has(part)}, found)
    problems += [told(name, each) for each in found]
    columns = reader.texts("columns") if reader.has("columns") else ()
    reader.done()
    if schema is None or len(problems) > before:
        return None
    joining = [each for each in (key, parent_key, number, origin) if each]
    table = Table(name, file, columns or (*joining, *schema.header), schema, key, parent_key, number, origin)
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


def told(table: str, problem: Problem) -> Problem:
    """The same problem, of one table among several."""
    if problem.column:
        return replace(problem, column=f"{table}.{problem.column}")
    return replace(problem, rule=f"table {table}: {problem.rule}")
