"""Measuring wide rows through the product's own execution, against a ledger in memory; to compare, without noise."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from privacy import workloads
from privacy.dp import tied
from privacy.dp.charging import MemoryLedger
from privacy.dp.counting import NumpyCounter
from privacy.dp.execution import execute
from privacy.dp.sensitivity import VOTE
from privacy.layouts import Layout
from privacy.plans import MAX_CELLS, MeasurementPlan
from privacy.values import (
    AnyClique,
    Clique,
    IntArray,
    NoisyMarginal,
    NoisyTable,
    NoisyTied,
    PrivacyUnit,
    Release,
    TiedClique,
)
from privacy.workloads import Wanted

NO_NOISE = 0.3  # taken for the noise of a table released without any: of a row, or of a vote


class Onlooker:
    """A model that is told and expects nothing: all tables are named in advance."""

    def expected(self, clique: Clique) -> IntArray:
        raise LookupError("no table is chosen")

    def observe(self, marginal: NoisyMarginal) -> None:
        return None


class Measuring:
    """One layout's wide rows, one a unit, under a ledger. Everything that touches them is here."""

    def __init__(self, layout: Layout, rows: IntArray, ledger: MemoryLedger | None) -> None:
        self.layout, self.ledger = layout, ledger
        self._counter = NumpyCounter(rows, layout.domain)

    def measure(self, wanted: Sequence[Wanted], *, rho: Decimal, units: Sequence[float]) -> tuple[NoisyTable, ...]:
        """All tables, rho split by ``privacy.workloads``; ``units`` are the released units of each size."""
        cliques = [each.clique for each in wanted]
        if self.ledger is None:
            return tuple(map(_exact, cliques, tied.tables(self._counter, cliques)))
        plain = [each for each in wanted if isinstance(each.clique, Clique)]
        pooled = [each for each in wanted if isinstance(each.clique, TiedClique)]
        ordered = [*plain, *pooled]
        shares = workloads.weights(ordered, domain=self.layout.domain, units=units)
        plan = MeasurementPlan(
            one_way_share=Decimal(0), fixed_share=Decimal(1), rounds=0, per_round=1, max_cells=MAX_CELLS,
            fixed=tuple(each.clique for each in plain if isinstance(each.clique, Clique)),
            tied=tuple(each.clique for each in pooled if isinstance(each.clique, TiedClique)), fixed_weights=shares,
        )  # fmt: skip
        return execute(plan, counter=self._counter, charge=self.ledger, model=Onlooker(), unit=PrivacyUnit(), rho=rho)

    def sizes(self, *, rho: Decimal) -> NoisyMarginal:
        """How many units there are of each size, which says what votes the other tables will have."""
        even = [1.0] * len(self.layout.present)
        (table,) = self.measure([Wanted(Clique.of(self.layout.size))], rho=rho, units=even)
        assert isinstance(table, NoisyMarginal)
        return table

    def release(self, tables: Sequence[NoisyTable]) -> Release:
        """The tables of the unit's own columns, for the loop."""
        own = [table for table in tables if isinstance(table, NoisyMarginal)]
        return Release.of("benchmark", self.layout.top, own, PrivacyUnit(), Decimal(0), Decimal(0))


def _exact(clique: AnyClique, counts: IntArray) -> NoisyTable:
    if isinstance(clique, TiedClique):
        return NoisyTied(clique, counts, NO_NOISE * VOTE, "none", VOTE)
    return NoisyMarginal(clique, counts, NO_NOISE, "none")
