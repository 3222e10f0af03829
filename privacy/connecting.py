"""The only way to tables that stay in their owners' engines. It is used by the measuring worker alone.

How an engine is reached stands in a file that the administrator writes (``ENGINES_FILE``) and that nobody but the
worker's account may read; the database knows an engine's name and nothing more. An engine's own words never leave
this module: an error could quote a value, so each becomes one of a few fixed messages.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import ibis
from django.conf import settings

from privacy import engine_coding, engine_rights, places, sealing, vault_keys, wrapping
from privacy.dp.engines import EngineCounter, Groups, ibis_groups
from privacy.errors import EngineAway, EngineTrouble
from privacy.models import DatasetVersion
from privacy.resolving import DUCKDB, NO_TABLE, POSTGRES, SPARK, Place, quietly, resolved
from privacy.schema import Schema
from privacy.schema_source import Source
from privacy.values import Clique

KINDS = (POSTGRES, DUCKDB, SPARK)
SPARK_QUOTES = ("SQLQueryContextLogger", "DataFrameQueryContextLogger")
"""pyspark writes every error that an engine answers with to its standard error, and those can quote values."""
UNREADABLE = "the file of engines is missing, is no JSON, or others than the worker's account may read it"
UNKNOWN = "the file of engines has no engine of this name, or not all that is needed to reach it"
AWAY = "the engine could not be reached"
FAILED = "the engine could not answer"
CHANGED = "the table's columns or their types are not what they were when it was accepted"
OTHER = "this is not the table that was accepted: have it looked at again"


@dataclass(frozen=True, slots=True)
class Held:
    """A table in its engine: Ibis' connection and table, and which table of which kind of engine it is."""

    connection: Any
    table: Any
    place: Place

    @property
    def kind(self) -> str:
        return self.place.kind

    @property
    def structure(self) -> str:
        """SHA-256 of the columns' names and types: what is recorded of the table's form."""
        told = json.dumps([[name, str(kind)] for name, kind in self.table.schema().items()])
        return hashlib.sha256(told.encode()).hexdigest()


@contextmanager
def opened(source: Source, owner: str) -> Iterator[Held]:
    """The table, for the owner of this user name; nothing is connected to where that owner may not have it counted.

    EngineAway where nothing answers, EngineTrouble where the administrator's list, the file or the engine says no.
    """
    if rule := engine_rights.why_not(source, owner):
        raise EngineTrouble(rule)
    values = _values(source.engine)
    kind = values.pop("kind")
    connection = quietly(lambda: CONNECT[kind](values), EngineAway(AWAY))
    try:
        place = resolved(connection, kind, values, source)
        table = quietly(lambda: connection.table(place.name, database=place.database), EngineTrouble(NO_TABLE))
        yield Held(connection, table, place)
    finally:
        with suppress(Exception):
            connection.disconnect()


def answer(expression: Any) -> Any:
    """What the engine answers, as an Arrow table; EngineTrouble without its words."""
    return quietly(expression.to_pyarrow, EngineTrouble(FAILED))


@contextmanager
def counter(version: DatasetVersion, schema: Schema) -> Iterator[EngineCounter]:
    """Counts the version's rows where they are. No row is looked at before the first count is asked for."""
    assert schema.source is not None
    key = bounding_key(version)
    with opened(schema.source, version.dataset.owner.username) as held:
        if held.place.fingerprint != version.fingerprint:
            raise EngineTrouble(OTHER)
        if held.structure != version.source.get("structure"):
            raise EngineTrouble(CHANGED)
        yield EngineCounter(_Coded(held, schema, key), schema.domain)


class _Coded:
    """The groups of a clique over the table's coded, bounded rows. PostgreSQL keeps those for as long as the connection
    is open, so that all tables of a release are counted from the same rows and coded once; the others code anew.
    """

    def __init__(self, held: Held, schema: Schema, key: str) -> None:
        self._held, self._schema, self._key = held, schema, key
        self._groups: Groups | None = None

    def __call__(self, clique: Clique) -> Any:
        if self._groups is None:
            self._groups = quietly(self._prepared, EngineTrouble(FAILED))
        groups = self._groups
        return quietly(lambda: groups(clique), EngineTrouble(FAILED))

    def _prepared(self) -> Groups:
        held, source = self._held, self._schema.source
        assert source is not None
        rows = engine_coding.coded(held.table, self._schema, source, key=self._key, kind=held.kind)
        if held.kind == POSTGRES:
            rows = held.connection.create_table(f"coded_{secrets.token_hex(8)}", rows, temp=True)
        return ibis_groups(rows, self._schema.domain)


def new_bounding_key(version: object) -> None:
    """Make the version's key, from which its rows' priorities follow; destroyed with the version like a file's."""
    places.wrapped_keys().mkdir(parents=True, exist_ok=True, mode=0o700)
    vault = sealing.public_key(places.vault_public_key())
    wrapping.new_key(places.wrapped_key(version), vault, context=str(version))


def bounding_key(version: DatasetVersion) -> str:
    """SealBroken where the version was destroyed."""
    key = wrapping.open_key(places.wrapped_key(version.pk), vault_keys.private_keys(), context=str(version.pk))
    return hmac.digest(key.private_bytes_raw(), b"bounding in an engine", "sha256").hex()


def _values(engine: str) -> dict[str, Any]:
    """What the file says of one engine."""
    path = settings.ENGINES_FILE
    try:
        if path.stat().st_mode & 0o077:
            raise EngineTrouble(UNREADABLE)
        known = json.loads(path.read_text())
    except (OSError, ValueError):
        raise EngineTrouble(UNREADABLE) from None
    values = known.get(engine) if isinstance(known, dict) else None
    if not isinstance(values, dict) or values.get("kind") not in KINDS:
        raise EngineTrouble(UNKNOWN)
    return dict(values)


def _postgres(values: dict[str, Any]) -> Any:
    connection = ibis.postgres.connect(connect_timeout=10, **values)
    connection.raw_sql("SET TIME ZONE 'UTC'").close()
    return connection


def _duckdb(values: dict[str, Any]) -> Any:
    """Only ever read, and never spilled to a disk of ours."""
    path, memory = values["path"], values.get("memory", "1GB")
    return ibis.duckdb.connect(path, read_only=True, temp_directory="", memory_limit=memory)


def _spark(values: dict[str, Any]) -> Any:
    """Needs pyspark, which is not among the appliance's own requirements. Nothing of it writes to our own streams."""
    from pyspark.logger import PySparkLogger
    from pyspark.sql import SparkSession

    for name in SPARK_QUOTES:
        PySparkLogger.getLogger(name).disabled = True
    builder = SparkSession.builder.appName("llmsynthor")
    builder = builder.remote(values["remote"]) if "remote" in values else builder.master(values["master"])
    wanted = {"spark.sql.session.timeZone": "UTC", "spark.ui.showConsoleProgress": "false", **values.get("conf", {})}
    for name, value in wanted.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    if "remote" not in values:  # its JVM is the worker's child, and tells of tasks that fail in their own words
        session.sparkContext.setLogLevel("OFF")
    return ibis.pyspark.connect(session)


CONNECT: dict[str, Callable[[dict[str, Any]], Any]] = {POSTGRES: _postgres, DUCKDB: _duckdb, SPARK: _spark}
