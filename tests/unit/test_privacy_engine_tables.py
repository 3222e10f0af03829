"""Tables that stay in their engine are coded, bounded and counted there: as the NumPy counter does, in every engine."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from itertools import combinations
from typing import Any

import ibis
import numpy as np
import pandas as pd
import pytest

from privacy import engine_coding
from privacy.dp import sensitivity
from privacy.dp.counting import ExactCounter
from privacy.problems import SchemaError
from privacy.schema import Schema
from privacy.values import Clique
from tests import engine_counters, engine_tables
from tests.engine_tables import KEY, by_numpy, declaration, rows
from tests.unit.test_privacy_counting import postgres

__all__ = ["postgres"]
Counting = Callable[[pd.DataFrame, Schema], ExactCounter]


def counted(table: Any, schema: Schema, kind: str) -> ExactCounter:
    assert schema.source is not None
    assert engine_coding.misfits(table, schema, schema.source) == []
    coded = engine_coding.coded(table, schema, schema.source, key=KEY, kind=kind)
    return engine_counters.over_ibis(coded, schema.domain)


def cliques(schema: Schema) -> list[Clique]:
    columns = schema.domain.columns
    return [*(Clique.of(column) for column in columns), *(Clique.of(*pair) for pair in combinations(columns, 2))]


class Conformance:
    """What every engine that holds tables must do; a subclass brings the engine."""

    @pytest.fixture
    def count(self) -> Counting:
        raise NotImplementedError

    @pytest.mark.parametrize("unit", [{"row": True}, {"k": 1, "nulls": "drop"}, {"k": 3}])
    def test_it_counts_as_numpy_does(self, count: Counting, unit: dict[str, Any]) -> None:
        schema = Schema.parse(declaration(**unit))
        table = rows(150, seed=3, wild=True)
        asked = cliques(schema)
        expected = by_numpy(table, schema).tables(asked)
        found = count(table, schema).tables(asked)
        assert 10 < expected[0].sum() < 150, "some rows are left out, and most are not"
        for clique, mine, theirs in zip(asked, found, expected, strict=True):
            assert np.array_equal(mine, theirs), clique.columns


class TestDuckDB(Conformance):
    @pytest.fixture
    def count(self) -> Counting:
        return in_duckdb


def in_duckdb(table: pd.DataFrame, schema: Schema) -> ExactCounter:
    return counted(held_in_duckdb(table), schema, "duckdb")


def held_in_duckdb(table: pd.DataFrame) -> Any:
    connection = ibis.duckdb.connect()
    engine_tables.into_duckdb(connection.con, table)
    return connection.table("visits")


class TestPostgreSQL(Conformance):
    @pytest.fixture
    def count(self, postgres: Any) -> Iterator[Counting]:
        name = f"visits_{os.getpid()}"

        def counting(table: pd.DataFrame, schema: Schema) -> ExactCounter:
            engine_tables.into_postgres(postgres.con, table, name)
            return counted(postgres.table(name), schema, "postgres")

        yield counting
        with postgres.con.cursor() as cursor:
            cursor.execute(f"DROP TABLE IF EXISTS {name}")
        postgres.con.commit()


def test_one_unit_more_moves_no_table_by_more_than_the_bound() -> None:
    """Neighbouring tables: the tables differ by at most what sensitivity says, and by nothing of other units' rows."""
    schema = Schema.parse(declaration(k=2))
    asked = cliques(schema)[:20]
    reached = 0.0
    for seed in range(6):
        table = rows(120, seed=seed, people=6)
        named = [engine_tables.as_text(name).strip() for name in table["who"]]
        without = table[[name != "p1" for name in named]]
        for clique, mine, theirs in zip(
            asked, in_duckdb(table, schema).tables(asked), in_duckdb(without, schema).tables(asked), strict=True
        ):
            moved = float(np.linalg.norm((mine - theirs).ravel()))
            assert moved <= float(sensitivity.l2_of(schema.unit, clique)) + 1e-9
            assert (mine >= theirs).all()
            reached = max(reached, moved)
    assert reached > 1.5, "a unit with many rows reaches its bound somewhere"


def test_a_bounding_that_forgets_the_unit_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same test against a planted defect: ranks over all rows instead of within the unit."""
    honest = ibis.row_number

    class Unbounded:
        def over(self, **_: Any) -> Any:
            return honest().over(order_by=ibis.literal(1)) * 0

    monkeypatch.setattr(engine_coding.ibis, "row_number", Unbounded)
    with pytest.raises(AssertionError):
        test_one_unit_more_moves_no_table_by_more_than_the_bound()


def test_what_is_wrong_is_said_by_column_and_rule_and_never_by_value() -> None:
    schema = Schema.parse(declaration(row=True))
    table = rows(40, seed=1, wild=True)
    held = held_in_duckdb(table)
    found = engine_coding.faults(held, schema).to_pyarrow().to_pylist()[0]
    names = schema.domain.columns
    assert found.pop("rows") == 40
    wrong = {(key.split("_")[0], names[int(key.split("_")[1])]) for key, times in found.items() if times}
    assert wrong == {("missing", "pay"), ("outside", "seen.quarter"), ("outside", "seen.hour")}
    other = held.mutate(pay=held.pay.cast("string"), seen=held.seen.cast("timestamp('Europe/Berlin')")).drop("age")
    told = {(one.column, one.rule) for one in engine_coding.misfits(other, schema, schema.source)}
    assert told == {
        ("age", "the table has no such column"),
        ("pay", "the engine's column must be of a numeric type"),
        ("seen", "times with a zone cannot be counted: give a column that has them without one"),
    }


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"maximumRows": None}, "maximumRows"),
        ({"source": {"engine": "held", "table": "visits; DROP"}, "row": True}, "'table' must be a plain name"),
        ({"source": {"engine": "Held!", "table": "visits"}, "row": True}, "'engine' must be the name"),
        ({"source": {"engine": "held", "table": "visits"}}, "'rowKey' is needed"),
        ({"source": {"engine": "held", "table": "visits", "password": "x"}, "row": True}, "password"),
    ],
)
def test_a_declaration_that_an_engine_cannot_keep_is_refused(changes: dict[str, Any], said: str) -> None:
    import json

    text = json.loads(declaration(**changes))
    with pytest.raises(SchemaError, match=said):
        Schema.parse(json.dumps({key: value for key, value in text.items() if value is not None}))
