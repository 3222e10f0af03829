"""What is offered for measuring follows from released facts alone."""

from __future__ import annotations

import numpy as np
import pytest

from privacy.values import Clique, Domain, NoisyMarginal
from synthesis.loop import policy

DOMAIN = Domain(("a", "b", "c", "d"), (2, 3, 20, 5))


def views() -> policy.Views:
    bins = {}
    for column, size in zip(DOMAIN.columns, DOMAIN.sizes, strict=True):
        for level in (4, 8):
            bins[column, level] = np.arange(size) * min(size, level) // size
    return policy.Views(DOMAIN, bins)


def test_one_column_or_too_little_budget_buys_no_round() -> None:
    assert policy.rounds(columns=1, total=1e6, rho=1.0)[0] == 0
    assert policy.rounds(columns=10, total=50, rho=1e-5)[0] == 0
    assert policy.rounds(columns=10, total=1e6, rho=0.0)[0] == 0


@pytest.mark.parametrize("columns", [2, 3, 5, 14, 60, 100])
def test_tables_grow_with_information_but_stay_linear_in_columns(columns: int) -> None:
    def bought(rho: float) -> int:
        rounds, per_round = policy.rounds(columns=columns, total=40_000, rho=rho)
        return rounds * per_round

    assert bought(0.0005) <= bought(0.01) <= bought(1.0) <= 8 * columns + 8
    assert bought(1.0) <= 1.2 * columns * (columns - 1) / 2 + 8


def test_tables_planned_in_advance_take_the_place_of_chosen_ones_but_never_of_all() -> None:
    def bought(planned: int) -> int:
        rounds, per_round = policy.rounds(columns=14, total=40_000, rho=0.01, planned=planned)
        return rounds * per_round

    assert bought(0) - 13 - 8 < bought(13) < bought(0)  # whole rounds of up to eight
    assert bought(500) >= 1


def test_the_finest_view_is_the_one_of_most_cells_that_fit_and_else_the_coarsest() -> None:
    def cells(most: float) -> int:
        return views().finest(("c", "d"), (4, 8), cells=most).cells(DOMAIN)

    assert [cells(most) for most in (1, 16, 20, 39, 40, 1e9)] == [16, 16, 20, 32, 40, 40]


def test_cells_are_affordable_as_far_as_their_noise_stays_a_small_share_of_the_records() -> None:
    cells = policy.affordable(sigma=10.0, total=40_000)
    assert cells * policy.NOISE * 10 == pytest.approx(policy.WORTH * 40_000)
    assert policy.affordable(sigma=20.0, total=40_000) == pytest.approx(cells / 2)


def test_every_pair_is_offered_at_each_view_that_differs() -> None:
    offered = list(views().pairs(set(), (4, 8)))
    assert {clique.columns for clique in offered} == {
        ("a", "b"), ("a", "c"), ("a", "d"), ("b", "c"), ("b", "d"), ("c", "d")
    }  # fmt: skip
    assert len(set(offered)) == len(offered)
    assert [c.shape(DOMAIN) for c in offered if c.columns == ("a", "b")] == [(2, 3)]  # both levels look alike


def test_measured_pairs_leave_and_open_the_way_to_triples() -> None:
    taken = {frozenset("ab"), frozenset("bc")}
    assert all(frozenset(c.columns) not in taken for c in views().pairs(taken, (4, 8)))
    assert {c.columns for c in views().triples(taken, (4,))} == {("a", "b", "c")}
    assert list(views().triples({frozenset("ab")}, (4,))) == []


def test_many_columns_are_offered_at_fewer_views() -> None:
    wide = Domain(tuple(f"x{i}" for i in range(60)), (30,) * 60)
    levels = (4, 8, 16, 32)
    bins = {(c, level): np.arange(30) * min(level, 30) // 30 for c in wide.columns for level in levels}
    offered = list(policy.Views(wide, bins).pairs(set(), levels))
    assert len(offered) <= policy.MOST_CANDIDATES
    assert len({c.columns for c in offered}) == 60 * 59 // 2


def test_the_penalty_is_a_share_of_the_noise_and_never_more_than_the_cells_hold() -> None:
    full, empty = np.full((4, 4), 1000), np.zeros((4, 4), int)
    assert policy.penalty(full, sigma=10.0) == round(0.3 * 16 * policy.NOISE * 10)
    assert policy.penalty(empty, sigma=10.0) == 0
    assert policy.penalty(np.full((2, 2, 2), 1000), sigma=10.0) == round(8 * policy.NOISE * 10)


def test_chance_foresees_the_distance_of_independent_columns() -> None:
    """Records drawn with independent columns, one-way tables known up to noise: the mean distance is as foreseen."""
    rng, shares, spreads = np.random.default_rng(0), [np.array([0.5, 0.3, 0.2]), np.array([0.6, 0.4])], [40.0, 30.0]
    found = []
    for _ in range(300):
        noisy = [s + rng.normal(0, d, len(s)) / 10_000 for s, d in zip(shares, spreads, strict=True)]
        counts = rng.multinomial(10_000, np.outer(*shares).ravel())
        found.append(np.abs(counts - 10_000 * np.outer(*noisy).ravel()).sum())
    axes = [(s, np.full(len(s), d)) for s, d in zip(shares, spreads, strict=True)]
    assert policy.chance(axes, total=10_000, sampling=0.0) == pytest.approx(np.mean(found), rel=0.1)
    assert policy.chance(axes, total=10_000, sampling=2.0) > policy.chance(axes, total=10_000, sampling=0.0)


def test_nothing_is_an_option_only_where_the_coarsest_tables_noise_outweighs_chance() -> None:
    cliques = [Clique.of("a", "b"), Clique.of("a", "d")]  # 6 and 10 cells
    assert policy.may_buy_nothing(cliques, [100, 500], domain=DOMAIN, sigma=25.0)
    assert not policy.may_buy_nothing(cliques, [100, 5], domain=DOMAIN, sigma=15.0)
    assert not policy.may_buy_nothing([], [], domain=DOMAIN, sigma=15.0)


def test_a_table_drowns_where_its_noise_is_more_of_the_records_than_it_is_worth() -> None:
    cliques = [Clique.of("a", "b"), Clique.of("a", "d")]  # 6 and 10 cells
    least = 6 * policy.NOISE * 25 / policy.WORTH
    assert policy.drowned(cliques, domain=DOMAIN, sigma=25.0, total=0.99 * least)
    assert not policy.drowned(cliques, domain=DOMAIN, sigma=25.0, total=1.01 * least)
    assert not policy.drowned([], domain=DOMAIN, sigma=25.0, total=1.0)


def test_a_table_forgoes_what_its_price_would_win_on_one_way_tables() -> None:
    """Columns nobody knows beyond their noise: the price of a table as dear as all of them halves their variance."""
    known = [(np.full(5, 20.0), 20.0), (np.full(3, 20.0), 20.0)]
    as_dear = 20.0 / np.sqrt(2)
    assert policy.forgone(known, sigma=as_dear) == round(policy.NOISE * 8 * 20 * (1 - 0.5**0.5))
    assert policy.forgone(known, sigma=10 * as_dear) < policy.forgone(known, sigma=as_dear) / 20
    denoised = [(sd / 10, noise) for sd, noise in known]
    assert policy.forgone(denoised, sigma=as_dear) < policy.forgone(known, sigma=as_dear) / 100
    assert policy.forgone([], sigma=1.0) == 0


def test_the_pool_doubles_only_where_its_sampling_outweighs_the_noise() -> None:
    def table(sigma: float) -> NoisyMarginal:
        return NoisyMarginal(Clique.of("a", "b"), np.zeros((2, 3), np.int64), sigma, "m")

    assert policy.pool_size(1000, [table(1e6)], total=10_000) == 1000
    assert policy.pool_size(1000, [table(1.0)] * 2 + [table(1e6)], total=10_000) == 2000
    assert policy.pool_size(1000, [], total=10_000) == 1000
