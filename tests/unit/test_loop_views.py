"""Maps from codes to bins."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthesis.loop import views

masses = st.lists(st.floats(0.0, 100.0), min_size=1, max_size=40).map(lambda m: np.array(m) + 1e-3)


@given(masses, st.integers(2, 64))
def test_bins_are_runs_numbered_without_gaps(mass: np.ndarray, level: int) -> None:
    bins = views.cut(mass, level)
    assert bins[0] == 0
    assert set(np.diff(bins)) <= {0, 1}


@given(masses, st.integers(2, 16))
def test_a_heavy_code_stands_alone(mass: np.ndarray, level: int) -> None:
    bins = views.cut(mass, level)
    for code in np.flatnonzero(mass >= mass.sum() / level):
        assert (bins == bins[code]).sum() == 1


@given(masses, st.integers(2, 16))
def test_the_number_of_bins_follows_the_level_not_the_codes(mass: np.ndarray, level: int) -> None:
    assert len(set(views.cut(mass, level))) <= max(2 * level + 1, 2)


@given(masses)
def test_a_coarser_level_is_made_of_whole_fine_bins(mass: np.ndarray) -> None:
    fine = views.cut(mass, 16)
    coarse = views.coarsen(fine, mass, 4)
    assert views.refines(fine, coarse)
    assert set(coarse) == set(range(coarse.max() + 1))
    assert views.through(fine, coarse)[fine].tolist() == coarse.tolist()


def test_join_keeps_together_only_what_both_keep_together() -> None:
    joined = views.join(np.array([0, 0, 1, 1]), np.array([0, 1, 1, 0]))
    assert joined.tolist() == [0, 1, 2, 3]
    assert views.join(np.array([0, 0, 1]), np.array([1, 1, 0])).tolist() == [0, 0, 1]


def test_a_map_that_does_not_refine_another_is_told() -> None:
    with pytest.raises(ValueError, match="refine"):
        views.through(np.array([0, 0]), np.array([0, 1]))
    assert not views.refines(np.array([0, 0]), np.array([0, 1]))
