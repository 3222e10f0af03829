"""Data that stay in their owner's engine: which engine and which table, as the declaration names them.

The engine is named as the site's administrator named it; how it is reached is no part of any declaration.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from privacy.problems import Problem
from privacy.schema_fields import Categories, Column
from privacy.schema_groups import Grouped
from privacy.schema_keys import Undiscovered
from privacy.schema_reading import Reader
from privacy.values import PrivacyUnit

ENGINE = re.compile(r"[a-z][a-z0-9_-]{0,39}")
TABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_$]{0,62}(\.[A-Za-z_][A-Za-z0-9_$]{0,62})?")
MOST_SPELLINGS = 2000
"""Of one column: each becomes a part of a query."""


@dataclass(frozen=True, slots=True)
class Source:
    """``table`` may be preceded by its schema and a dot. ``row_key`` tells the rows of one unit apart."""

    engine: str
    table: str
    row_key: str | None = None

    @property
    def path(self) -> tuple[str | None, str]:
        """The table's schema, if one is named, and its name."""
        schema, _, name = self.table.rpartition(".")
        return schema or None, name

    def in_words(self) -> str:
        return f"table {self.table} in the engine {self.engine}"


def read_source(top: Reader) -> Source | None:
    if not top.has("source"):
        return None
    source = Reader(top.get("source"), column="", problems=top.problems, what="'source'")
    engine, table = source.text("engine"), source.text("table", most=130)
    row_key = source.text("rowKey", default="", most=100) or None
    source.done()
    if engine and not ENGINE.fullmatch(engine):
        source.problem("'engine' must be the name the administrator gave it: small letters, digits, - and _")
    if table and not TABLE.fullmatch(table):
        source.problem("'table' must be a plain name, or a schema's and a table's with a dot between them")
    return Source(engine, table, row_key)


def check_source(
    top: Reader, source: Source, columns: Sequence[Column], *, unit: PrivacyUnit | None, nested: bool, bounded: bool
) -> None:
    """What can be declared of a file and not of an engine's table is a problem, column by column."""
    if not bounded:
        top.problem("data in an engine need 'maximumRows': how long a release takes follows from it")
    if nested:
        top.problem("data in an engine cannot have levels between the privacy unit and its rows")
    if unit is not None and (unit.column is None) != (source.row_key is None):
        rule = "'rowKey' is needed where a unit may have several rows, to tell them apart, and only there"
        top.problem(rule)
    for column in columns:
        if isinstance(column.coding, Undiscovered):
            rule = "'discover' needs a file: in an engine categories must be declared"
            top.problems.append(Problem(column.source, rule))
        elif spellings(column) > MOST_SPELLINGS:
            rule = f"more than {MOST_SPELLINGS} spellings or prefixes: in an engine, give a column that groups them"
            top.problems.append(Problem(column.source, rule))


def spellings(column: Column) -> int:
    """How many texts stand for its codes."""
    coding = column.coding
    if isinstance(coding, Grouped):
        return len(coding.values) + len(coding.prefixes)
    return len(coding.spellings) if isinstance(coding, Categories) else 0
