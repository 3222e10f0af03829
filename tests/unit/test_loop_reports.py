"""What counts as noise and what stands out of it."""

from __future__ import annotations

import numpy as np
import pytest

from privacy.values import Clique, NoisyMarginal
from synthesis.loop import reports


def noisy(truth: np.ndarray, sigma: float, seed: int = 0) -> NoisyMarginal:
    noise = np.random.default_rng(seed).normal(0, sigma, truth.shape)
    return NoisyMarginal(Clique.of("a", "b"), np.rint(truth + noise).astype(np.int64), sigma, "m")


@pytest.mark.parametrize("cells", [2, 6, 50, 2000])
def test_noise_alone_is_rarely_called_more_than_noise(cells: int) -> None:
    draws = (np.random.default_rng(cells).normal(size=(2000, cells)) ** 2).mean(axis=1)
    assert np.mean([not reports.within_noise(float(chi), cells) for chi in draws]) < 0.006


def test_many_tables_of_noise_alone_pass_together_as_often_as_one() -> None:
    draws = (np.random.default_rng(1).normal(size=(400, 300, 40)) ** 2).mean(axis=2)
    together = [all(reports.within_noise(float(chi), 40, among=300) for chi in table) for table in draws]
    apart = [all(reports.within_noise(float(chi), 40) for chi in table) for table in draws]
    assert np.mean(together) > 0.97
    assert np.mean(apart) < 0.8


@pytest.mark.parametrize(("cells", "chi"), [(6, 5.0), (50, 2.0), (2000, 1.2)])
def test_more_than_noise_is_told_the_sooner_the_more_cells_there_are(cells: int, chi: float) -> None:
    assert not reports.within_noise(chi, cells)


def test_only_cells_beyond_the_largest_noise_to_be_expected_stand_out() -> None:
    truth = np.full((40, 40), 500.0)
    table = noisy(truth, 20.0)
    assert len(reports.largest(table, truth, sampling=0.0, among=1600)) <= 1
    shifted = truth.copy()
    shifted[3, 4], shifted[7, 0] = 300, 700
    found = reports.largest(table, shifted, sampling=0.0, among=1600)
    assert {(3, 4), (7, 0)} <= {each.cell for each in found}
    assert {each.now for each in found if each.cell == (3, 4)} == {300}


def test_sampling_noise_of_the_pool_counts_as_noise() -> None:
    truth = np.full((20, 20), 400.0)
    pool = np.random.default_rng(1).poisson(truth / 10) * 10.0  # each record stands for ten
    table = noisy(truth, 5.0)
    assert reports.chi_square(table, pool, sampling=0.0) > 50
    assert reports.chi_square(table, pool, sampling=10.0) == pytest.approx(1, abs=0.2)


def test_distance_beyond_noise_is_nothing_for_the_truth_and_grows_with_the_error() -> None:
    truth = np.linspace(100, 900, 400).reshape(20, 20)
    table = noisy(truth, 30.0)
    assert reports.distance_beyond_noise(table, truth) < 0.005
    moved = truth.copy()
    moved[0], moved[-1] = moved[0] + 3000, moved[-1] - 800
    assert reports.distance_beyond_noise(table, moved) > 0.1
