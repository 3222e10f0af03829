"""The noise that is released is the noise that was charged: chi-square against the exact distributions.

Each test draws once with the honest mechanism, which must pass, and judges planted defects (a scale that is
10 % too small, a rounded continuous Gaussian, a bias) by the same statistic, which must catch them. The
threshold lets an honest mechanism fail once in a hundred thousand runs.
"""

from __future__ import annotations

import math
from decimal import Decimal

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from privacy.dp import execution, opendp_door, sensitivity
from privacy.dp.charging import MemoryLedger
from privacy.dp.counting import NumpyCounter
from privacy.plans import MeasurementPlan
from privacy.values import Clique, Domain, IntArray, NoisyTied, PrivacyUnit, TiedClique

pytestmark = pytest.mark.statistical
DRAWS = 40_000
STRICT = 1e-5
Floats = NDArray[np.float64]


def noise(*, sensitivity: float, rho: str, truth: int = 1000) -> tuple[IntArray, float]:
    door = opendp_door.gaussian(sensitivity=sensitivity, rho=Decimal(rho))
    return door.release(np.full(DRAWS, truth)) - truth, door.scale


def discrete_gaussian(reach: int, scale: float) -> Floats:
    """Probabilities of -reach..reach, proportional to exp(-x^2 / 2 scale^2)."""
    weights = np.exp(-(np.arange(-reach, reach + 1) ** 2) / (2 * scale**2))
    return np.asarray(weights / weights.sum())


def p_value(drawn: IntArray, scale: float) -> float:
    """Chi-square of the draws against the discrete Gaussian, tails pooled to at least 20 expected a cell."""
    reach = math.ceil(12 * scale) + 5
    expected = discrete_gaussian(reach, scale) * len(drawn)
    found = np.bincount(np.clip(drawn, -reach, reach) + reach, minlength=2 * reach + 1)
    inner = np.flatnonzero(expected >= 20)
    low, high = inner[0], inner[-1]
    pooled = [(x[:low].sum(), *x[low : high + 1], x[high + 1 :].sum()) for x in (found, expected)]
    observed, wanted = (np.array(x, dtype=float) for x in pooled)
    keep = wanted > 1
    return float(stats.chisquare(observed[keep], wanted[keep] * observed[keep].sum() / wanted[keep].sum()).pvalue)


CASES = [(1.0, "0.5"), (1.0, "0.02"), (5.0, "0.1"), (math.nextafter(math.sqrt(2), 2), "0.01")]


@pytest.mark.parametrize(("sensitivity", "rho"), CASES)
def test_released_noise_is_the_charged_gaussian(sensitivity: float, rho: str) -> None:
    drawn, scale = noise(sensitivity=sensitivity, rho=rho)
    assert scale == pytest.approx(sensitivity / math.sqrt(2 * float(rho)), rel=1e-9)
    assert p_value(drawn, scale) > STRICT
    runs = stats.pearsonr(drawn[:-1].astype(float), drawn[1:].astype(float))
    assert runs.pvalue > STRICT, "neighbouring cells share noise"


@pytest.mark.parametrize(("sensitivity", "rho"), CASES)
@pytest.mark.parametrize("factor", [0.9, 1.1])
def test_a_scale_that_is_a_tenth_off_is_caught(sensitivity: float, rho: str, factor: float) -> None:
    drawn, scale = noise(sensitivity=sensitivity * factor, rho=rho)
    assert p_value(drawn, scale / factor) < STRICT


def test_a_bias_of_a_tenth_of_the_noise_is_caught() -> None:
    drawn, scale = noise(sensitivity=5.0, rho="0.1")
    assert p_value(drawn + round(scale / 10), scale) < STRICT


def test_truncated_noise_is_caught() -> None:
    drawn, scale = noise(sensitivity=5.0, rho="0.1")
    assert p_value(np.clip(drawn, -int(2 * scale), int(2 * scale)), scale) < STRICT


def test_counts_that_would_fall_below_zero_are_not_clamped() -> None:
    door = opendp_door.gaussian(sensitivity=1.0, rho=Decimal("0.02"))
    assert (door.release(np.zeros(1000, dtype=np.int64)) < 0).mean() > 0.3


def tied_noise(*, factor: float = 1.0, by_norm: bool = False) -> tuple[IntArray, float, float]:
    """The noise of a tied table as execution releases it, of 200 x 200 cells; the bound it was charged at is ``factor``
    of the honest one. Returns the noise, the honest scale and the stated one, all in parts of a vote."""
    domain, rho = Domain(("size", "a", "b", "c", "d"), (3, 200, 200, 200, 200)), Decimal(1)
    clique = TiedClique("size", (0, 1, 2), (Clique.of("a", "b"), Clique.of("c", "d")), (0, 0), 2, by_norm)
    plan = MeasurementPlan(
        one_way_share=rho / 2, fixed_share=rho / 2, tied=(clique,), rounds=0, per_round=1, max_cells=2**17
    )
    counter = NumpyCounter(np.zeros((7, 5), dtype=int), domain)
    with pytest.MonkeyPatch.context() as planted:
        planted.setattr(execution, "l2_of", lambda unit, clique: factor * sensitivity.l2_of(unit, clique))
        table = execution.execute(
            plan, counter=counter, charge=MemoryLedger(rho), model=_Deaf(), unit=PrivacyUnit(), rho=rho
        )[-1]
    assert isinstance(table, NoisyTied)
    honest = 2 * table.parts / math.sqrt(2 * float(rho) / 2)
    return table.counts.ravel(), honest, table.sigma


class _Deaf:
    def expected(self, clique: Clique) -> IntArray:
        raise AssertionError("nothing is chosen")

    def observe(self, marginal: object) -> None:
        pass


@pytest.mark.parametrize("by_norm", [False, True])
def test_a_tied_tables_noise_is_the_charged_gaussian_in_parts_of_a_vote(*, by_norm: bool) -> None:
    """No row has a slot, so the released table is noise alone. At a million parts its steps are too fine to see."""
    drawn, honest, stated = tied_noise(by_norm=by_norm)
    assert stated == pytest.approx(honest, rel=1e-9)
    assert stats.kstest(drawn / honest, "norm").pvalue > STRICT
    assert stats.pearsonr(drawn[:-1].astype(float), drawn[1:].astype(float)).pvalue > STRICT


@pytest.mark.parametrize("factor", [0.9, 0.5])
def test_a_tied_table_at_too_small_a_sensitivity_is_caught(factor: float) -> None:
    """The second one is a bound that forgets that a row has two votes."""
    drawn, honest, _ = tied_noise(factor=factor)
    assert stats.kstest(drawn / honest, "norm").pvalue < STRICT


def choices(scores: list[int], *, sensitivity: int, rho: str, draws: int = 2500) -> tuple[IntArray, float]:
    vector = np.array(scores)
    doors = [opendp_door.noisy_max(sensitivity=sensitivity, rho=Decimal(rho)) for _ in range(draws)]
    return np.bincount([door.choose(vector) for door in doors], minlength=len(scores)), doors[0].scale


def softmax(scores: list[int], scale: float) -> Floats:
    weights = np.exp((np.array(scores) - max(scores)) / scale)
    return np.asarray(weights / weights.sum())


SCORES = [0, 3, 5, 9, 10]


@pytest.mark.parametrize(("sensitivity", "rho"), [(1, "0.02"), (3, "0.1")])
def test_choices_follow_the_charged_exponential_mechanism(sensitivity: int, rho: str) -> None:
    found, scale = choices(SCORES, sensitivity=sensitivity, rho=rho)
    assert scale == pytest.approx(2 * sensitivity / math.sqrt(8 * float(rho)), rel=1e-9)
    assert stats.chisquare(found, softmax(SCORES, scale) * found.sum()).pvalue > STRICT


def test_a_choice_with_too_little_noise_is_caught() -> None:
    """Half the scale (a sensitivity that forgets that scores are not monotonic) is four times the price."""
    found, scale = choices(SCORES, sensitivity=1, rho="0.08")
    assert stats.chisquare(found, softmax(SCORES, 2 * scale) * found.sum()).pvalue < STRICT


def test_the_choice_bears_out_its_price_on_neighbours() -> None:
    """The loss on the worst outcome of two neighbours stays below the pure bound 2 sensitivity / scale."""
    left, scale = choices([10, 10], sensitivity=1, rho="0.5", draws=3000)
    right, _ = choices([9, 11], sensitivity=1, rho="0.5", draws=3000)
    low = stats.beta.ppf(STRICT, left[0], left[1] + 1)
    high = stats.beta.ppf(1 - STRICT, right[0] + 1, right[1])
    assert 0 < math.log(low / high) <= 2 / scale
