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
from synthesis.loop import Loop, mixtures
from tests.loop_tables import DOMAIN, ONES, PAIRS, SMALL, distance, people, released

pytestmark = pytest.mark.statistical
ROWS = 10_000
TRUTH = people(ROWS)


def made(epsilon: str, plan: ProposalPlan | None, seed: int) -> tuple[Loop, IntArray]:
    """Measured within this budget and rebuilt, both supposing the plan."""
    rho = accounting.rho_for(epsilon=Decimal(epsilon), delta=Decimal("1e-9"))
    tables = execute(
        adaptive_default(DOMAIN),
        counter=NumpyCounter(TRUTH, DOMAIN),
        charge=MemoryLedger(rho),
        model=Loop(DOMAIN, settings=SMALL, seed=seed, supposed=plan),
        unit=PrivacyUnit(),
        rho=rho,
    )
    release = Release("r", DOMAIN, tables, PrivacyUnit(), rho, Decimal(0))
    return rebuilt(release, plan, seed)


def rebuilt(release: Release, plan: ProposalPlan | None, seed: int) -> tuple[Loop, IntArray]:
    loop = Loop.from_release(release, settings=SMALL, seed=seed, supposed=plan)
    for _ in range(4):
        loop.iterate(ProposalPlan())
    return loop, loop.records(ROWS)


def mean_distance(epsilon: str, plan: ProposalPlan | None) -> float:
    return float(np.mean([distance(made(epsilon, plan, seed)[1], TRUTH) for seed in range(3)]))


def test_a_good_source_gains_most_where_noise_is_largest() -> None:
    plan = mixtures.learn(people(1000, seed=9), DOMAIN)
    assert mean_distance("0.1", plan) < 0.6 * mean_distance("0.1", None)
    assert mean_distance("1", plan) < mean_distance("1", None)


def test_a_source_from_a_part_of_the_population_does_bounded_harm() -> None:
    young = people(4000, seed=9)
    plan = mixtures.learn(young[young[:, 1] <= 3], DOMAIN)
    assert mean_distance("1", plan) <= 1.05 * mean_distance("1", None) + 0.002


@pytest.mark.parametrize("kind", ["random", "sharp", "malicious"])
@pytest.mark.parametrize("sigma", [20.0, 80.0, 400.0])
def test_a_hostile_source_leaves_the_table_as_it_is_without_one(kind: str, sigma: float) -> None:
    release = released(TRUTH, (*ONES, *PAIRS), sigma=sigma)
    alone, without = rebuilt(release, None, 0)
    loop, records = rebuilt(release, hostile.plan(kind, DOMAIN, seed=0), 0)
    assert loop.opinion.trust == 0
    assert np.array_equal(records, without)
    assert alone.total == loop.total
