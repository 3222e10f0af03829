"""Counters to hold the appliance's own against: DuckDB's SQL over an Arrow table, and Ibis over a table of codes."""

from __future__ import annotations

from typing import Any

import duckdb
import pyarrow as pa

from privacy.dp.engines import UNDECLARED, EngineCounter, ibis_groups, runs
from privacy.values import Axis, Clique, Domain


def over_ibis(table: Any, domain: Domain) -> EngineCounter:
    """Counts an Ibis table whose columns hold codes, by the expression that the appliance sends to every engine."""
    return EngineCounter(ibis_groups(table, domain), domain)


def over_arrow(table: pa.Table, domain: Domain) -> EngineCounter:
    """Counts an Arrow table of codes by SQL of its own, which shares nothing with the expression above but the runs."""
    connection = duckdb.connect(":memory:")
    connection.from_arrow(table).create_view("codes")

    def groups(clique: Clique) -> list[Any]:
        named = [f"{_sql(axis, domain)} AS a{place}" for place, axis in enumerate(clique.axes)]
        query = f"SELECT {', '.join(named)}, count(*) AS n FROM codes GROUP BY ALL"
        return list(connection.execute(query).fetchnumpy().values())

    return EngineCounter(groups, domain)


def _sql(axis: Axis, domain: Domain) -> str:
    column, last = '"' + axis.column.replace('"', '""') + '"', domain.size(axis.column) - 1
    if axis.bins:
        cases = " ".join(f"WHEN {column} <= {end} THEN {found}" for end, found in runs(axis, domain))
        value = f"CASE {cases} END"
    else:
        value = f"{column}::INTEGER"
    return f"CASE WHEN {column} BETWEEN 0 AND {last} THEN {value} ELSE {UNDECLARED} END"
