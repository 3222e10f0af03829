"""A public sample helps where it resembles the data, and cannot lead astray where it does not."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.kinds.prior import resembling
from privacy.dp.sensitivity import VOTE
from privacy.values import Clique, NoisyMarginal, NoisyTied
from synthesis.members.tables import Table
from tests.unit.test_members import LAYOUT, TABLES, real, released

PRIVATE, ALIKE = real(300, seed=1), real(1500, seed=2)
CLIQUES = [TABLES[0], TABLES[3], TABLES[7]]


def error(tables: list[NoisyTied]) -> float:
    """The squared error of released votes, over all tables."""
    truths = [Table(each.clique, PRIVATE).count(PRIVATE.codes) for each in tables]
    return sum(
        float(((each.counts / each.parts - truth) ** 2).sum()) for each, truth in zip(tables, truths, strict=True)
    )


def test_noise_is_averaged_away_where_a_sample_resembles_the_data() -> None:
    noisy = released(PRIVATE, CLIQUES, sigma=15.0)
    drawn = resembling(noisy, LAYOUT, ALIKE)
    assert error(drawn) < 0.3 * error(noisy)
    assert all(after.sigma < before.sigma for after, before in zip(drawn, noisy, strict=True))


def test_a_sample_of_others_is_not_believed() -> None:
    others = real(1500, seed=3)
    others.codes["age"][:] = 5 - others.codes["age"]
    others.codes["job"][:] = 2
    noisy = released(PRIVATE, CLIQUES, sigma=3.0)
    drawn = resembling(noisy, LAYOUT, others)
    assert error(drawn) < 1.05 * error(noisy)


def test_tables_of_units_are_drawn_alike_and_stay_whole_numbers() -> None:
    truth = np.bincount(PRIVATE.top[:, 0], minlength=3)
    noisy = NoisyMarginal(Clique.of("area"), truth + np.array([40, -30, 20]), 40.0, "1")
    (drawn,) = resembling([noisy], LAYOUT, ALIKE)
    assert drawn.counts.dtype == np.int64
    assert np.abs(drawn.counts - drawn.counts.sum() * truth / truth.sum()).max() < 30


def test_samples_share_no_unit_and_keep_their_members() -> None:
    first, second = PRIVATE.sampled(100, 150, seed=0)
    assert (len(first.top), len(second.top)) == (100, 150)
    assert first.members == first.counts.sum()
    whole, _ = PRIVATE.sampled(300, 0, seed=0)
    for name in LAYOUT.members.columns:
        assert (whole.codes[name] == PRIVATE.codes[name]).all()
    with pytest.raises(ValueError, match="more units than there are"):
        PRIVATE.sampled(200, 150, seed=0)


def test_parts_of_votes_are_kept() -> None:
    (drawn,) = resembling(released(PRIVATE, CLIQUES[:1]), LAYOUT, ALIKE)
    assert isinstance(drawn, NoisyTied)
    assert drawn.parts == VOTE
