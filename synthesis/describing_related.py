"""Related tables in the formats of others: the keys of a Frictionless data package and of Croissant. No database."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

Facts = dict[str, Any]


def header(path: Path) -> list[str]:
    with path.open(encoding="utf-8", newline="") as file:
        return next(csv.reader(file))


def joined(resource: Facts, table: Facts) -> Facts:
    """A resource of a data package with the table's own name and its keys."""
    schema = resource["schema"] | ({"primaryKey": table["key"]} if table["key"] else {})
    if "parent" in table:
        refers = {"resource": table["parent"], "fields": table["refers_to"]}
        schema |= {"foreignKeys": [{"fields": table["parent_key"], "reference": refers}]}
    return resource | {"name": table["name"], "schema": schema}


def referring(record_set: Facts, table: Facts, sets: dict[str, pa.Schema]) -> Facts:
    """A record set of Croissant with the table's own name, its key, and the field that refers to another table."""
    fields = [_field(field, table, sets) for field in record_set["field"]]
    key = next((field["@id"] for field in fields if field["name"] == table["key"]), None)
    return record_set | {"field": fields} | ({"key": {"@id": key}} if key else {})


def _field(field: Facts, table: Facts, sets: dict[str, pa.Schema]) -> Facts:
    if "parent" not in table or field["name"] != table["parent_key"]:
        return field
    place = sets[table["parent"]].names.index(table["refers_to"])
    return field | {"references": {"field": {"@id": f"{table['parent']}/{place}"}}}


def schemas(folder: Path, tables: list[Facts]) -> dict[str, pa.Schema]:
    return {table["name"]: pq.read_schema(folder / table["files"][1]) for table in tables}
