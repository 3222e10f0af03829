"""One small table for every kind of engine, and what the NumPy counter makes of the same rows by a file's rules."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from privacy.dp.counting import NumpyCounter
from privacy.schema import Schema
from privacy.values import IntArray

KEY = "00ff"
FIELDS: list[dict[str, Any]] = [
    {"name": "who", "type": "string"},
    {"name": "se x", "type": "string", "categories": ["f", "m"], "other": "else"},
    {"name": "age", "type": "integer", "constraints": {"minimum": 0, "maximum": 99}, "bins": {"equalWidth": 10}},
    {"name": "pay", "type": "number", "constraints": {"minimum": -5, "maximum": 100, "required": True},
     "bins": {"cutPoints": [0, 10.25, 50]}, "outside": "clamp"},
    {"name": "works", "type": "boolean"},
    {"name": "size", "type": "integer", "categories": [1, 2, 5], "constraints": {"required": True}, "other": "more"},
    {"name": "born", "type": "date", "parts": ["year", "month", "weekday"], "outside": "clamp",
     "constraints": {"minimum": "2000-02-03", "maximum": "2002-11-20"}},
    {"name": "seen", "type": "datetime", "parts": ["quarter", "hour"],
     "constraints": {"minimum": "2020-01-01", "maximum": "2021-12-31", "required": True}},
    {"name": "place", "type": "string", "grouping": {"prefixes": {"A": "north", "AB": "south", "C": "west"}},
     "other": "abroad"},
]  # fmt: skip


def declaration(*, k: int = 2, nulls: str = "own-unit", row: bool = False, **changes: Any) -> str:
    unit = {"kind": "row", "means": "one visit"} if row else {
        "kind": "identifier", "column": "who", "maxRows": k, "nullIdentifiers": nulls, "means": "one person",
    }  # fmt: skip
    source = {"engine": "held", "table": "visits"} | ({} if row else {"rowKey": "line"})
    return json.dumps({
        "title": "Visits", "population": "visitors", "privacyUnit": unit, "purposes": ["testing"], "source": source,
        "cap": {"rho": "2", "delta": "1e-6"}, "maximumRows": 1000, "missingValues": ["NA"],
        "fields": FIELDS if not row else FIELDS[1:],
    } | changes)  # fmt: skip


def rows(count: int, seed: int, *, people: int = 12, wild: bool = False) -> pd.DataFrame:
    """Typed rows as an engine holds them; ``wild``: with cells that break the declaration."""
    rng = np.random.default_rng(seed)

    def some(values: list[Any]) -> list[Any]:
        return [values[place] for place in rng.integers(0, len(values), count)]

    days = [datetime(1999, 12, 1) + timedelta(days=int(day)) for day in rng.integers(0, 1300, count)]
    hours = [datetime(2020, 1, 1) + timedelta(hours=int(hour)) for hour in rng.integers(0, 17_000, count)]
    pay = rng.normal(30, 40, count).round(2)
    if wild and count:
        hours[0], pay[count // 2] = datetime(2030, 1, 1), np.nan
    return pd.DataFrame({
        "line": np.arange(count),
        "who": some([None, " NA ", *[f" p{person}" for person in range(people)]]),
        "se x": some(["f", "m ", "f", "x", "", None]),
        "age": pd.array(some([*range(0, 100, 7), None]), dtype="Int64"),
        "pay": pay,
        "works": pd.array(some([True, False, None]), dtype="boolean"),
        "size": pd.array(some([1, 2, 5, 9]), dtype="Int64"),
        "born": pd.to_datetime(pd.Series(days)).dt.date,
        "seen": pd.to_datetime(pd.Series(hours)),
        "place": some(["A1", "ABx", "C", "D9", "north", "NA", None]),
    })  # fmt: skip


def as_text(value: Any) -> str:
    """The cell as a file would spell it."""
    if value is None or value is pd.NA or value != value:
        return ""
    if isinstance(value, bool | np.bool_):
        return str(bool(value)).lower()
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def coded_by_hand(table: pd.DataFrame, schema: Schema) -> IntArray:
    """The counted rows' codes: each cell by the rule that codes a file's, then at most k rows a unit by priority."""
    codes = np.array([
        [column.code(as_text(cell)) for cell in table[column.source]] for column in schema.columns
    ], dtype=np.int64).T.reshape(len(table), len(schema.columns))  # fmt: skip
    fits = [place for place in range(len(table)) if (codes[place] >= 0).all()]
    return codes[sorted(kept(table, schema, fits))]


def kept(table: pd.DataFrame, schema: Schema, fits: Iterable[int]) -> list[int]:
    if schema.unit.column is None:
        return list(fits)
    mine: dict[str, list[tuple[str, int]]] = {}
    alone = []
    for place in fits:
        name = as_text(table["who"].iloc[place]).strip()
        if name in schema.missing_values:
            alone.append(place)
            continue
        text = f"{KEY}|{_sha256(name)}|{_sha256(as_text(table['line'].iloc[place]))}"
        mine.setdefault(name, []).append((_sha256(text), place))
    found = [place for ranked in mine.values() for _, place in sorted(ranked)[: schema.unit.k]]
    return found + (alone if schema.null_identifiers == "own-unit" else [])


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def by_numpy(table: pd.DataFrame, schema: Schema) -> NumpyCounter:
    return NumpyCounter(coded_by_hand(table, schema), schema.domain)


def as_arrow(table: pd.DataFrame) -> pa.Table:
    kinds = {
        "line": pa.int64(), "who": pa.string(), "se x": pa.string(), "age": pa.int64(), "pay": pa.float64(),
        "works": pa.bool_(), "size": pa.int64(), "born": pa.date32(), "seen": pa.timestamp("us"), "place": pa.string(),
    }  # fmt: skip
    return pa.Table.from_pandas(table, schema=pa.schema(kinds), preserve_index=False)


def into_duckdb(connection: Any, table: pd.DataFrame) -> None:
    """As the table ``visits`` of a native connection."""
    connection.from_arrow(as_arrow(table)).create("visits")


def into_postgres(connection: Any, table: pd.DataFrame, name: str) -> None:
    """The same in PostgreSQL, over a psycopg connection."""
    kinds = "bigint", "text", "text", "bigint", "float8", "boolean", "bigint", "date", "timestamp", "text"
    columns = ", ".join(f'"{column}" {kind}' for column, kind in zip(table.columns, kinds, strict=True))
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE IF EXISTS {name}")
        cursor.execute(f"CREATE TABLE {name} ({columns})")
        with cursor.copy(f"COPY {name} FROM STDIN") as copy:
            for row in as_arrow(table).to_pylist():
                copy.write_row(list(row.values()))
    connection.commit()
