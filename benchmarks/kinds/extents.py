"""Bounds of wide fields, found first: how many units there are on each rung of a public ladder, with noise.

A zone system or a period is public where an owner declares it. A declaration that has to do for another city or
another year says a ladder instead (``extent``): upper ends of numbers, or years. Each unit stands on one rung, or on
that of its first and that of its last moment; rungs with clearly more units than noise are within the bounds. A small
share of rho pays for it. Where nothing is clear the declared bounds stay.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np

from benchmarks.kinds.measuring import Onlooker
from privacy.dp.charging import MemoryLedger
from privacy.dp.counting import NumpyCounter
from privacy.dp.execution import execute
from privacy.plans import MAX_CELLS, MeasurementPlan
from privacy.values import Clique, Domain, IntArray, NoisyMarginal, PrivacyUnit

SHARE = Decimal("0.02")  # of rho
CLEAR = 4.0  # in standard deviations of the noise
FIRST, LAST = "first", "last"
Bounds = tuple[Any, Any]


@dataclass(frozen=True)
class Spread:
    """A field's declared ``extent`` and what units have there: whole numbers, of ``firsts`` none where only the upper
    end is sought.
    """

    field: str
    extent: Mapping[str, Any]
    lasts: IntArray
    firsts: IntArray | None = None

    def found(self, ledger: MemoryLedger | None, *, rho: Decimal) -> Bounds | None:
        """The lower and upper bound, None for a lower one that is not sought; or None where nothing is clear."""
        ends = self._ends()
        seen = {LAST: self.lasts} | ({} if self.firsts is None else {FIRST: self.firsts})
        rungs = np.stack([np.minimum(np.searchsorted(ends, each), len(ends) - 1) for each in seen.values()], axis=1)
        clear = dict(zip(seen, _clear(rungs, tuple(seen), len(ends), ledger, rho), strict=True))
        if not all(len(each) for each in clear.values()):
            return None
        highest = ends[clear[LAST].max()]
        if "years" not in self.extent:
            return None, int(highest)
        return f"{min(ends[clear[FIRST].min()], highest)}-01-01", f"{highest}-12-31"

    def _ends(self) -> IntArray:
        if "years" in self.extent:
            first, last = self.extent["years"]
            return np.arange(first, last + 1)
        return np.array(self.extent["ends"])


def _clear(
    rungs: IntArray, names: Sequence[str], size: int, ledger: MemoryLedger | None, rho: Decimal
) -> list[IntArray]:
    """Of each column the rungs with clearly more units than noise; without a ledger those that have any."""
    counter = NumpyCounter(rungs, Domain.from_mapping(dict.fromkeys(names, size)))
    if ledger is None:
        return [np.unique(rungs[:, place]) for place in range(len(names))]
    plan = MeasurementPlan(
        one_way_share=Decimal(0), fixed_share=Decimal(1), rounds=0, per_round=1, max_cells=MAX_CELLS,
        fixed=tuple(map(Clique.of, names)),
    )  # fmt: skip
    tables = execute(plan, counter=counter, charge=ledger, model=Onlooker(), unit=PrivacyUnit(), rho=rho)
    plain = {each.clique.columns[0]: each for each in tables if isinstance(each, NoisyMarginal)}
    return [np.flatnonzero(plain[name].counts > CLEAR * plain[name].sigma) for name in names]
