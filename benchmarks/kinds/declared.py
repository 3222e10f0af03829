"""A kind's declaration: related tables, each with a Table Schema of its own (docs/kinds.md), and reading their files.

Cells are coded as the product codes them; errors name table, column and rule, and never a value.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from dataclasses import field as dataclass_field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from benchmarks.kinds import reading
from benchmarks.kinds.reading import BadData as BadData
from privacy.coding import Coder, Tally
from privacy.problems import SchemaError
from privacy.schema import Schema
from privacy.values import HardRule, IntArray

SCHEMAS = Path(__file__).resolve().parent.parent / "schemas"


@dataclass(frozen=True)
class Table:
    """One table's declaration; ``facts`` are its keys beside the fields. ``told``: how many of a column's cells counted
    as something else when its file was read, and how many rows were left out.
    """

    name: str
    file: str
    columns: tuple[str, ...]
    schema: Schema
    facts: Mapping[str, Any]
    told: Counter[str] = dataclass_field(default_factory=Counter, compare=False)

    @property
    def names(self) -> tuple[str, ...]:
        return self.schema.domain.columns

    def read(self, folder: Path) -> pd.DataFrame:
        """The file's cells as texts the declaration knows. BadData where columns are not the declared ones."""
        frame = reading.texts(reading.found(folder, self.file), self.columns)
        if frame.empty and not self.facts.get("mayBeEmpty"):
            raise BadData(f"{self.file}: has no rows")
        for name in {self.facts.get(each) for each in ("key", "parentKey", "number")} & set(self.columns):
            frame[name] = reading.keys(frame[name])
        return self.known(frame)

    def known(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The same cells as the declaration spells them; without rows that it has no place for, where it says so.
        BadData where that leaves none.
        """
        fields = {name: each for name, each in self._fields().items() if name in frame.columns}
        found = frame.assign(**{name: each.read(frame[name], self.told) for name, each in fields.items()})
        if self.facts.get("incomplete") != "drop":
            return found
        fit = {name: each.fitting(found[name]) for name, each in fields.items()}
        whole = np.all([np.ones(len(found), dtype=bool), *fit.values()], axis=0)
        if len(found) and not whole.any():
            rules = [f"{name}: {fields[name].broken_rule(found[name])}" for name in fit if not fit[name].all()]
            raise BadData(f"{self.file}: no row is left: {'; '.join(rules)}")
        if not whole.all():
            self.told["rows left out"] += int((~whole).sum())
        return found[whole]

    def _fields(self) -> dict[str, reading.Field]:
        declared = {each["name"]: each for each in self.facts["fields"]}
        columns = {name: [each for each in self.schema.columns if each.source == name] for name in declared}
        return {name: reading.Field(columns[name], each) for name, each in declared.items()}

    def code(self, frame: pd.DataFrame) -> IntArray:
        """Rows x measured columns. BadData naming columns and rules that cells break."""
        tally = Tally()
        header = [field for field in self.schema.header if field in frame.columns]
        cells = [pa.array(frame[name].tolist(), pa.string()).dictionary_encode() for name in header]
        codes = Coder(self.schema, header, tally).code(cells, range(2, len(frame) + 2))
        if tally:
            raise BadData("; ".join(f"{self.file}: {each.column}: {each.rule}" for each in tally.problems))
        return np.stack(codes, axis=1).astype(np.int64)

    def field(self, name: str) -> Mapping[str, Any]:
        """What is declared of a field."""
        return next(each for each in self.facts["fields"] if each["name"] == name)

    def holding(self, rules: Sequence[Any], *fields: Mapping[str, Any]) -> list[HardRule]:
        """More rules, over this table's columns and further fields."""
        return list(_schema({**self.facts, "fields": [*self.facts["fields"], *fields], "rules": rules}).rules)

    def spell(self, codes: IntArray, rng: np.random.Generator) -> pd.DataFrame:
        """Records as the input spells them."""
        return self.schema.decode(codes, rng)


@dataclass(frozen=True)
class Declaration:
    kind: str
    unit: str
    tables: Mapping[str, Table]
    facts: Mapping[str, Any]

    @classmethod
    def read(cls, path: Path) -> Declaration:
        try:
            return cls.of(json.loads(path.read_text()))
        except (OSError, ValueError, KeyError, TypeError, SchemaError) as error:
            raise BadData(f"{path.name}: not a declaration of related tables: {error}") from None

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> Declaration:
        """SchemaError, KeyError or TypeError where it is none."""
        return cls(stored["kind"], stored["unit"], {each["name"]: _table(each) for each in stored["tables"]}, stored)

    @property
    def told(self) -> dict[str, dict[str, int]]:
        """What of each table's file was not as declared, once it was read."""
        return {name: dict(table.told) for name, table in self.tables.items() if table.told}

    def within(self, bounds: Mapping[str, tuple[Any, Any]]) -> Declaration:
        """The same with other bounds of these fields, and of those that follow them (``extentOf``)."""
        tables = {
            name: _table({**table.facts, "fields": [_bounded(each, bounds) for each in table.facts["fields"]]})
            for name, table in self.tables.items()
        }
        return replace(self, tables=tables)

    def of_members(self) -> Declaration:
        """The same with every member a unit by itself: what it shares with others is not measured."""
        parents, members, *rest = self.tables.values()
        alone = {"most": 2, "alone": True, "withSize": [], "roles": [0], "meetings": [], "sizeRules": [],
                 "someone": []}  # fmt: skip
        tables = [
            replace(parents, facts={**parents.facts, "sizeRules": []}),
            replace(members, facts={**members.facts, **alone}),
        ]
        tables += [replace(each, facts={**each.facts, "mostOfUnit": each.facts["most"]}) for each in rest]
        return replace(self, unit=f"one of {members.name}", tables={each.name: each for each in tables})


def _bounded(stored: Mapping[str, Any], bounds: Mapping[str, tuple[Any, Any]]) -> Mapping[str, Any]:
    low, high = bounds.get(stored.get("extentOf", stored["name"]), (None, None))
    sought = {name: each for name, each in (("minimum", low), ("maximum", high)) if each is not None}
    return {**stored, "constraints": {**stored["constraints"], **sought}} if sought else stored


def _table(stored: Mapping[str, Any]) -> Table:
    return Table(stored["name"], stored["file"], tuple(stored["columns"]), _schema(stored), dict(stored))


def _schema(stored: Mapping[str, Any]) -> Schema:
    """The Table Schema among a table's facts; the keys that it needs beside fields are the same for every table."""
    schema = {
        "title": stored["name"], "population": "benchmark", "purposes": ["benchmark"],
        "privacyUnit": {"kind": "row", "means": "one wide row"}, "cap": {"rho": 1, "delta": 1e-6},
        "missingValues": stored.get("missingValues", [""]), "rules": stored.get("rules", []),
        "fields": [{key: value for key, value in each.items() if key not in reading.OF_FIELDS}
                   for each in stored["fields"]],
    }  # fmt: skip
    return Schema.parse(json.dumps(schema))
