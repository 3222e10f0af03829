"""Counting where the rows already are, in any engine that Ibis speaks to.

An engine is asked for the groups of one clique at a time; the dense table is laid out here. Rows with a code
outside its declared domain, or with none, make the count fail by column, whatever engine holds them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any

import numpy as np

from privacy.dp.blocks import cover
from privacy.values import Axis, Clique, Domain, IntArray

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


def ibis_groups(table: Any, domain: Domain) -> Groups:
    """How the engine behind an Ibis table of codes groups them."""

    def groups(clique: Clique) -> list[Any]:
        named = {f"a{place}": _expression(table[axis.column], axis, domain) for place, axis in enumerate(clique.axes)}
        found = table.select(**named).group_by(list(named)).agg(rows=lambda each: each.count()).to_pyarrow()
        return [found[name].to_numpy() for name in (*named, "rows")]

    return groups


def runs(axis: Axis, domain: Domain) -> list[tuple[int, int]]:
    """The axis' bins as (largest code, bin) for each run of codes, ascending."""
    bins = axis.bins or tuple(range(domain.size(axis.column)))
    ends, code = [], -1
    for found, run in groupby(bins):
        code += len(list(run))
        ends.append((code, found))
    return ends


def _expression(column: Any, axis: Axis, domain: Domain) -> Any:
    import ibis

    code = column.cast("int32")
    value = code
    if axis.bins:
        value = ibis.cases(*((code <= end, found) for end, found in runs(axis, domain)), else_=UNDECLARED)
    declared = code.between(0, domain.size(axis.column) - 1).fill_null(False)
    return ibis.ifelse(declared, value.cast("int32"), UNDECLARED)
