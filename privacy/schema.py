"""The public declaration of a table: what is in it, whose privacy is protected, and how much may be lost.

A Frictionless Table Schema in JSON with keys of our own; docs/schema.md describes it for owners. Nothing in
it is ever inferred from the data.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from privacy import leaf_chains
from privacy.plan_parts import Search
from privacy.problems import Problem, SchemaError
from privacy.related import Related, read_related
from privacy.schema_dates import DatePart, regenerate
from privacy.schema_fields import Categories, Column, Cuts
from privacy.schema_keys import Undiscovered
from privacy.schema_parts import (
    Nesting,
    NullIdentifiers,
    read_cap,
    read_delimiter,
    read_fields,
    read_missing,
    read_unit,
)
from privacy.schema_reading import Reader, as_text, load
from privacy.schema_rules import read_rules
from privacy.schema_source import Source, check_source, read_source
from privacy.schema_texts import Written
from privacy.schema_uses import Uses, read_uses
from privacy.values import Domain, HardRule, IntArray, PrivacyUnit

if TYPE_CHECKING:
    import pandas as pd

MOST_ROWS = 10**12


@dataclass(frozen=True)
class Schema:
    """A declaration without problems. ``text`` is the declaration word for word."""

    text: str
    title: str
    description: str
    population: str
    unit: PrivacyUnit
    unit_meaning: str
    null_identifiers: NullIdentifiers
    nesting: Nesting | None
    cap_rho: Decimal
    delta: Decimal
    cap_delta: Decimal
    maximum_rows: int | None
    purposes: tuple[str, ...]
    uses: Uses
    delimiter: str
    missing_values: frozenset[str]
    columns: tuple[Column, ...]
    free_text: tuple[str, ...]
    written: tuple[Written, ...]
    header: tuple[str, ...]
    rules: tuple[HardRule, ...]
    source: Source | None = None
    """Where the data stay, if no file of them is handed in."""
    related: Related | None = None

    @classmethod
    def parse(cls, text: str | bytes) -> Schema:
        """SchemaError with every problem found, each naming the column and the rule."""
        words = as_text(text)
        problems: list[Problem] = []
        schema = _read(Reader(load(words), column="", problems=problems, what="the schema"), words)
        if problems or schema is None:
            raise SchemaError(problems)
        return schema

    @cached_property
    def domain(self) -> Domain:
        """The columns and their sizes; of a column that waits for key discovery, the largest it may come to.

        Of related tables, those of a unit by itself.
        """
        return Domain.from_mapping({column.name: column.size for column in self.columns})

    @cached_property
    def stored(self) -> Domain:
        """The columns as the vault keeps them: texts that wait for discovery are numbered (privacy/texts.py), and a
        unit's members stand beside it (privacy/layouts.py).
        """
        if self.related is not None:
            return self.related.stored
        sizes = {
            column.name: column.coding.among + 2 if isinstance(column.coding, Undiscovered) else column.size
            for column in self.columns
        }
        return Domain.from_mapping(sizes)

    @property
    def measured(self) -> Domain:
        """What tables are counted over: the columns, and those of members where there are any."""
        return self.domain if self.related is None else self.stored

    @property
    def searches(self) -> tuple[Search, ...]:
        """The columns whose categories a release must find first."""
        return tuple(
            Search(column.name, column.coding.size, column.coding.delta)
            for column in self.columns
            if isinstance(column.coding, Undiscovered)
        )

    def settled(self, keys: Mapping[str, Sequence[str]]) -> Schema:
        """The declaration as one release knows it: the searched columns have the categories that were found."""
        columns = (
            replace(column, coding=_listed(keys[column.name])) if column.name in keys else column
            for column in self.columns
        )
        return replace(self, columns=tuple(columns))

    @property
    def unit_in_words(self) -> str:
        """The privacy unit as people say it, for example 'one row (one family)'."""
        levels = f", {self.nesting.in_words()}" if self.nesting else ""
        if self.related is not None:
            return f"one row of {self.related.units.name} ({self.unit_meaning}), {self.related.in_words()}"
        return f"{self.unit.in_words()} ({self.unit_meaning}){levels}"

    @property
    def told(self) -> dict[str, Column]:
        """Every measured column by the name that people read: of related tables, with its table's before it."""
        if self.related is None:
            return {column.name: column for column in self.columns}
        return self.related.told

    @property
    def identifiers(self) -> tuple[str, ...]:
        """The columns that say whose a row is: the privacy unit's, then those of its levels."""
        levels = self.nesting.levels if self.nesting else ()
        return () if self.unit.column is None else (self.unit.column, *(column for column, _ in levels))

    def column(self, name: str) -> Column:
        if self.related is not None:
            return self.related.column(name)
        return self.columns[self.domain.index(name)]

    def labels(self, name: str) -> tuple[str, ...]:
        """What each code of the column stands for; OTHER by its label, NULL as '(missing)'."""
        return self.column(name).labels

    def public(self, name: str) -> bool:
        """Whether the column's name and labels may be shown to anyone, proposers included."""
        return self.column(name).public

    def decode(self, codes: IntArray, rng: np.random.Generator) -> pd.DataFrame:
        """Records as the input spells them: rows x columns codes in the domain's order; NULL is missing."""
        import pandas as pd  # here, because the process that reads uploads must start fast and small

        table: dict[str, pd.Series[Any]] = {}
        for source, places in self._sources.items():
            first, own = self.columns[places[0]], codes[:, places]
            if isinstance(first.coding, DatePart):
                values = regenerate([self.columns[place] for place in places], own, rng)
            else:
                values = first.decode(own[:, 0], rng)
            table[source] = pd.Series(values, dtype=_dtype(first))
        return pd.DataFrame(table)

    @cached_property
    def _sources(self) -> dict[str, list[int]]:
        """Which measured columns each of the file's columns became."""
        places: dict[str, list[int]] = {}
        for place, column in enumerate(self.columns):
            places.setdefault(column.source, []).append(place)
        return places


def _listed(values: Sequence[str]) -> Categories:
    return Categories(tuple(values), {value: code for code, value in enumerate(values)})


def _dtype(column: Column) -> str | None:
    """From the declaration alone, so that all parts of a table have one type: numbers that may be missing need
    a type that holds both, other numbers find their own, and everything else is text.
    """
    if not isinstance(column.coding, Cuts):
        return "str"
    return {"integer": "Int64", "number": "Float64"}[column.kind] if column.nullable else None


def _check_columns(top: Reader, columns: tuple[Column, ...]) -> None:
    """There is something to measure, and parts of one field do not take another field's name."""
    if not top.problems and not columns:
        top.problem("at least one field must be measured")
    for name, count in Counter(column.name for column in columns).items():
        if count > 1:
            top.problem(f"two columns are named '{name}': a field, and a part of another")


def _rules(top: Reader, columns: tuple[Column, ...]) -> tuple[HardRule, ...]:
    """The last part read: rules speak of columns, so they are read once the columns are in order."""
    _check_columns(top, columns)
    rules: tuple[HardRule, ...] = ()
    if top.problems:
        top.get("rules")
    else:
        rules = read_rules(top, columns)
    top.done()
    return rules


def _check_searches(top: Reader, columns: tuple[Column, ...], cap_delta: Decimal) -> None:
    """Key discovery is within the cap, already for one release."""
    searched = [column for column in columns if isinstance(column.coding, Undiscovered)]
    if sum(column.coding.delta for column in searched if isinstance(column.coding, Undiscovered)) > cap_delta:
        rule = "'discover' spends more delta in one release than the cap's 'discoveryDelta' allows in all"
        top.problems += [Problem(column.source, rule) for column in searched]


def _common(top: Reader) -> dict[str, Any]:
    """What a declaration of one table and one of several have alike."""
    top.get("$schema")
    title, description = top.text("title", most=200), top.text("description", default="")
    population = top.text("population", most=200)
    unit = read_unit(top)
    cap, delta, cap_delta = read_cap(top)
    most = top.whole("maximumRows", least=1, most=MOST_ROWS, default=MOST_ROWS)
    return {
        "title": title, "description": description, "population": " ".join(population.split()), "unit": unit.unit,
        "unit_meaning": unit.meaning, "null_identifiers": unit.null_identifiers, "nesting": unit.nesting,
        "cap_rho": cap, "delta": delta, "cap_delta": cap_delta, "maximum_rows": None if most == MOST_ROWS else most,
        "purposes": top.texts("purposes"), "uses": read_uses(top), "identifiers": unit.columns,
        "public": top.flag("publicLabels", default=False), "missing_values": frozenset(read_missing(top)),
        "delimiter": read_delimiter(top), "source": read_source(top),
    }  # fmt: skip


def _read(top: Reader, text: str) -> Schema | None:
    """The declaration's parts in the order of docs/schema.md; None when a problem was noted."""
    common = _common(top)
    identifiers, public = common.pop("identifiers"), common.pop("public")
    if top.has("tables"):
        parts = _several(top, common, public=public)
    else:
        parts = _single(top, common, public=public, identifiers=identifiers)
    known = all(common[name] is not None for name in ("unit", "cap_rho", "delta"))
    return Schema(text=text, **common, **parts) if known and not top.problems else None


def _single(top: Reader, common: dict[str, Any], *, public: bool, identifiers: tuple[str, ...]) -> dict[str, Any]:
    """Fields and rules of one table."""
    roles = read_fields(top, public=public, missing=common["missing_values"], identifiers=identifiers)
    columns = tuple(column for role in roles.values() if isinstance(role, tuple) for column in role)
    rules = _rules(top, columns)
    _check_searches(top, columns, common["cap_delta"])
    if (source := common["source"]) is not None:
        nested, bounded = common["nesting"] is not None, common["maximum_rows"] is not None
        check_source(top, source, columns, unit=common["unit"], nested=nested, bounded=bounded)
    written = tuple(role for role in roles.values() if isinstance(role, Written))
    if written and not any(column.public for column in columns):
        rule = "'freeText' that is written needs another column with 'publicLabels' to be written from"
        top.problems += [Problem(each.name, rule) for each in written]
    if not set(identifiers) <= set(roles):
        top.problem("the privacy unit's column, and those of its levels, must be among the fields")
    free_text = tuple(name for name, role in roles.items() if role == "free text")
    return {
        "columns": columns, "free_text": free_text, "written": written, "header": tuple(roles), "rules": rules,
    }  # fmt: skip


def _several(top: Reader, common: dict[str, Any], *, public: bool) -> dict[str, Any]:
    """Related tables: what is measured of a unit by itself stands in for the columns of one table."""

    def table(parts: Mapping[str, Any], problems: list[Problem]) -> Schema | None:
        reader = Reader(dict(parts), column="", problems=problems, what="the table")
        one = Decimal(1)
        facts = common | {"cap_delta": one, "unit": PrivacyUnit(), "source": None, "cap_rho": one, "delta": one}
        read = _single(reader, facts, public=public, identifiers=())
        return None if problems else Schema(text="", **facts, **read)

    related = read_related(top, table)
    if common["unit"] is not None and common["unit"].kind != "row":
        top.problem("the privacy unit of related tables is of kind 'row': a row of the first table, with its members")
    if common["source"] is not None:
        top.problem("related tables are handed in as files: 'source' does not apply to them")
    top.done()
    if related is None:
        return {}
    leaf_chains.check(top, related)
    return {
        "columns": related.columns, "free_text": (), "written": (), "header": (),
        "rules": (*related.units.schema.rules, *related.unit_rules), "related": related,
    }  # fmt: skip
