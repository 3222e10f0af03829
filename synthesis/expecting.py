"""How far off counts would be at a price, worked out from a plan alone: no row, real or invented, is looked at. Pure.

Noise depends on the plan, the privacy unit and rho alone. How many tables are chosen also depends on how many rows
there are, which is nobody's business before it is paid for: a stated number stands for it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from privacy.plans import MeasurementPlan
from privacy.values import Domain, PrivacyUnit
from synthesis.loop import policy

NINETEEN_IN_TWENTY = 1.959964
ROWS = 10_000
"""Rows of the real table that a forecast supposes; its true number stays secret."""


@dataclass(frozen=True, slots=True)
class Margins:
    """Tables of one kind: each of their counts is within ``least`` to ``most`` rows of the truth, 19 times in 20."""

    kind: str
    tables: int
    least: float
    most: float


def margins(plan: MeasurementPlan, domain: Domain, unit: PrivacyUnit, *, rho: Decimal) -> tuple[Margins, ...]:
    """What each kind of table is off by, ``rho`` being all that is spent; what rounds leave makes columns better."""
    return tuple(_margins(plan, domain, unit, total=float(rho)))


def _margins(plan: MeasurementPlan, domain: Domain, unit: PrivacyUnit, *, total: float) -> Iterator[Margins]:
    roots = [math.sqrt(size) for size in domain.sizes]
    columns = [total * float(plan.one_way_share) * root / sum(roots) for root in roots]
    if total and plan.one_way_share:
        yield _of("columns", columns, unit)
    chosen = _chosen(plan, domain, unit, total=total)
    fixed = _fixed_share(plan, chosen)
    if total and plan.fixed:
        weights = plan.fixed_weights or (1,) * len(plan.workload)
        yield _of("planned", [total * fixed * weight / sum(weights) for weight in weights[: len(plan.fixed)]], unit)
    if total and chosen:
        left = total * (1 - float(plan.discovery_share) - float(plan.one_way_share) - fixed)
        yield _of("chosen", [left / chosen * (1 - float(plan.select_share))] * chosen, unit)


def _chosen(plan: MeasurementPlan, domain: Domain, unit: PrivacyUnit, *, total: float) -> int:
    """How many tables the rounds would buy of ``ROWS`` rows."""
    if plan.rest <= 0 or len(domain.columns) < 2 or total <= 0:
        return 0
    if plan.rounds is not None and plan.per_round is not None:
        return plan.rounds * plan.per_round
    each, planned = total / _moved(unit) ** 2, len(plan.workload)
    rounds, per_round = policy.rounds(columns=len(domain.columns), total=ROWS, rho=each, planned=planned)
    return rounds * per_round


def _fixed_share(plan: MeasurementPlan, chosen: int) -> float:
    """The share of rho for the planned tables: those of a purpose get as much each as the chosen ones, at most."""
    if plan.purpose is None or plan.rounds is not None or not plan.workload:
        return float(plan.fixed_share)
    planned = len(plan.workload)
    return min(float(plan.fixed_share + plan.rest) * planned / (planned + chosen), float(plan.fixed_share))


def _of(kind: str, prices: list[float], unit: PrivacyUnit) -> Margins:
    found = [NINETEEN_IN_TWENTY * _moved(unit) / math.sqrt(2 * price) for price in prices]
    return Margins(kind, len(found), min(found), max(found))


def _moved(unit: PrivacyUnit) -> float:
    """How far one unit moves a table of counts (L2), as measuring charges it; a test holds the two together."""
    return unit.k * (math.sqrt(2) if unit.neighbours == "change-one" else 1)
