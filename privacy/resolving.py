"""Which table a declared name is, asked of its engine's catalogue; no row is looked at.

A table can be named in many ways: with its schema or without, in other letters, by two of the administrator's names
for one server. All of them are one table with one fingerprint, so that its people keep to one population's cap.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from privacy import places
from privacy.errors import EngineTrouble
from privacy.schema_source import Source

POSTGRES, DUCKDB, SPARK = "postgres", "duckdb", "spark"
NO_TABLE = "the engine has no such table, or the worker may not read it"
VIEW = "this is a view, or stands for another table in some way: name a table that holds its rows itself"
NAMELESS = "the engine does not tell which server it is, or where the table lies (docs/engines.md)"

IN_POSTGRES = """
    SELECT d.oid::text, n.nspname, c.relname, c.relkind IN ('r', 'p'), whole_n.nspname, whole.relname
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_class whole ON whole.oid = coalesce(pg_catalog.pg_partition_root(c.oid), c.oid)
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_namespace whole_n ON whole_n.oid = whole.relnamespace
    JOIN pg_catalog.pg_database d ON d.datname = pg_catalog.current_database()
    WHERE c.oid = pg_catalog.to_regclass(%(name)s)
"""
POSTGRES_SERVER = "SELECT system_identifier::text FROM pg_catalog.pg_control_system()"
IN_DUCKDB = """
    SELECT database_name, schema_name, name, plain FROM (
        SELECT database_name, schema_name, table_name AS name, true AS plain FROM duckdb_tables()
        UNION ALL SELECT database_name, schema_name, view_name, false FROM duckdb_views())
    WHERE database_name = current_database()
    AND lower(schema_name) = lower(coalesce($schema, current_schema())) AND lower(name) = lower($name)
"""
SPARKS_DETAILS = "# Detailed Table Information"


@dataclass(frozen=True, slots=True)
class Place:
    """A table that holds its rows. ``lies``: what tells it from every other table, by whatever name it was found;
    ``database`` and ``name``: by what Ibis finds this very table.
    """

    kind: str
    lies: tuple[str, ...]
    database: Any
    name: str

    @property
    def fingerprint(self) -> str:
        """Tells the same table registered twice, and nothing else, as a file's does."""
        key = bytes.fromhex(places.fingerprint_key().read_text())
        return hmac.new(key, json.dumps([self.kind, *self.lies]).encode(), "sha256").hexdigest()


def resolved(connection: Any, kind: str, values: dict[str, Any], source: Source) -> Place:
    """The table that the engine finds under the declared name. EngineTrouble where it has none, or not a table."""
    return quietly(lambda: RESOLVE[kind](connection, values, source), EngineTrouble(NO_TABLE))


def quietly(asked: Callable[[], Any], instead: Exception) -> Any:
    """What is asked for, or another error than the engine's own: that one could quote a value."""
    found: Exception = instead
    try:
        return asked()
    except EngineTrouble as told:  # in fixed words already
        found = told
    except Exception:  # noqa: S110  # nosec B110  # dropped on purpose, with what it quotes
        pass
    raise found from None


def _postgres(connection: Any, values: dict[str, Any], source: Source) -> Place:
    """By the cluster's own number and the database's, which a copy made by the server's own means shares.

    A part of a partitioned table counts as the whole.
    """
    named = ".".join(f'"{part}"' for part in source.table.split("."))
    with connection.raw_sql(IN_POSTGRES, params={"name": named}) as cursor:
        database, schema, name, plain, *whole = _only(cursor.fetchall())
    if not plain:
        raise EngineTrouble(VIEW)
    [server] = quietly(lambda: _postgres_server(connection), EngineTrouble(NAMELESS))
    return Place(POSTGRES, (server, database, *whole), schema, name)


def _postgres_server(connection: Any) -> Any:
    with connection.raw_sql(POSTGRES_SERVER) as cursor:
        return cursor.fetchone()


def _duckdb(connection: Any, values: dict[str, Any], source: Source) -> Place:
    """By the file, however its path is written."""
    schema, name = source.path
    found = connection.raw_sql(IN_DUCKDB, parameters={"schema": schema, "name": name}).fetchall()
    catalog, schema, name, plain = _only(found)
    if not plain:
        raise EngineTrouble(VIEW)
    return Place(DUCKDB, (str(Path(values["path"]).resolve()), schema, name), (catalog, schema), name)


def _spark(connection: Any, values: dict[str, Any], source: Source) -> Place:
    """By where its files lie, which two catalogues and two tables may share."""
    named = ".".join(f"`{part}`" for part in source.table.split("."))
    told = [(row[0], row[1]) for row in connection.raw_sql(f"DESCRIBE TABLE EXTENDED {named}").collect()]
    headed = [place for place, (title, _) in enumerate(told) if title == SPARKS_DETAILS]
    details = dict(told[headed[-1] :]) if headed else {}  # of a view for a while, Spark tells no more than columns
    if details.get("Type") not in ("MANAGED", "EXTERNAL"):
        raise EngineTrouble(VIEW)
    if not details.get("Location"):
        raise EngineTrouble(NAMELESS)
    schema, name = source.path
    if not (details.get("Catalog") and details.get("Database")):
        return Place(SPARK, (details["Location"],), schema, name)
    return Place(SPARK, (details["Location"],), (details["Catalog"], details["Database"]), name)


RESOLVE: dict[str, Callable[[Any, dict[str, Any], Source], Place]] = {
    POSTGRES: _postgres, DUCKDB: _duckdb, SPARK: _spark,
}  # fmt: skip


def _only(rows: list[Any]) -> Any:
    """The one row; of two tables whose names differ in case alone, none is meant more than the other."""
    if len(rows) != 1:
        raise EngineTrouble(NO_TABLE)
    return rows[0]
