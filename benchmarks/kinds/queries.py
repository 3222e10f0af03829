"""Questions about whole households, days or customers: one number each, asked of the real tables and of those made.

A query file (``benchmarks/queries/KIND.json``) is public: SQL over the tables' files by their names, in groups.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from pyarrow import csv

from benchmarks.kinds.declared import BadData

WHOLE = 1 << 30  # bytes of a file that are looked at before a column's type is known
QUERIES = Path(__file__).resolve().parent.parent / "queries"


def asked(path: Path, real: Path, made: Path) -> dict[str, Any]:
    """``groups``: mean relative error of each group's queries; ``values``: every query's real and synthetic number.

    A query that the real tables answer with 0 or nothing, or not at all since their cells are of another type, has no
    relative error and is left out of its mean. BadData for a file that holds no queries.
    """
    try:
        stored = json.loads(path.read_text())
        queries = {(group, name): sql for group, each in stored["groups"].items() for name, sql in each.items()}
        before = f"WITH {stored['with']} " if stored.get("with") else ""
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise BadData(f"{path.name}: not a file of queries in groups") from None
    answers = [
        _answers(folder, {key: before + sql for key, sql in queries.items()}, path.name) for folder in (real, made)
    ]
    values = {key: (answers[0][key], answers[1][key]) for key in queries}
    groups: dict[str, list[float]] = {group: [] for group in stored["groups"]}
    for (group, _), (truth, found) in values.items():
        if truth:
            groups[group].append(abs((found or 0.0) - truth) / abs(truth))
    return {
        "groups": {group: round(sum(each) / len(each), 4) for group, each in groups.items() if each},
        "values": {name: [_short(each) for each in pair] for (_, name), pair in values.items()},
    }


def _answers(folder: Path, queries: dict[tuple[str, str], str], file: str) -> dict[tuple[str, str], float | None]:
    """One number a query, or None where there is none. The folder's files are tables under their names."""
    with duckdb.connect(":memory:", config={"threads": 1}) as connection:
        for path in sorted(folder.glob("*.csv*")):
            connection.register("cells", _cells(path))
            connection.execute(f"CREATE TABLE {path.name.split('.')[0]} AS SELECT * FROM cells")
        return {key: _one(connection, sql, f"{file}: {key[1]}") for key, sql in queries.items()}


def _cells(path: Path) -> pa.Table:
    """A file's cells by the types that they look like, all of them having been looked at."""
    whole = csv.ReadOptions(block_size=WHOLE)
    empty = csv.ConvertOptions(null_values=[""], strings_can_be_null=True)
    try:
        return csv.read_csv(path, read_options=whole, convert_options=empty)
    except (OSError, pa.ArrowInvalid) as error:
        raise BadData(f"{path.name}: cannot be read as a table ({type(error).__name__})") from None


def _one(connection: duckdb.DuckDBPyConnection, sql: str, name: str) -> float | None:
    try:
        row = connection.execute(sql).fetchone()
    except (duckdb.BinderException, duckdb.ConversionException):  # a column of this file has another type
        return None
    except duckdb.Error as error:
        raise BadData(f"{name}: {type(error).__name__}") from None
    value = None if row is None or row[0] is None else float(row[0])
    return value if value is None or math.isfinite(value) else None


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.4g}")
