"""Counting where the rows already are: DuckDB over Parquet or an Arrow table, and any engine that Ibis speaks to.

An engine is asked for the groups of one clique at a time; the dense table is laid out here. Rows with a code
outside its declared domain, or with none, make the count fail by column, whatever engine holds them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from privacy.dp.blocks import cover
from privacy.values import Axis, Clique, Domain, IntArray

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

UNDECLARED = -1
Groups = Callable[[Clique], Any]
"""The clique's groups as arrays: one of bins for each axis, then one of how many rows."""


class EngineCounter:
    """The exact tables of any engine that can group."""

    def __init__(self, groups: Groups, domain: Domain) -> None:
        self.domain, self._groups = domain, groups

    def counts(self, clique: Clique) -> IntArray:
        *bins, rows = self._groups(clique)
        table = np.zeros(clique.shape(self.domain), dtype=np.int64)
        for axis, found in zip(clique.axes, bins, strict=True):
            if len(found) and int(np.min(found)) < 0:
                raise ValueError(f"column {axis.column} holds a code outside its declared domain")
        if len(rows):
            np.add.at(table, tuple(np.asarray(found, dtype=np.intp) for found in bins), rows)
        return table

    def tables(self, cliques: Sequence[Clique]) -> tuple[IntArray, ...]:
        """As few queries as blocks: many tables are read off one."""
        read: dict[int, IntArray] = {}
        for block in cover(cliques, self.domain):
            counts = self.counts(Clique(block.axes)).ravel()
            read |= {place: block.read(counts, cliques[place], self.domain) for place in block.places}
        return tuple(read[place] for place in range(len(cliques)))


def over_parquet(paths: Sequence[Path], domain: Domain, *, memory: str = "512MB") -> EngineCounter:
    """Counts coded Parquet files in place, in any number and of any size."""
    connection = private_connection(memory=memory)
    relation = connection.read_parquet([str(path) for path in paths])
    return EngineCounter(_duckdb_groups(connection, relation, domain), domain)


def over_arrow(table: pa.Table, domain: Domain, *, memory: str = "512MB") -> EngineCounter:
    """Counts an Arrow table of codes in memory."""
    connection = private_connection(memory=memory)
    return EngineCounter(_duckdb_groups(connection, connection.from_arrow(table), domain), domain)


def private_connection(*, memory: str) -> duckdb.DuckDBPyConnection:
    """A DuckDB in memory that never spills to a disk, where rows would lie in the clear."""
    import duckdb

    options: dict[str, Any] = {"memory_limit": memory, "temp_directory": "", "preserve_insertion_order": False}
    return duckdb.connect(":memory:", config=options)


def over_ibis(table: Any, domain: Domain) -> EngineCounter:
    """Counts an Ibis table whose columns hold codes, in the engine that holds it: the same expression everywhere."""
    return EngineCounter(ibis_groups(table, domain), domain)


def ibis_groups(table: Any, domain: Domain) -> Groups:
    """How the engine behind an Ibis table of codes groups them."""

    def groups(clique: Clique) -> list[Any]:
        named = {f"a{place}": _expression(table[axis.column], axis, domain) for place, axis in enumerate(clique.axes)}
        found = table.select(**named).group_by(list(named)).agg(rows=lambda each: each.count()).to_pyarrow()
        return [found[name].to_numpy() for name in (*named, "rows")]

    return groups


def _duckdb_groups(connection: duckdb.DuckDBPyConnection, relation: duckdb.DuckDBPyRelation, domain: Domain) -> Groups:
    relation.create_view("codes")

    def groups(clique: Clique) -> list[Any]:
        named = [f"{_sql(axis, domain)} AS a{place}" for place, axis in enumerate(clique.axes)]
        query = f"SELECT {', '.join(named)}, count(*) AS n FROM codes GROUP BY ALL"  # noqa: S608  # nosec B608  # quoted
        return list(connection.execute(query).fetchnumpy().values())

    return groups


def runs(axis: Axis, domain: Domain) -> list[tuple[int, int]]:
    """The axis' bins as (largest code, bin) for each run of codes, ascending."""
    bins = axis.bins or tuple(range(domain.size(axis.column)))
    ends, code = [], -1
    for found, run in groupby(bins):
        code += len(list(run))
        ends.append((code, found))
    return ends


def _sql(axis: Axis, domain: Domain) -> str:
    column, last = '"' + axis.column.replace('"', '""') + '"', domain.size(axis.column) - 1
    if axis.bins:
        cases = " ".join(f"WHEN {column} <= {end} THEN {found}" for end, found in runs(axis, domain))
        value = f"CASE {cases} END"
    else:
        value = f"{column}::INTEGER"
    return f"CASE WHEN {column} BETWEEN 0 AND {last} THEN {value} ELSE {UNDECLARED} END"


def _expression(column: Any, axis: Axis, domain: Domain) -> Any:
    import ibis

    code = column.cast("int32")
    value = code
    if axis.bins:
        value = ibis.cases(*((code <= end, found) for end, found in runs(axis, domain)), else_=UNDECLARED)
    declared = code.between(0, domain.size(axis.column) - 1).fill_null(False)
    return ibis.ifelse(declared, value.cast("int32"), UNDECLARED)
