"""Empirical audits: how much privacy each mechanism loses at the least, told from its output alone.

Honest mechanisms stay below what they were charged; one whose scale is 5 % too small, and a release without
noise, are caught. Confidence 1 - 1e-5 a bound.
"""

from __future__ import annotations

import math
import multiprocessing
from decimal import Decimal
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from scipy import stats

from privacy import plans
from privacy.accounting import epsilon_for
from privacy.dp import opendp_door
from privacy.dp.charging import MemoryLedger
from privacy.dp.counting import NumpyCounter
from privacy.dp.execution import execute
from privacy.values import Clique, Domain, IntArray, NoisyMarginal, PrivacyUnit
from tests.sizes import Note

pytestmark = [pytest.mark.statistical, pytest.mark.long_sizes]
STRICT = 1e-5
DRAWS = 160_000
"""On each of two neighbours: so that the honest mechanism passes, and the defect is caught, with over 4 standard
deviations to spare, about one false alarm in 30 000 runs. At 100 000 it was 2.5."""
CHOICES = 100_000
RHO = Decimal("0.5")


def at_least(hits: int, draws: int) -> float:
    return float(stats.beta.ppf(STRICT / 2, hits, draws - hits + 1)) if hits else 0.0


def at_most(hits: int, draws: int) -> float:
    return float(stats.beta.ppf(1 - STRICT / 2, hits + 1, draws - hits)) if hits < draws else 1.0


def rho_of_gaussian(true: IntArray, false: IntArray) -> float:
    """A lower bound on rho from draws on two neighbours: what one threshold proves of their separation."""
    cut = (true.mean() + false.mean()) / 2
    hit, miss = int((true > cut).sum()), int((false > cut).sum())
    found = stats.norm.ppf(at_least(hit, len(true))) - stats.norm.ppf(at_most(miss, len(false)))
    return max(0.0, float(found)) ** 2 / 2


def gaussian_draws(sensitivity: float, claimed: float) -> tuple[IntArray, IntArray]:
    """Two neighbours that differ by ``claimed``, under noise made for ``sensitivity``."""
    doors = [opendp_door.gaussian(sensitivity=sensitivity, rho=RHO) for _ in range(2)]
    change = np.full(DRAWS, round(claimed))
    return doors[0].release(1000 + change), doors[1].release(np.full(DRAWS, 1000))


def test_the_gaussian_loses_no_more_than_it_was_charged(note: Note) -> None:
    found = rho_of_gaussian(*gaussian_draws(100.0, 100.0))
    assert 0.9 * float(RHO) < found <= float(RHO), "a bound that is far too low would catch nothing"
    note("C3", "discrete Gaussian", f"{DRAWS} draws on each neighbour", f"rho at least {found:.4f}", f"charged {RHO}")


def test_a_gaussian_whose_scale_is_a_twentieth_too_small_is_caught(note: Note) -> None:
    found = rho_of_gaussian(*gaussian_draws(95.0, 100.0))
    assert found > float(RHO)
    size = f"{DRAWS} draws on each neighbour"
    note("C3", "control: scale 5 % too small", size, f"rho at least {found:.4f}", f"caught: above the charged {RHO}")


def scale_of_choices(claimed_scale: float, drawn_scale: float, draws: int) -> tuple[float, float]:
    """The scale of the choice among two, told from how often the lower score won: its bounds."""
    gap = round(2 * claimed_scale)
    rho = Decimal(str(round(4 / (8 * drawn_scale**2), 12)))
    door = opendp_door.noisy_max(sensitivity=1, rho=rho)
    measurement: Any = door._measurement  # drawn from many times, which the product's door refuses
    won = sum(int(str(measurement([0, gap]))) for _ in range(draws))
    low, high = at_least(won, draws), at_most(won, draws)
    return gap / math.log(high / (1 - high)), gap / math.log(low / (1 - low))


def test_the_choice_has_the_scale_it_was_charged_for_and_a_smaller_one_is_caught(is_long: bool, note: Note) -> None:
    draws, scale, defect = (CHOICES, 50.0, 0.95) if is_long else (5_000, 50.0, 0.8)
    low, high = scale_of_choices(scale, scale, draws)
    assert low <= scale <= high
    narrow = scale_of_choices(scale, defect * scale, draws)
    assert narrow[1] < scale, "a scale too small was not caught"
    note("C3", "noisy max", f"{draws} draws", f"scale {low:.1f} to {high:.1f}", f"charged {scale}")
    size, found = f"{draws} draws", f"scale {narrow[0]:.1f} to {narrow[1]:.1f}"
    note("C3", f"control: noisy max at {defect} of its scale", size, found, f"caught: below the charged {scale}")


def canaries_found(released: IntArray, inside: np.ndarray[Any, Any], guesses: int) -> int:
    """Guess in for the highest counts, out for the lowest, nothing between; how many guesses are right."""
    order = np.argsort(released, kind="stable")
    lowest, highest = order[:guesses], order[-guesses:]
    return int((~inside[lowest]).sum() + inside[highest].sum())


def one_run_epsilon(right: int, guesses: int, *, canaries: int, delta: float) -> float:
    """The least epsilon at ``delta`` with which so many right guesses are not a wonder of 1 in 20 (Steinke, Nasr and
    Jagielski 2023, theorem 5.2, with its delta term bounded by twice the canaries)."""
    low, high = 0.0, 50.0
    for _ in range(60):
        middle = (low + high) / 2
        chance = float(stats.binom.sf(right - 1, guesses, 1 / (1 + math.exp(-middle)))) + 2 * canaries * delta
        low, high = (middle, high) if chance < 0.05 else (low, middle)
    return low


class Onlooker:
    def __init__(self, domain: Domain) -> None:
        self.domain = domain

    def expected(self, clique: Clique) -> IntArray:
        return np.zeros(clique.shape(self.domain), dtype=np.int64)

    def observe(self, marginal: NoisyMarginal) -> None:
        pass


def one_run(rho: Decimal, seed: int = 5) -> tuple[float, Decimal]:
    """Ten thousand canaries, each in the table or not by a coin, each in a cell of its own; one measured plan."""
    domain = Domain(("a", "b"), (100, 100))
    inside = np.random.default_rng(seed).integers(0, 2, 10_000).astype(bool)
    codes = np.argwhere(inside.reshape(100, 100))
    ledger = MemoryLedger(rho)
    tables = execute(
        plans.all_pairs(domain), counter=NumpyCounter(codes, domain), charge=ledger, model=Onlooker(domain),
        unit=PrivacyUnit(), rho=rho,
    )  # fmt: skip
    pair = next(table for table in tables if len(table.clique.axes) == 2)
    right = canaries_found(pair.counts.ravel(), inside, 500)
    return one_run_epsilon(right, 1000, canaries=10_000, delta=1e-9), ledger.spent


def test_ten_thousand_canaries_find_no_more_than_was_charged(note: Note) -> None:
    found, spent = one_run(Decimal("0.2"))
    claimed = epsilon_for(rho=spent, delta=Decimal("1e-9"))
    assert 0 < found <= float(claimed)
    note(
        "C4", "one run with canaries, rho 0.2", "10000 canaries", f"epsilon at least {found:.2f}", f"charged {claimed}"
    )


def test_the_canaries_catch_a_release_without_noise(monkeypatch: pytest.MonkeyPatch, note: Note) -> None:
    monkeypatch.setattr(opendp_door.GaussianVector, "release", lambda door, counts: np.asarray(counts))
    found, spent = one_run(Decimal("0.2"))
    claimed = epsilon_for(rho=spent, delta=Decimal("1e-9"))
    assert found > float(claimed)
    bound = f"caught: above the charged {claimed}"
    note("C4", "control: no noise", "10000 canaries", f"epsilon at least {found:.2f}", bound)


def drawn(results: Any) -> None:
    door = opendp_door.gaussian(sensitivity=1.0, rho=Decimal("0.0001"))
    results.put(door.release(np.zeros(200, dtype=np.int64)).tolist())


def test_forked_workers_draw_noise_of_their_own(is_long: bool, note: Note) -> None:
    """A generator copied by fork would repeat itself; a seeded one is the control."""
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    workers = [context.Process(target=drawn, args=(results,)) for _ in range(10 if is_long else 4)]
    drawn(results)
    for worker in workers:
        worker.start()
    found = [tuple(results.get(timeout=60)) for _ in range(len(workers) + 1)]
    for worker in workers:
        worker.join()
    assert len(set(found)) == len(found)
    alike = max(sum(a == b for a, b in zip(left, right, strict=True)) for left, right in pairwise(found))
    assert alike < 50
    size = f"{len(found)} processes, 200 draws each"
    note("C6", "noise in forked processes", size, f"at most {alike} draws of two processes alike", "fewer than 50")


def test_a_mechanism_draws_once() -> None:
    door = opendp_door.gaussian(sensitivity=1.0, rho=RHO)
    door.release(np.zeros(3, dtype=np.int64))
    with pytest.raises(RuntimeError, match="new charge"):
        door.release(np.zeros(3, dtype=np.int64))
    choice = opendp_door.noisy_max(sensitivity=1, rho=RHO)
    choice.choose(np.array([1, 2]))
    with pytest.raises(RuntimeError, match="new charge"):
        choice.choose(np.array([1, 2]))


@pytest.mark.parametrize("values", [np.array([1.0, math.nan]), np.array([math.inf]), np.array([0.5]),
                                    np.array([2**60]), np.array([-(2**60)]), np.array([2**64 - 1], dtype=np.uint64),
                                    np.array([[1, 2]])])  # fmt: skip
def test_what_is_not_a_count_is_refused_before_it_draws(values: Any) -> None:
    door = opendp_door.gaussian(sensitivity=1.0, rho=RHO)
    with pytest.raises((TypeError, OverflowError)) as refused:
        door.release(values)
    assert not any(character.isdigit() for character in str(refused.value)), "a message that tells a value"
    assert len(door.release(np.zeros(2, dtype=np.int64))) == 2, "what was refused is not spent"


@pytest.mark.parametrize("rho", ["NaN", "Infinity", "-1", "0", "1e-13"])
def test_a_price_that_is_no_price_is_refused(rho: str) -> None:
    for make in (lambda: opendp_door.gaussian(sensitivity=1.0, rho=Decimal(rho)),
                 lambda: opendp_door.noisy_max(sensitivity=1, rho=Decimal(rho))):  # fmt: skip
        with pytest.raises(ValueError):
            make()


@pytest.mark.parametrize("sensitivity", [math.nan, 0.0, -1.0])
def test_a_sensitivity_that_bounds_nothing_is_refused(sensitivity: float) -> None:
    with pytest.raises(ValueError):
        opendp_door.gaussian(sensitivity=sensitivity, rho=RHO)
