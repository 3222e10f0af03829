"""Tables as nobody should hand them in: rows that share their rowKey, and values at the ends of an engine's types."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import ibis
import numpy as np
import pyarrow as pa
import pytest

from privacy import engine_coding
from privacy.schema import Schema
from tests.engine_tables import KEY, declaration
from tests.unit.test_privacy_counting import postgres

__all__ = ["postgres"]
Rows = list[tuple[str, ...]]
Store = Callable[[dict[str, str], Rows], Any]
Edge = tuple[dict[str, Any], str, list[str], str]
NAME = f"hostile_{os.getpid()}"
HUGE, LONG = "1" + "0" * 400, "x" * 2_000_000
BITS = {"type": "integer", "constraints": {"minimum": 0, "maximum": 7, "required": True}, "bins": {"equalWidth": 8}}
WHOLE, PART, TEXT = (
    {"type": "integer", "constraints": {"minimum": 0, "maximum": 9}, "bins": {"cutPoints": [2]}},
    {"type": "number", "constraints": {"minimum": 0, "maximum": 9}, "bins": {"cutPoints": [4.5]}},
    {"type": "string", "categories": ["a", "b"]},
)
DAY, MOMENT = (
    {"type": kind, "parts": ["year", "weekday"], "constraints": {"minimum": "2020-01-01", "maximum": "2021-12-31"}}
    for kind in ("date", "datetime")
)
DOUBLES = ["1e30", "-1e30", "'Infinity'", "'-Infinity'", "1e308", "4.9e-324", "2.5"]
EDGES: list[Edge] = [  # type, values that a file would refuse where the declaration is of ``field``, one that fits
    (WHOLE, "double precision", [*DOUBLES, "9.3e18"], "2"),
    (WHOLE, "real", ["1e30", "-1e30", "'Infinity'", "2.5"], "2"),
    (PART, "double precision", DOUBLES[:5], "2.5"),
    (WHOLE, "bigint", ["9223372036854775807", "-9223372036854775808"], "2"),
    (PART, "numeric(38, 0)", ["9" * 38, "-" + "9" * 38], "2"),
    (TEXT, "text", [f"'{LONG}'", "''''"], "'a'"),
    (DAY, "date", ["'infinity'", "'-infinity'", "'200000-01-01'", "'0001-01-01'"], "'2020-05-05'"),
    (MOMENT, "timestamp", ["'infinity'", "'-infinity'", "'290000-01-01'"], "'2020-05-05'"),
]
ONLY_POSTGRES: list[Edge] = [
    (WHOLE, "numeric", [HUGE, f"-{HUGE}", "'Infinity'", "'-Infinity'", "1e-400", "2.5", "1" + "0" * 100_000], "2"),
    (PART, "numeric", [HUGE, f"-{HUGE}", "'Infinity'", "-1e-400"], "2"),
    (PART, "numeric(1000, 500)", ["1e450", "-1e-450"], "2"),
    (MOMENT, "timestamp(0)", ["'infinity'", "'290000-01-01'"], "'2020-05-05'"),
]


class Hostile:
    """What has to hold in every engine; a subclass brings the engine."""

    kind: str
    edges: list[Edge] = EDGES
    decimals: list[str] = []

    @pytest.fixture
    def store(self) -> Store:
        """Makes a table of columns of these types, with rows of what SQL writes for their values."""
        raise NotImplementedError

    def test_rows_that_share_their_row_key_are_chosen_by_nothing_of_other_units(self, store: Store) -> None:
        """Neighbours with one rowKey for all rows, and with none: a unit less takes away its own rows alone."""
        table = store({"who": "text", "bits": "bigint"}, tied_rows())
        for k, line in ((1, ibis.literal(7)), (2, ibis.null("int64"))):
            schema = Schema.parse(declaration(k=k, fields=[{"name": "who", "type": "string"}, named("bits", BITS)]))
            for gone in ("p3", "p1042"):
                more, less = (
                    Counter(self._coded(some.mutate(line=line), schema).to_pandas()["bits"])
                    for some in (table, table.filter(table.who != gone))
                )
                assert not less - more, "no other unit's rows are others"
                assert 0 < sum((more - less).values()) <= k

    def _coded(self, table: Any, schema: Schema) -> Any:
        assert schema.source is not None
        assert engine_coding.misfits(table, schema, schema.source) == []
        return engine_coding.coded(table, schema, schema.source, key=KEY, kind=self.kind)

    @pytest.mark.parametrize("other", [False, True])
    def test_no_value_makes_a_count_fail(self, store: Store, other: bool) -> None:
        """Each is outside of what is declared, or missing: it is told as such to the owner and then counted nowhere."""
        for field, kind, values, fits in self.edges:
            clamped = {"outside": "clamp"} if other and field is not TEXT else {}
            schema = Schema.parse(declaration(row=True, fields=[named("x", field | clamped)]))
            table = store({"x": kind}, [(value,) for value in [*values, fits, "NULL"]])
            found = engine_coding.faults(table, schema).to_pyarrow().to_pylist()[0]
            kept = self._coded(table, schema).to_pandas()
            assert found["rows"] == len(values) + 2
            assert found["outside_0"] + len(kept) == len(values) + 2
            assert clamped or len(kept) == 2, kind

    def test_numbers_that_are_none_are_missing(self, store: Store) -> None:
        schema = Schema.parse(declaration(row=True, fields=[named("x", WHOLE)]))
        for kind in ("double precision", "real", *self.decimals):
            kept = self._coded(store({"x": kind}, [("'NaN'",), ("NULL",), ("2",)]), schema).to_pandas()["x"]
            assert sorted(kept) == [1, 2, 2], kind

    def test_identifiers_may_be_as_long_as_texts_can_be(self, store: Store) -> None:
        schema = Schema.parse(declaration(k=1, fields=[{"name": "who", "type": "string"}, named("bits", BITS)]))
        rows = [(f"'{LONG}{row}'", f"'{LONG}{who}'", bits) for row in (1, 2) for who in (1, 2) for bits in "34"]
        assert len(self._coded(store({"line": "text", "who": "text", "bits": "bigint"}, rows), schema).to_pandas()) == 2


class TestDuckDB(Hostile):
    kind = "duckdb"

    @pytest.fixture
    def store(self) -> Store:
        connection = ibis.duckdb.connect()

        def stored(kinds: dict[str, str], rows: Rows) -> Any:
            for statement in statements(kinds, rows):
                connection.raw_sql(statement)
            return connection.table(NAME)

        return stored

    @pytest.mark.parametrize("unit", ["s", "ms"])
    def test_a_moment_too_far_away_for_its_parts_is_outside(self, unit: str) -> None:
        """Such moments come from files that DuckDB reads."""
        connection = ibis.duckdb.connect()
        moments = pa.array([2**62, 1_600_000_000 * (1000 if unit == "ms" else 1)], pa.int64()).cast(pa.timestamp(unit))
        connection.con.from_arrow(pa.table({"x": moments})).create(NAME)
        schema = Schema.parse(declaration(row=True, fields=[named("x", MOMENT)]))
        assert len(self._coded(connection.table(NAME), schema).to_pandas()) == 1


class TestPostgreSQL(Hostile):
    kind = "postgres"
    edges = EDGES + ONLY_POSTGRES
    decimals = ["numeric", "numeric(10, 2)", "numeric(60, 2)"]

    @pytest.fixture
    def store(self, postgres: Any) -> Iterator[Store]:
        def stored(kinds: dict[str, str], rows: Rows) -> Any:
            with postgres.con.cursor() as cursor:
                for statement in statements(kinds, rows):
                    cursor.execute(statement)
            postgres.con.commit()
            return postgres.table(NAME)

        yield stored
        postgres.con.rollback()
        with postgres.con.cursor() as cursor:
            cursor.execute(f"DROP TABLE IF EXISTS {NAME}")
        postgres.con.commit()


def statements(kinds: dict[str, str], rows: Rows) -> list[str]:
    columns = ", ".join(f"{name} {kind}" for name, kind in kinds.items())
    values = ", ".join(f"({', '.join(row)})" for row in rows)
    made = f"CREATE TABLE {NAME} ({columns})"
    return [f"DROP TABLE IF EXISTS {NAME}", made, f"INSERT INTO {NAME} VALUES {values}"]


def named(name: str, field: dict[str, Any]) -> dict[str, Any]:
    return {"name": name} | field


def tied_rows() -> Rows:
    """Four rows for each of 2000 units, in no order."""
    rng = np.random.default_rng(5)
    who = rng.permutation(np.repeat(np.arange(2000), 4))
    return [(f"'p{unit}'", str(bits)) for unit, bits in zip(who, rng.integers(0, 8, len(who)), strict=True)]
