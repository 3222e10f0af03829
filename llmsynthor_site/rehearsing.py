"""Carries a rehearsal out: ``simulate_plan`` in a process of its own, one epsilon after another, each within a limit.

That command holds no vault key and reads the declaration alone, from standard input. Its time is bounded, so that a
declaration of many columns cannot occupy a worker.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from decimal import Decimal
from typing import Any

from django.conf import settings

from synthesis import expecting, simulating
from synthesis.models import Simulation

log = logging.getLogger(__name__)
SEED = "0"
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


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
            told = simulating.in_short(epsilon, forecast(simulation, rho))
            found.append(told | {"asked": factor == 1})
    except subprocess.TimeoutExpired:
        problem = f"it took longer than {int(simulating.LONGEST.total_seconds() / 60)} minutes"
    except Exception as trouble:  # told by its kind alone
        log.error("a rehearsal failed: %s", type(trouble).__name__)
        problem = f"it failed ({type(trouble).__name__})"
    simulating.conclude(simulation, found, problem)


def forecast(simulation: Simulation, rho: Decimal) -> dict[str, Any]:
    """What ``simulate_plan`` says of the request's plan at this price."""
    request = simulation.request
    targets = [f"--target={column}" for column in request.targets]
    order = [sys.executable, "manage.py", "simulate_plan", "/dev/stdin", f"--rho={rho:f}", "--json"]
    done = subprocess.run(
        [*order, f"--rows={expecting.ROWS}", f"--seed={SEED}", *targets], input=request.dataset.declaration.encode(),
        cwd=settings.BASE_DIR, env=os.environ | ONE_THREAD, capture_output=True, check=True,
        timeout=simulating.LONGEST.total_seconds(),
    )  # fmt: skip
    told: dict[str, Any] = json.loads(done.stdout)
    return told
