"""Carries a rehearsal out: a request's plan on rows invented from the declaration, at one epsilon after another.

No vault is opened and no ledger is touched: the plan has a purse of its own (``privacy.planning``). Time is bounded, so
that a declaration of many columns cannot occupy a worker: the model refuses to answer once it is over.
"""

from __future__ import annotations

import logging
import time
from decimal import Decimal
from typing import Any

from privacy import planning
from privacy import selectors as privacy
from privacy.plans import MeasurementPlan
from privacy.values import Candidate, Clique, IntArray, NoisyMarginal
from synthesis import expecting, simulating
from synthesis.loop import Loop, LoopSettings
from synthesis.models import Simulation

log = logging.getLogger(__name__)
SEED = 0


class TooLong(Exception):
    """The time of a rehearsal is over."""


class BoundedLoop(Loop):
    """The loop as measuring asks it, until the clock shows ``until`` (seconds of ``time.monotonic``)."""

    until: float = float("inf")

    def _in_time(self) -> None:
        if time.monotonic() > self.until:
            raise TooLong

    def observe(self, marginal: NoisyMarginal) -> None:
        self._in_time()
        super().observe(marginal)

    def expected(self, clique: Clique) -> IntArray:
        self._in_time()
        return super().expected(clique)

    def candidates(self, *, sigma: float, round: int, rounds: int) -> tuple[Candidate, ...]:
        self._in_time()
        return super().candidates(sigma=sigma, round=round, rounds=rounds)


def carry_out(pk: str) -> None:
    """Work one rehearsal, if it is there to take; whatever comes of it is written down."""
    simulation = simulating.claim(pk)
    if simulation is None:
        return
    found: list[dict[str, Any]] = []
    problem = ""
    try:
        for factor in simulating.FACTORS:
            epsilon, rho = simulating.price(simulation.request, factor)
            told = simulating.in_short(epsilon, forecast(simulation, rho).to_json())
            found.append(told | {"asked": factor == 1})
    except TooLong:
        problem = f"it took longer than {int(simulating.LONGEST.total_seconds() / 60)} minutes"
    except Exception as trouble:  # told by its kind alone
        log.error("a rehearsal failed: %s", type(trouble).__name__)
        problem = f"it failed ({type(trouble).__name__})"
    simulating.conclude(simulation, found, problem)


def forecast(simulation: Simulation, rho: Decimal) -> planning.Forecast:
    """The plan that gate A approves, at this price."""
    request = simulation.request
    schema = privacy.schema(request.dataset)
    plan = MeasurementPlan.from_json(request.snapshot["plan"])
    loop = BoundedLoop(schema.domain, settings=LoopSettings(), seed=SEED, rules=schema.rules)
    loop.until = time.monotonic() + simulating.LONGEST.total_seconds()
    return planning.simulate(schema, rho=rho, rows=expecting.ROWS, plan=plan, model=loop, seed=SEED)
