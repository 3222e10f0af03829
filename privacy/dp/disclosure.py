"""A check of a synthetic table against raw rows is a query: two counts, each paid for before a row is looked at.

One unit moves either count by at most its ``k`` rows: each row decides about one distinct record and about itself. For
neighbours that differ in one unit changed for another, rows leave and others come: the count falls by at most k and
rises by at most k, so it still moves by at most k.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from privacy.accounting import rho_down
from privacy.dp import matching, opendp_door
from privacy.dp.charging import Charge, pay
from privacy.dp.matching import Batches
from privacy.values import Domain, IntArray, Measurement, PrivacyUnit

OCCURRING, NEIGHBOURED = "distinct synthetic records that occur in the data", "rows with a synthetic neighbour"
QUESTIONS = (OCCURRING, NEIGHBOURED)


@dataclass(frozen=True, slots=True)
class Compared:
    """One count. ``sigma`` is its noise and ``measurement`` the charge that paid for it; of an exact one 0 and ""."""

    question: str
    count: int
    sigma: float = 0.0
    measurement: str = ""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What is compared: distinct synthetic ``records`` (records x columns), known as ``table``, within ``radius``."""

    records: IntArray
    table: str
    domain: Domain
    radius: int

    def __post_init__(self) -> None:
        matching.check_radius(self.domain, self.radius)

    def exact(self, batches: Batches) -> tuple[int, int]:
        """Both counts as they are. Raw: they are released with noise, or shown at one gate alone."""
        found = matching.occurring(self.records, batches, self.domain)
        return found, matching.neighboured(self.records, batches, self.domain, radius=self.radius)


def sensitivity(unit: PrivacyUnit) -> float:
    """The largest change of either count between neighbours of either kind."""
    return float(unit.k)


def noised(
    comparison: Comparison, *, opened: Callable[[], Batches], charge: Charge, unit: PrivacyUnit, rho: Decimal
) -> tuple[Compared, ...]:
    """Both counts with Gaussian noise, half of ``rho`` each; both are charged before ``opened`` gives the rows."""
    share = rho_down(rho / len(QUESTIONS))
    doors = [opendp_door.gaussian(sensitivity=sensitivity(unit), rho=share) for _ in QUESTIONS]
    steps = [_step(comparison, each, door, unit) for each, door in zip(QUESTIONS, doors, strict=True)]
    entries = pay(charge, steps)
    counts = comparison.exact(opened())
    return tuple(
        Compared(question, int(door.release(np.array([count]))[0]), door.scale, entry)
        for question, door, count, entry in zip(QUESTIONS, doors, counts, entries, strict=True)
    )


def unnoised(comparison: Comparison, batches: Batches) -> tuple[Compared, ...]:
    """Both counts without noise: nothing protects them, so they never leave the enclave."""
    return tuple(Compared(each, count) for each, count in zip(QUESTIONS, comparison.exact(batches), strict=True))


def told(comparison: Comparison, question: str) -> Mapping[str, str | int]:
    """What a charge says of its question: which table was compared, and how near counts as near."""
    return {"question": question, "table": comparison.table, "radius": comparison.radius}


def _step(comparison: Comparison, question: str, door: opendp_door.GaussianVector, unit: PrivacyUnit) -> Measurement:
    return Measurement(
        kind="check", mechanism=door.name, cliques=(), sensitivity=door.sensitivity, scale=door.scale, rho=door.rho,
        delta=Decimal(0), unit=unit, library=opendp_door.LIBRARY, about=told(comparison, question),
    )  # fmt: skip
