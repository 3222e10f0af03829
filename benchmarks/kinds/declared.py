"""A kind's declaration: related tables, each with a Table Schema of its own (docs/kinds.md), and reading their files.

Cells are coded as the product codes them; errors name table, column and rule, and never a value.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from privacy.coding import Coder, Tally
from privacy.problems import SchemaError
from privacy.schema import Schema
from privacy.values import IntArray

SCHEMAS = Path(__file__).resolve().parent.parent / "schemas"


class BadData(ValueError):
    """A declaration or a file that does not fit; the message names it, its columns and the rule."""


@dataclass(frozen=True)
class Table:
    """One table's declaration; ``facts`` are its keys beside the fields."""

    name: str
    file: str
    columns: tuple[str, ...]
    schema: Schema
    facts: Mapping[str, Any]

    @property
    def names(self) -> tuple[str, ...]:
        return self.schema.domain.columns

    def read(self, folder: Path) -> pd.DataFrame:
        """The file's cells as texts, missing ones empty. BadData where columns are not the declared ones."""
        path = folder / self.file
        try:
            frame = pd.read_csv(path, dtype=str, keep_default_na=False)
        except (OSError, ValueError) as error:
            raise BadData(f"{self.file}: cannot be read as a table ({type(error).__name__})") from None
        if missing := set(self.columns) - set(frame.columns):
            raise BadData(f"{self.file}: has no columns {sorted(missing)}")
        return frame[list(self.columns)]

    def code(self, frame: pd.DataFrame) -> IntArray:
        """Rows x measured columns. BadData naming columns and rules that cells break."""
        tally = Tally()
        header = [field for field in self.schema.header if field in frame.columns]
        cells = [pa.array(frame[name].str.strip(), pa.string()).dictionary_encode() for name in header]
        codes = Coder(self.schema, header, tally).code(cells, range(2, len(frame) + 2))
        if tally:
            raise BadData("; ".join(f"{self.file}: {each.column}: {each.rule}" for each in tally.problems))
        return np.stack(codes, axis=1).astype(np.int64)

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
            stored = json.loads(path.read_text())
            tables = {each["name"]: _table(each, stored["population"]) for each in stored["tables"]}
            return cls(stored["kind"], stored["unit"], tables, stored)
        except (OSError, ValueError, KeyError, TypeError, SchemaError) as error:
            raise BadData(f"{path.name}: not a declaration of related tables: {error}") from None

    def of_members(self) -> Declaration:
        """The same with every member a unit by itself: what it shares with others is not measured."""
        parents, members, *rest = self.tables.values()
        alone = {"most": 2, "alone": True, "withSize": [], "roles": [0], "meetings": []}
        tables = [parents, replace(members, facts={**members.facts, **alone})]
        tables += [replace(each, facts={**each.facts, "mostOfUnit": each.facts["most"]}) for each in rest]
        return replace(self, unit=f"one of {members.name}", tables={each.name: each for each in tables})


def _table(stored: Mapping[str, Any], population: str) -> Table:
    """The keys that a Table Schema needs beside fields are those of the whole declaration."""
    schema = {
        "title": stored["name"], "population": population, "purposes": ["benchmark"],
        "privacyUnit": {"kind": "row", "means": "one wide row"}, "cap": {"rho": 1, "delta": 1e-6},
        "fields": stored["fields"], "rules": stored.get("rules", []),
    }  # fmt: skip
    return Table(
        stored["name"], stored["file"], tuple(stored["columns"]), Schema.parse(json.dumps(schema)), dict(stored)
    )
