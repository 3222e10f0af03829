"""One-way tables lose noise, keep their total and never go below zero."""

from __future__ import annotations

import numpy as np
import pytest

from synthesis.loop.denoising import denoise


def test_a_smooth_table_gets_closer_to_the_truth() -> None:
    truth = 3000 * np.exp(-0.5 * ((np.arange(60) - 25) / 9) ** 2)
    noisy = np.rint(truth + np.random.default_rng(0).normal(0, 150, 60))
    estimate = denoise(noisy, sigma=150, total=float(truth.sum()))
    assert np.abs(estimate.mean - truth).sum() < 0.8 * np.abs(noisy - truth).sum()


def test_a_spike_survives() -> None:
    truth = np.zeros(40)
    truth[[7, 20]] = 5000, 3000
    noisy = np.rint(truth + np.random.default_rng(1).normal(0, 60, 40))
    estimate = denoise(noisy, sigma=60, total=8000.0)
    assert estimate.mean[[7, 20]] == pytest.approx(truth[[7, 20]], rel=0.05)


@pytest.mark.parametrize("counts", [[-5.0], [-9.0, -2.0, -4.0], [0.0, 0.0], list(range(700))])
def test_means_are_positive_and_add_up_whatever_came(counts: list[float]) -> None:
    estimate = denoise(np.array(counts), sigma=3.0, total=50.0)
    assert estimate.mean.sum() == pytest.approx(50.0)
    assert (estimate.mean > 0).all()
    assert (estimate.sd <= 3.0).all()


def test_a_large_count_is_as_uncertain_as_its_noise_and_a_missing_total_is_not_laid_on_the_rare_code() -> None:
    """Nothing but its own release is known of a large count: its standard deviation is that of the noise."""
    rng, truth, sigma = np.random.default_rng(2), np.array([500_000.0, 300_000, 100_000, 500]), 350.0
    found = [denoise(truth + rng.normal(0, sigma, 4), sigma=sigma, total=truth.sum()) for _ in range(50)]
    assert np.mean([each.sd[:3] for each in found]) == pytest.approx(sigma, rel=0.05)
    errors = np.sqrt(np.mean([(each.mean - truth) ** 2 for each in found], axis=0))
    assert errors[:3] == pytest.approx(np.full(3, sigma), rel=0.25)
    assert errors[3] < sigma
