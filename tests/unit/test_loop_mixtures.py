"""A mixture learned from a public table, and brought to other one-way tables."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from privacy.values import Axis, Clique, Domain
from synthesis.loop import mixtures
from synthesis.loop.mixtures import Mixture
from synthesis.loop.sources import Source
from tests.loop_tables import DOMAIN, counts, people


def test_the_learned_mixture_has_the_tables_of_the_population_and_not_only_of_the_sample() -> None:
    sample, population = people(600, seed=1), people(200_000)
    source = Source(mixtures.learn(sample, DOMAIN), DOMAIN)
    gaps, raw = [], []
    for columns in combinations(DOMAIN.columns, 3):
        clique = Clique.of(*columns)
        parts = [source.parts[DOMAIN.index(column)] for column in columns]
        truth = counts(population, clique) / len(population)
        gaps.append(0.5 * np.abs(np.einsum("k,ka,kb,kc->abc", source.weights, *parts) - truth).sum())
        raw.append(0.5 * np.abs(counts(sample, clique) / len(sample) - truth).sum())
    assert np.mean(gaps) < 0.85 * np.mean(raw)


def test_the_same_rows_and_seed_give_the_same_plan() -> None:
    sample = people(100)
    assert mixtures.learn(sample, DOMAIN, seed=4) == mixtures.learn(sample, DOMAIN, seed=4)
    plan = mixtures.learn(sample, DOMAIN, seed=4)
    assert plan.whole
    assert {len(chances) for chances in plan.proposals[0].chances.values()} == set(DOMAIN.sizes)


def test_one_row_is_enough_and_none_is_refused() -> None:
    assert len(mixtures.learn(people(1), DOMAIN).proposals) == 1
    with pytest.raises(ValueError, match="at least one row"):
        mixtures.learn(people(1)[:0], DOMAIN)


def test_a_code_outside_the_domain_is_told_by_column_and_rule_alone() -> None:
    rows = people(20)
    rows[7, 1] = 12
    with pytest.raises(ValueError, match=r"^column age: the reference table holds a code outside the declared ones$"):
        mixtures.learn(rows, DOMAIN)


def test_raking_reaches_one_way_tables_and_keeps_how_columns_go_together() -> None:
    domain = Domain(("a", "b"), (2, 2))
    mixture = Mixture(np.array([0.5, 0.5]), (np.array([[0.9, 0.1], [0.1, 0.9]]),) * 2)
    targets = [np.array([0.7, 0.3]), np.array([0.2, 0.8])]
    raked = mixture.raked(targets, steps=60)
    for place, target in enumerate(targets):
        assert raked.margin(place) == pytest.approx(target, abs=1e-6)

    def odds(of: Mixture) -> float:
        cells = (of.parts[0] * of.weights[:, None]).T @ of.parts[1]
        return float(cells[0, 0] * cells[1, 1] / cells[0, 1] / cells[1, 0])

    assert odds(raked) == pytest.approx(odds(mixture))  # factors on rows and columns leave the odds ratio
    assert raked.view(Axis("a", (0, 0)), domain) == pytest.approx(np.ones((2, 1)))
