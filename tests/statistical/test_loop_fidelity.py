"""What the loop achieves on tables whose structure is known."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from privacy.dp.charging import MemoryLedger
from privacy.dp.counting import NumpyCounter
from privacy.dp.execution import execute
from privacy.plans import adaptive_default
from privacy.values import Clique, IntArray, PrivacyUnit, Release
from synthesis.loop import Loop, LoopSettings, Proposal, ProposalPlan
from synthesis.loop.fit import Fit
from synthesis.loop.refinement import Refiner
from tests.loop_tables import DOMAIN, EVERYTHING, ONES, PAIRS, SMALL, counts, distance, people, released

pytestmark = pytest.mark.statistical
ROWS = 20_000
EPSILON_1 = Decimal("0.014973")  # rho at epsilon 1 and delta 1e-9


def rebuilt(release: Release, plans: list[ProposalPlan], settings: LoopSettings = SMALL) -> tuple[Loop, IntArray]:
    loop = Loop.from_release(release, settings=settings, seed=3)
    for plan in plans:
        loop.iterate(plan)
    return loop, loop.records(ROWS)


def test_every_table_is_explained_to_within_its_noise_and_no_further() -> None:
    truth = people(ROWS)
    loop = Loop.from_release(released(truth, (*ONES, *PAIRS), sigma=40.0), settings=SMALL, seed=3)
    for _ in range(12):
        done = loop.iterate(ProposalPlan())
        if loop.converged():
            break
    assert loop.converged()
    assert 0.7 < done.residual < 1.15
    assert distance(loop.records(ROWS), truth) < 0.025


def test_fitted_tables_are_closer_to_the_truth_than_the_noisy_tables_themselves() -> None:
    truth = people(ROWS)
    release = released(truth, (*ONES, *PAIRS), sigma=120.0)
    _, records = rebuilt(release, [ProposalPlan()] * 6)
    raw = []
    for marginal in release.marginals[len(ONES) :]:
        shares = np.maximum(marginal.counts, 0) / np.maximum(marginal.counts, 0).sum()
        raw.append(0.5 * np.abs(shares - counts(truth, marginal.clique) / ROWS).sum())
    assert distance(records, truth) < 0.8 * float(np.mean(raw))


def test_unmeasured_pairs_follow_from_measured_ones() -> None:
    truth = people(ROWS)
    chain = [Clique.of("age", "work"), Clique.of("work", "income"), Clique.of("region", "income")]
    _, records = rebuilt(released(truth, (*ONES, *chain), sigma=20.0), [ProposalPlan()] * 6)
    independent = np.stack([np.random.default_rng(i).permutation(truth[:, i]) for i in range(5)], axis=1)
    age_and_income = [Clique.of("age", "income")]
    assert distance(records, truth, age_and_income) < 0.4 * distance(independent, truth, age_and_income)


def test_the_pool_samples_the_distribution_its_tilts_describe() -> None:
    """On a domain small enough to list, the resampled pool matches q(x) exp(theta) cell by cell."""
    release = released(people(ROWS), (*ONES, *PAIRS), sigma=20.0)
    settings = LoopSettings(pool_size=40_000, sweeps=10)
    pool = Fit(DOMAIN, release.marginals, settings, np.random.default_rng(0)).pool
    for _ in range(30):
        pool.sweep(0.5)
    cells = np.stack(np.unravel_index(np.arange(np.prod(DOMAIN.sizes)), DOMAIN.sizes)).astype(np.int32)
    log = sum(pool.prior.logs[i][0].astype(float)[cells[i]] + pool.tilts[i][cells[i]] for i in range(5))
    log = log + sum(table.tilt.ravel()[table.key(cells)] for table in pool.tables)
    exact = np.exp(log - log.max())
    drawn = pool.wander(pool.codes, 20, np.random.default_rng(1))
    found = np.bincount(np.ravel_multi_index(tuple(drawn), DOMAIN.sizes), minlength=len(exact)) / drawn.shape[1]
    by_chance = np.sqrt(exact / exact.sum() / drawn.shape[1]).sum() * 0.4
    assert 0.5 * np.abs(found - exact / exact.sum()).sum() < 1.2 * by_chance


def test_refinement_brings_counts_closer_than_independent_sampling() -> None:
    release = released(people(ROWS), (*ONES, *PAIRS), sigma=20.0)
    fit = Fit(DOMAIN, release.marginals, SMALL, np.random.default_rng(0))
    for _ in range(40):
        fit.pool.sweep(0.5)
    fit.settle()
    refiner = Refiner(fit.pool, fit.pool.codes.copy(), np.random.default_rng(1))
    before = refiner.discrepancy()
    refiner.run(2)
    assert refiner.discrepancy() < 0.2 * before
    for table in fit.pool.tables:
        assert np.array_equal(refiner.counts[id(table)], table.count(refiner.codes))


def hostile(kind: str, rng: np.random.Generator) -> ProposalPlan:
    """Proposals that are random boxes, random single cells, or one cell for everyone."""
    proposals = []
    for _ in range(1 if kind == "one cell" else 12):
        cells = {}
        for column, size in zip(DOMAIN.columns, DOMAIN.sizes, strict=True):
            low = 0 if kind == "one cell" else int(rng.integers(0, size))
            high = low if kind != "boxes" else int(rng.integers(low, size))
            cells[column] = tuple(range(low, high + 1))
        proposals.append(Proposal(cells, 10**6, kind))
    return ProposalPlan(tuple(proposals))


@pytest.mark.parametrize("kind", ["boxes", "cells", "one cell"])
def test_random_and_malicious_proposals_do_bounded_harm(kind: str) -> None:
    truth = people(ROWS)
    sigma = float(1 / np.sqrt(2 * float(EPSILON_1) / 15))  # 15 tables of equal noise at epsilon 1
    alone, harmed = [], []
    for seed in range(3):
        release, rng = released(truth, (*ONES, *PAIRS), sigma=sigma, seed=seed), np.random.default_rng(seed)
        alone.append(distance(rebuilt(release, [ProposalPlan()] * 4)[1], truth))
        harmed.append(distance(rebuilt(release, [hostile(kind, rng) for _ in range(4)])[1], truth))
    assert np.mean(harmed) <= 1.05 * np.mean(alone) + 0.002


def test_a_good_proposal_is_taken_up_where_noise_hides_the_tables() -> None:
    truth = people(2000)
    release = released(truth, (*ONES, *PAIRS), sigma=20.0)
    children = Proposal({**EVERYTHING, "age": (0, 1), "work": (0,)}, 100, "children do not work")
    elderly = Proposal({**EVERYTHING, "age": (9, 10, 11), "work": (2,)}, 100, "the old are retired")
    working = Proposal({**EVERYTHING, "work": (1,), "income": (2, 3, 4, 5), "owner": (1,)}, 800, "work pays")
    loop = Loop.from_release(release, settings=SMALL, seed=3)
    assert loop.iterate(ProposalPlan((children, elderly, working))).accepted >= 1


def test_adaptive_measuring_stays_within_its_budget_and_finds_the_structure() -> None:
    truth = people(ROWS)
    ledger, settings = MemoryLedger(EPSILON_1), LoopSettings(pool_size=4000, sweeps=6, settle_sweeps=8)
    tables = execute(
        adaptive_default(DOMAIN),
        counter=NumpyCounter(truth, DOMAIN),
        charge=ledger,
        model=Loop(DOMAIN, settings=settings, seed=0),
        unit=PrivacyUnit(),
        rho=EPSILON_1,
    )
    release = Release.of("r", DOMAIN, tables, PrivacyUnit(), ledger.spent, Decimal(0))
    assert ledger.spent <= EPSILON_1
    bought = {frozenset(table.clique.columns) for table in tables}
    assert frozenset({"age", "work"}) in bought
    assert frozenset({"work", "income"}) in bought
    _, records = rebuilt(release, [ProposalPlan()] * 5, settings)
    independent = np.stack([np.random.default_rng(i).permutation(truth[:, i]) for i in range(5)], axis=1)
    assert distance(records, truth) < 0.5 * distance(independent, truth)


PROGRAM = """
import hashlib
from tests.loop_tables import *
from synthesis.loop import Loop, ProposalPlan
loop = Loop.from_release(released(people(5000), (*ONES, *PAIRS), sigma=15.0), settings=SMALL, seed=11)
loop.iterate(ProposalPlan())
print(hashlib.sha256(loop.records(1000).tobytes()).hexdigest())
"""


def test_another_process_gives_the_same_bits() -> None:
    found = set()
    for hash_seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "OPENBLAS_NUM_THREADS": "1"}
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True, cwd=Path.cwd()
        )
        found.add(done.stdout.strip())
    assert len(found) == 1
    assert len(found.pop()) == len(hashlib.sha256(b"").hexdigest())
