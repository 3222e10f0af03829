"""What a source gains and what it may cost, measured and rebuilt on a table whose structure is known."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest

from benchmarks import hostile
from privacy import accounting
from privacy.dp.charging import MemoryLedger
from privacy.dp.counting import NumpyCounter
from privacy.dp.execution import execute
from privacy.plans import adaptive_default
from privacy.values import IntArray, PrivacyUnit, Release
from synthesis.llm.base import ProposalPlan
from synthesis.loop import Loop, LoopSettings, mixtures
from tests.loop_tables import DOMAIN, ONES, PAIRS, distance, people, released

pytestmark = pytest.mark.statistical
ROWS, RUNS = 6000, 8
SETTINGS = LoopSettings(pool_size=1500, sweeps=6, settle_sweeps=6)
TRUTH = people(ROWS)


def made(epsilon: str, plan: ProposalPlan | None, seed: int) -> tuple[Loop, IntArray]:
    """Measured within this budget and rebuilt, both supposing the plan."""
    rho = accounting.rho_for(epsilon=Decimal(epsilon), delta=Decimal("1e-9"))
    tables = execute(
        adaptive_default(DOMAIN),
        counter=NumpyCounter(TRUTH, DOMAIN),
        charge=MemoryLedger(rho),
        model=Loop(DOMAIN, settings=SETTINGS, seed=seed, supposed=plan),
        unit=PrivacyUnit(),
        rho=rho,
    )
    release = Release("r", DOMAIN, tables, PrivacyUnit(), rho, Decimal(0))
    return rebuilt(release, plan, seed)


def rebuilt(release: Release, plan: ProposalPlan | None, seed: int) -> tuple[Loop, IntArray]:
    loop = Loop.from_release(release, settings=SETTINGS, seed=seed, supposed=plan)
    for _ in range(2):
        loop.iterate(ProposalPlan())
    return loop, loop.records(ROWS)


def mean_distance(epsilon: str, plan: ProposalPlan | None) -> float:
    """Over runs enough for a false alarm in fewer than one of 10,000 trials: one run's deviates by 6 to 13 %."""
    return float(np.mean([distance(made(epsilon, plan, seed)[1], TRUTH) for seed in range(RUNS)]))


@pytest.fixture(scope="module")
def alone() -> dict[str, float]:
    """Without any source, at the two budgets."""
    return {epsilon: mean_distance(epsilon, None) for epsilon in ("0.1", "1")}


def bound(distance_alone: float) -> float:
    """What any source may cost."""
    return 1.05 * distance_alone + 0.002


def test_a_good_source_gains_where_noise_is_largest_and_costs_nothing_elsewhere(alone: dict[str, float]) -> None:
    plan = mixtures.learn(people(600, seed=9), DOMAIN)
    assert mean_distance("0.1", plan) < 0.75 * alone["0.1"]
    assert mean_distance("1", plan) <= bound(alone["1"])


def test_a_source_from_a_part_of_the_population_does_bounded_harm(alone: dict[str, float]) -> None:
    young = people(1500, seed=9)
    plan = mixtures.learn(young[young[:, 1] <= 3], DOMAIN)
    assert mean_distance("1", plan) <= bound(alone["1"])


@pytest.mark.parametrize("kind", ["random", "sharp", "malicious"])
def test_a_hostile_source_leaves_the_table_as_it_is_without_one(kind: str) -> None:
    release = released(TRUTH, (*ONES, *PAIRS), sigma=80.0)
    without = rebuilt(release, None, 0)[1]
    loop, records = rebuilt(release, hostile.plan(kind, DOMAIN, seed=0), 0)
    assert loop.opinion.trust == 0
    assert np.array_equal(records, without)
