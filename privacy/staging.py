"""Carries out a plan in stages: sizes first, then tables of one column, then the others as finely as noise is worth.

What a stage decides follows from the declaration and from what earlier stages released. Every stage is charged before
its rows are counted, and all stages together cost at most the plan's rho.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from privacy import leaf_tables, workloads
from privacy.accounting import rho_down
from privacy.dp.charging import Charge
from privacy.dp.counting import ExactCounter
from privacy.dp.execution import execute
from privacy.layouts import Layout
from privacy.leaves import Leaves
from privacy.plan_parts import Stages
from privacy.plans import MAX_CELLS, MeasurementPlan
from privacy.related import Related
from privacy.schema import Schema
from privacy.values import (
    Clique,
    Domain,
    IntArray,
    Model,
    NoisyMarginal,
    NoisyTable,
    NoisyTied,
    PrivacyUnit,
    TiedClique,
)
from privacy.workloads import Wanted


class Onlooker:
    """A model that is told and expects nothing: all tables are named in advance."""

    def expected(self, clique: Clique) -> IntArray:
        raise LookupError("no table is chosen")

    def observe(self, marginal: NoisyMarginal) -> None:
        return None


@dataclass(frozen=True)
class Staged:
    """One layout's wide rows, one a unit, and who pays. Everything that touches them is here."""

    layout: Layout
    counter: ExactCounter
    charge: Charge
    unit: PrivacyUnit

    def measure(self, wanted: Sequence[Wanted], *, rho: Decimal, units: Sequence[float]) -> list[NoisyTable]:
        """All tables at once, rho split by ``privacy.workloads``; ``units`` are the released units of each size."""
        plain = [each for each in wanted if isinstance(each.clique, Clique)]
        pooled = [each for each in wanted if isinstance(each.clique, TiedClique)]
        shares = workloads.weights([*plain, *pooled], domain=self.layout.domain, units=units)
        plan = MeasurementPlan(
            one_way_share=Decimal(0), fixed_share=Decimal(1), rounds=0, per_round=1, max_cells=MAX_CELLS,
            fixed=tuple(each.clique for each in plain if isinstance(each.clique, Clique)),
            tied=tuple(each.clique for each in pooled if isinstance(each.clique, TiedClique)), fixed_weights=shares,
        )  # fmt: skip
        return list(execute(plan, counter=self.counter, charge=self.charge, model=Onlooker(), unit=self.unit, rho=rho))

    def sizes(self, *, rho: Decimal) -> NoisyMarginal:
        """How many units there are of each size, which says what votes the other tables will have."""
        even = [1.0] * len(self.layout.present)
        (table,) = self.measure([Wanted(Clique.of(self.layout.size))], rho=rho, units=even)
        assert isinstance(table, NoisyMarginal)
        return table

    def totals(self, leaves: Leaves, bins: tuple[int, ...], *, rho: Decimal) -> NoisyTied:
        """How many units there are of each number of leaves, in bins."""
        even = [1.0] * len(self.layout.present)
        (table,) = self.measure([Wanted(leaf_tables.totals(leaves, bins))], rho=rho, units=even)
        assert isinstance(table, NoisyTied)
        return table

    def members(
        self, wanted: Sequence[Wanted], *, one_way_share: Decimal, rho: Decimal, units: Sequence[float]
    ) -> list[NoisyTable]:
        """Tables of one column, and then the others, as coarsely as those say."""
        first = [each for each in wanted if columns_of(each) == 1]
        rest = [each for each in wanted if columns_of(each) > 1]
        share = rho_down(rho * one_way_share) if rest else rho
        found = self.measure(first, rho=share, units=units)
        if rest:
            left = rho_down(rho - share)
            masses = masses_of(found, self.layout)
            rest = workloads.affordable(rest, self.layout, masses, rho=float(left), units=units)
            found += self.measure(rest, rho=left, units=units)
        return found


def carried_out(
    plan: MeasurementPlan, schema: Schema, *, counter: ExactCounter, charge: Charge,
    modelled: Callable[[Domain], Model], rho: Decimal, spent: Decimal,
) -> tuple[NoisyTable, ...]:  # fmt: skip
    """The whole plan, at most ``rho`` with what was ``spent`` before; ValueError where it does not fit.

    A plan without stages asks the model that ``modelled`` makes.
    """
    if plan.stages is None or schema.related is None:
        model = modelled(schema.domain)
        return execute(plan, counter=counter, charge=charge, model=model, unit=schema.unit, rho=rho, spent=spent)
    plan.check(counter.domain)
    related, levels = schema.related, [Staged(each, counter, charge, schema.unit) for each in schema.related.layouts]
    return tuple(_in_stages(plan, plan.stages, related, levels, rho))


def _in_stages(
    plan: MeasurementPlan, stages: Stages, related: Related, levels: Sequence[Staged], rho: Decimal
) -> list[NoisyTable]:
    """Of members, and of what is below them: their numbers, then all tables, at each level's share of the rest."""
    members, *below = levels
    for_sizes = rho_down(rho * stages.size_share)
    sizes = members.sizes(rho=for_sizes)
    wanted = [Wanted(clique, weight) for clique, weight in zip(plan.workload, plan.fixed_weights, strict=True)]
    units = sizes.counts.astype(float).tolist()
    if stages.leaves is None or related.leaves is None:
        rest = rho_down(rho - for_sizes)
        return [sizes, *members.members(wanted, one_way_share=stages.one_way_share, rho=rest, units=units)]
    totals = below[0].totals(related.leaves, stages.leaves.bins, rho=for_sizes)
    rest = rho_down(rho - 2 * for_sizes)
    share = rho_down(rest * stages.leaves.share)
    own, theirs = (_of_level(wanted, stages.leaves.size, below=is_below) for is_below in (False, True))
    found = members.members(own, one_way_share=stages.one_way_share, rho=rho_down(rest - share), units=units)
    units = leaf_tables.spread(stages.leaves.bins, totals.counts.ravel() // totals.parts)
    found += below[0].members(theirs, one_way_share=stages.leaves.one_way_share, rho=share, units=units)
    return [sizes, totals, *found]


def _of_level(wanted: Sequence[Wanted], size: str, *, below: bool) -> list[Wanted]:
    return [each for each in wanted if (isinstance(each.clique, TiedClique) and each.clique.size == size) is below]


def columns_of(wanted: Wanted) -> int:
    """How many columns a table holds beside each other."""
    return len((wanted.clique.slots[0] if isinstance(wanted.clique, TiedClique) else wanted.clique).axes)


def masses_of(tables: Sequence[NoisyTable], layout: Layout) -> dict[str, list[float]]:
    """The released counts of every code of a column, in whatever block."""
    found: dict[str, list[float]] = {}
    for table in tables:
        axis = (table.clique.slots[0] if isinstance(table, NoisyTied) else table.clique).axes[0]
        counts = table.counts.reshape(-1, table.counts.shape[-1]).sum(axis=0)
        found[layout.places[axis.column][0]] = counts.astype(float).tolist()
    return found
