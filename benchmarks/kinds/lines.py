"""The level of lines: what is known of a line beforehand, which tables are measured, and its rules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.kinds.declared import Table
from benchmarks.kinds.levels import Level, shares, votes_of
from privacy.layouts import Layout, together
from privacy.values import Domain, IntArray
from privacy.workloads import Wanted
from synthesis.members import People, Rule

TOTAL, PRODUCT = "all lines", "product"
ONE_WAY, WITHIN = 3.0, 2.0


class Lines:
    """``given``: attributes of invoices, and ``ofUnit``: columns of units, that lines are seen together with."""

    def __init__(self, table: Table, invoices: Layout, *, products: int, size: str, marked: str, named: str) -> None:
        self.table, self.votes, self.size, self.marked, self.named = table, table.facts["votes"], size, marked, named
        most = table.facts["mostOfUnit"]
        top = {named: invoices.top.size(named), TOTAL: most + 1}
        own = {PRODUCT: products + 1} | dict(zip(table.names, table.schema.domain.sizes, strict=True))
        own |= {name: invoices.members.size(name) for name in (size, marked)}
        self.layout = Layout(
            Domain.from_mapping(top), TOTAL, tuple(range(most + 1)), Domain.from_mapping(own), given=(size, marked)
        )

    def people(self, invoices: People, counts: IntArray, codes: dict[str, IntArray] | None = None) -> People:
        """So many lines of every invoice; ``codes`` are those of known lines. Of a unit the first lines alone."""
        before = np.cumsum(counts) - counts
        before = before - before[invoices.starts][invoices.owners]
        counts = np.clip(self.layout.most - before, 0, counts)
        whose = np.repeat(np.arange(invoices.members), counts)
        total = np.bincount(invoices.owners, weights=counts, minlength=len(invoices.top)).astype(np.int64)
        top = np.column_stack([invoices.top[:, invoices.layout.top.index(self.named)], total])
        given = {name: invoices.codes[name][whose].astype(np.int64) for name in (self.size, self.marked)}
        if codes is None:
            return People(self.layout, top, given=given, groups=whose)
        return People.of(self.layout, top, given | codes, whose)

    def level(self, *, independent: bool) -> Level:
        return Level(self.layout, self._rules(), (), self._wanted(independent=independent), *shares(self.table.facts))

    def _wanted(self, *, independent: bool) -> list[Wanted]:
        own = self.table.names
        found = together([self._each(name) for name in (PRODUCT, *own)], ONE_WAY)
        groups: list[list[Sequence[str]]] = [[own]]
        if not independent:
            givens = (self.size, self.marked, self.named)
            groups += [[(PRODUCT, name) for name in own], [(given, name) for given in givens for name in own]]
        return found + [
            each for group in groups for each in together([self._each(*pair) for pair in group], WITHIN / len(groups))
        ]

    def _each(self, *names: str) -> Any:
        return self.layout.each(*names, votes=votes_of(self.votes, names), by_norm=True)

    def _rules(self) -> list[Rule]:
        """The lines of a cancelled invoice take back what was bought: declared where quantities may be negative."""
        name = self.table.facts.get("negativeWhenMarked")
        if name is None:
            return []
        column = self.table.schema.columns[self.table.names.index(name)]
        allowed = np.ones((1, 2, column.size), dtype=bool)
        allowed[0, 1, column.coding.code("0") :] = False
        return [Rule(self.layout.each(self.marked, name), allowed)]
