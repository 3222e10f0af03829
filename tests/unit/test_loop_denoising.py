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
