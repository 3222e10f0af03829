"""One released table as the pool sees it: cells, unfolding, and what a step does."""

from __future__ import annotations

import numpy as np
import pytest

from privacy.values import Axis, Clique, NoisyMarginal
from synthesis.loop.evidence import Evidence

MAPS = (np.array([1, 0, 1, 2]), np.array([0, 1]), np.array([0, 0, 1]))  # the first is not in order


@pytest.fixture
def table() -> Evidence:
    clique = Clique((Axis("a", (1, 0, 1, 2)), Axis("b"), Axis("c", (0, 0, 1))))
    counts = np.arange(12, dtype=np.int64).reshape(3, 2, 2)
    return Evidence(NoisyMarginal(clique, counts, 5.0, "m"), (0, 2, 1), MAPS)


@pytest.fixture
def codes() -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.stack([rng.integers(0, size, 200) for size in (4, 3, 2)]).astype(np.int32)


def test_counts_agree_with_a_loop_over_records(table: Evidence, codes: np.ndarray) -> None:
    expected = np.zeros((3, 2, 2))
    for a, c, b in codes.T:
        expected[MAPS[0][a], b, MAPS[2][c]] += 1
    assert np.array_equal(table.count(codes), expected)


@pytest.mark.parametrize("column", [0, 1, 2])
def test_unfolded_tilts_reach_every_record_and_folded_counts_come_back(
    table: Evidence, codes: np.ndarray, column: int
) -> None:
    tilt = np.random.default_rng(1).normal(size=(3, 2, 2))
    rows = table.unfold(tilt, column)
    assert np.allclose(rows[table.key(codes, without=column), codes[column]], tilt.ravel()[table.key(codes)])
    seen = np.zeros_like(rows)
    np.add.at(seen, (table.key(codes, without=column), codes[column]), 1)
    assert np.array_equal(table.fold(seen, column), table.count(codes))


def test_a_step_goes_towards_the_target_and_is_bounded(table: Evidence) -> None:
    table.learn(np.full((3, 2, 2), 6.0), 0.5, busiest=1, scale=1.0)
    assert (np.sign(table.tilt) == np.sign(table.target - 6)).all()
    table.learn(np.full((3, 2, 2), 1e9), 1.0, busiest=1, scale=1.0)
    assert np.abs(table.tilt).max() <= 1.0


def test_strength_falls_only_while_the_residual_exceeds_the_noise(table: Evidence) -> None:
    start = table.strength
    table.learn(table.target + 20, 0.5, busiest=1, scale=1.0)
    assert table.strength < start
    lowered = table.strength
    table.learn(table.target + 1, 0.5, busiest=1, scale=1.0)
    assert table.strength > lowered


def test_what_the_pool_adds_by_being_small_counts_as_noise(table: Evidence) -> None:
    """The same residual moves the tilt less far, in the end, where one record of the pool stands for many."""
    other = Evidence(table.marginal, table.columns, table.maps)
    for _ in range(200):
        table.learn(table.target - 20, 0.5, busiest=1, scale=0.01)
        other.learn(other.target - 20, 0.5, busiest=1, scale=100.0)
    assert table.chi > other.chi
    assert np.abs(table.tilt).mean() > np.abs(other.tilt).mean()
