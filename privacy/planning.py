"""What a plan would cost in accuracy, tried on mock rows with a purse of its own before anyone spends.

The plan is carried out by the same code as the real one, noise included; only the rows are invented from the
declaration, and nothing is charged to a ledger. The noise of a table depends on the plan, the privacy unit
and rho alone, so its figures are those of a real run; which tables an adaptive plan chooses, and how well a
model fits, also depends on the data, so those figures are an example. Of unknown categories, as many stand in as
a release may keep.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from functools import reduce
from statistics import fmean
from typing import Any

import numpy as np

from privacy import mock
from privacy.dp import tied
from privacy.dp.charging import MemoryLedger
from privacy.dp.counting import NumpyCounter
from privacy.dp.discovery import Texts, discover
from privacy.dp.execution import execute
from privacy.plans import MeasurementPlan, adaptive_default, for_purpose, searching
from privacy.purposes import Purpose
from privacy.schema import Schema
from privacy.values import Clique, Domain, IntArray, Model, NoisyMarginal, NoisyTable, NoisyTied

NINETEEN_IN_TWENTY = 1.959964
ROUNDS = (4, 2)
"""Rounds, and tables a round, for a model that has no opinion on them."""


@dataclass(frozen=True, slots=True)
class Expected:
    """One table's accuracy: a count is within ``margin`` of the truth 19 times in 20.

    ``noise_tvd`` is the total variation distance that the noise alone brings to the table as released, at the
    planned number of rows (at most 1); ``fitted_tvd`` how far the model is from the mock rows in the end, None
    for a tied table, which a model of single rows does not fit. Figures of a tied table are in votes.
    """

    columns: tuple[str, ...]
    cells: int
    rho: str
    sigma: float
    margin: float
    noise_tvd: float
    fitted_tvd: float | None


@dataclass(frozen=True, slots=True)
class Forecast:
    """A simulated plan. ``spent`` is what a real run of it would be charged."""

    rho: Decimal
    spent: Decimal
    rows: int
    tables: tuple[Expected, ...]

    def to_json(self) -> dict[str, Any]:
        totals = {"rho": str(self.rho.normalize()), "spent": str(self.spent.normalize()), "rows": self.rows}
        return totals | {"tables": [asdict(table) for table in self.tables]}


def plan_for(domain: Domain, purpose: Purpose | None, model: Model | None) -> MeasurementPlan:
    """The plan a request with this purpose would be measured by; a model without opinion gets fixed rounds."""
    plan = adaptive_default(domain) if purpose is None else for_purpose(domain, purpose)
    if hasattr(model, "rounds") or plan.rounds is not None:
        return plan
    rounds, per_round = ROUNDS
    return MeasurementPlan.from_json({**plan.to_json(), "rounds": rounds, "per_round": per_round})


def simulate(
    schema: Schema,
    *,
    rho: Decimal,
    rows: int,
    purpose: Purpose | None = None,
    plan: MeasurementPlan | None = None,
    model: Model | None = None,
    seed: int = 0,
) -> Forecast:
    """Carry the plan out on ``rows`` mock rows. ``model`` is what the real run would ask; without one, columns
    are taken as independent. ValueError for a purpose or plan that does not fit the declaration.
    """
    domain = schema.domain
    codes = mock.codes(schema, rows=rows, seed=seed)
    counter, purse = NumpyCounter(codes, domain), MemoryLedger(rho)
    fitted = Independent(domain) if model is None else model
    chosen = searching(plan_for(domain, purpose, model), schema.searches) if plan is None else plan
    _, spent = discover(chosen, counter=counter, texts=_stand_ins(schema), charge=purse, unit=schema.unit, rho=rho)
    released = execute(chosen, counter=counter, charge=purse, model=fitted, unit=schema.unit, rho=rho, spent=spent)
    prices = [entry.rho for entry in purse.entries if entry.kind == "table"]
    exact = tied.tables(counter, [table.clique for table in released])
    tables = [
        _expected(table, price, counts, fitted) for table, price, counts in zip(released, prices, exact, strict=True)
    ]
    return Forecast(rho, purse.spent, rows, tuple(tables))


def _stand_ins(schema: Schema) -> Texts:
    """What the mock rows hold where categories are unknown."""
    return lambda column: dict(enumerate(schema.column(column).coding.labels))


def _expected(table: NoisyTable, price: Decimal, exact: IntArray, model: Model) -> Expected:
    cells = table.counts.size
    parts = table.parts if isinstance(table, NoisyTied) else 1
    return Expected(
        columns=table.clique.columns,
        cells=cells,
        rho=str(price.normalize()),
        sigma=table.sigma / parts,
        margin=NINETEEN_IN_TWENTY * table.sigma / parts,
        noise_tvd=min(1.0, cells * table.sigma / math.sqrt(2 * math.pi) / max(int(exact.sum()), 1)),
        fitted_tvd=None if isinstance(table, NoisyTied) else _distance(exact, model.expected(table.clique)),
    )


def _distance(exact: IntArray, fitted: IntArray) -> float:
    return float(np.abs(exact / int(exact.sum()) - fitted / max(int(fitted.sum()), 1)).sum() / 2)


class Independent:
    """The model of last resort: what the released one-way tables say of each column, and nothing between them."""

    def __init__(self, domain: Domain) -> None:
        self._shares = {
            column: np.full(size, 1 / size) for column, size in zip(domain.columns, domain.sizes, strict=True)
        }
        self._totals: list[int] = []

    def observe(self, marginal: NoisyMarginal) -> None:
        if len(marginal.clique.axes) > 1 or marginal.clique.axes[0].bins:
            return
        counts = np.maximum(marginal.counts, 0)
        self._totals.append(max(int(marginal.counts.sum()), 0))
        if counts.sum():
            self._shares[marginal.clique.columns[0]] = counts / counts.sum()

    def expected(self, clique: Clique) -> IntArray:
        total = fmean(self._totals) if self._totals else 0.0
        shares = [self._axis(axis.column, axis.bins) for axis in clique.axes]
        found = reduce(np.multiply.outer, shares) * total
        return np.asarray(np.rint(found), dtype=np.int64)

    def _axis(self, column: str, bins: Sequence[int]) -> np.ndarray[Any, Any]:
        shares = self._shares[column]
        return np.bincount(bins, weights=shares) if bins else shares
