"""One table, whatever counts it: plain Python, NumPy in memory, NumPy in batches, DuckDB, Ibis, PostgreSQL."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from typing import Any

import ibis
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from privacy.dp import blocks, counting
from privacy.dp.counting import BatchCounter, ExactCounter, NumpyCounter
from privacy.values import Axis, Clique, Domain, IntArray
from tests import engine_counters

POSTGRES = {"host": "127.0.0.1", "port": 5432, "user": "postgres", "database": "test"}
MANY = settings(max_examples=60, deadline=None)


@st.composite
def cases(draw: Any) -> tuple[IntArray, Domain, list[Clique]]:
    """A random table with names that need quoting, and cliques of one to three columns, some binned."""
    sizes = draw(st.lists(st.integers(1, 40), min_size=1, max_size=5))
    domain = Domain(tuple(f'col "{place}" é' for place in range(len(sizes))), tuple(sizes))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    rows = draw(st.integers(0, 300))
    codes = rng.integers(0, sizes, size=(rows, len(sizes))) if rows else np.empty((0, len(sizes)), dtype=np.int64)
    cliques = []
    for _ in range(draw(st.integers(1, 6))):
        chosen = rng.permutation(len(sizes))[: draw(st.integers(1, 3))]
        cliques.append(Clique(tuple(axis(rng, domain, int(place)) for place in chosen)))
    return codes, domain, cliques


def axis(rng: np.random.Generator, domain: Domain, place: int) -> Axis:
    """The column as it is, cut into runs, or grouped at random."""
    size, kind = domain.sizes[place], rng.integers(3)
    if kind == 0:
        return Axis(domain.columns[place])
    groups = rng.integers(0, size, size) if kind == 1 else np.sort(rng.integers(0, size, size))
    return Axis(domain.columns[place], tuple(map(int, np.unique(groups, return_inverse=True)[1])))


def by_hand(codes: IntArray, domain: Domain, clique: Clique) -> IntArray:
    """The definition: each row adds one to its cell."""
    table = np.zeros(clique.shape(domain), dtype=np.int64)
    for row in codes:
        seen = [(axis.bins, int(row[domain.index(axis.column)])) for axis in clique.axes]
        table[tuple(bins[code] if bins else code for bins, code in seen)] += 1
    return table


def as_arrow(codes: IntArray, domain: Domain) -> pa.Table:
    columns = {name: codes[:, place].astype(np.uint16) for place, name in enumerate(domain.columns)}
    return pa.table(columns)


def in_duckdb(table: pa.Table) -> Any:
    """The table as one that a DuckDB held before Ibis came to it."""
    connection = ibis.duckdb.connect()
    connection.con.from_arrow(table).create("codes")
    return connection.table("codes")


def in_postgres(connection: Any, name: str, codes: IntArray, domain: Domain) -> Any:
    """The same in PostgreSQL."""
    columns = ['"' + column.replace('"', '""') + '"' for column in domain.columns]
    with connection.con.cursor() as cursor:
        cursor.execute(f"DROP TABLE IF EXISTS {name}")
        cursor.execute(f"CREATE TABLE {name} ({', '.join(f'{column} smallint' for column in columns)})")
        with cursor.copy(f"COPY {name} FROM STDIN") as copy:
            for row in codes.tolist():
                copy.write_row(row)
    connection.con.commit()
    return connection.table(name)


def in_batches(codes: IntArray, domain: Domain) -> BatchCounter:
    def batches() -> Iterator[list[Any]]:
        for start in range(0, len(codes), 7):
            yield [codes[start : start + 7, place].astype(np.uint16) for place in range(codes.shape[1])]

    return BatchCounter(batches, domain)


def agrees(counter: ExactCounter, case: tuple[IntArray, Domain, list[Clique]]) -> None:
    codes, domain, cliques = case
    tables = counter.tables(cliques)
    assert len(tables) == len(cliques)
    for clique, table in zip(cliques, tables, strict=True):
        expected = by_hand(codes, domain, clique)
        assert table.dtype == np.int64
        assert table.shape == expected.shape
        assert (table == expected).all()
        assert (counter.counts(clique) == expected).all()


@MANY
@given(case=cases(), most=st.sampled_from([1, 50, 2**15]), slice_rows=st.sampled_from([3, 2**16]))
def test_numpy_counts_by_the_definition(case: Any, most: int, slice_rows: int) -> None:
    """Whatever is counted together, and in slices of whatever length."""
    with pytest.MonkeyPatch.context() as changed:
        changed.setattr(blocks, "MOST_CELLS", most)
        changed.setattr(counting, "SLICE", slice_rows)
        agrees(NumpyCounter(case[0], case[1]), case)
        agrees(in_batches(case[0], case[1]), case)


@MANY
@given(case=cases())
def test_duckdb_counts_the_same(case: Any) -> None:
    agrees(engine_counters.over_arrow(as_arrow(case[0], case[1]), case[1]), case)


@settings(max_examples=25, deadline=None)
@given(case=cases())
def test_ibis_counts_the_same_on_duckdb(case: Any) -> None:
    agrees(engine_counters.over_ibis(in_duckdb(as_arrow(case[0], case[1])), case[1]), case)


@pytest.fixture(scope="module")
def postgres() -> Iterator[Any]:
    """The local server; without one the test is skipped aloud, except where CI promises that there is one."""
    try:
        connection = ibis.postgres.connect(**POSTGRES)
    except Exception as problem:
        if os.environ.get("CI"):
            pytest.fail(f"PostgreSQL must be reachable here: {type(problem).__name__}")
        warnings.warn("PostgreSQL is not reachable: counting in it was NOT tested", stacklevel=1)
        pytest.skip("PostgreSQL is not reachable")
    yield connection
    connection.disconnect()


@settings(max_examples=12, deadline=None)
@given(case=cases())
def test_ibis_counts_the_same_on_postgresql(case: Any, postgres: Any) -> None:
    codes, domain, _ = case
    name = f"counting_{os.getpid()}"
    try:
        agrees(engine_counters.over_ibis(in_postgres(postgres, name, codes, domain), domain), case)
    finally:
        with postgres.con.cursor() as cursor:
            cursor.execute(f"DROP TABLE IF EXISTS {name}")
        postgres.con.commit()


@pytest.mark.parametrize("bad", [[0, 987654321], [-5, 1], [0, None]])
@pytest.mark.parametrize("bins", [(), (0, 1, 1)])
def test_an_undeclared_code_is_refused_by_column_alone(bad: list[int | None], bins: tuple[int, ...]) -> None:
    domain, clique = Domain(("a", "b"), (3, 3)), Clique((Axis("b"), Axis("a", bins)))
    held = pa.table({"a": pa.array(bad, pa.int64()), "b": [0, 1]})
    counters: list[ExactCounter] = [
        engine_counters.over_arrow(held, domain),
        engine_counters.over_ibis(in_duckdb(held), domain),
    ]
    if None not in bad:
        counters.append(BatchCounter(lambda: ([np.array(bad), np.array([0, 1])],), domain))
    for counter in counters:
        with pytest.raises(ValueError, match="column a holds") as refused:
            counter.counts(clique)
        assert "987654321" not in str(refused.value)


def test_pairs_share_their_passes() -> None:
    """What makes it fast: the 105 pairs of 15 columns are read off a few dozen blocks, each pair off one."""
    from itertools import combinations

    domain = Domain(tuple("abcdefghijklmno"), (12,) * 15)
    pairs = [Clique.of(*pair) for pair in combinations(domain.columns, 2)]
    found = blocks.cover(pairs, domain)
    assert len(found) <= 35
    assert sorted(place for block in found for place in block.places) == list(range(105))
