"""The loop's own promises: exact rows, whole counts, errors in words, output fixed by its inputs."""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import pytest

from privacy.values import Axis, Clique, Domain, NoisyMarginal
from synthesis.loop import Loop, LoopSettings, Proposal, ProposalPlan, policy
from synthesis.loop.loop import STILL
from tests.loop_tables import DOMAIN, EVERYTHING, ONES, PAIRS, SMALL, counts, distance, people, released

TINY = LoopSettings(pool_size=1500, sweeps=4, settle_sweeps=3)
NOTHING = ProposalPlan()


def loop_of(*cliques: Clique, rows: int = 8000, sigma: float = 15.0, settings: LoopSettings = TINY) -> Loop:
    return Loop.from_release(released(people(rows), cliques, sigma=sigma), settings=settings, seed=7)


@pytest.mark.parametrize("rows", [1, 37, 1500, 4001])
def test_exactly_the_rows_asked_for_within_the_domain(rows: int) -> None:
    records = loop_of(*ONES, *PAIRS).records(rows)
    assert records.shape == (rows, 5)
    assert records.dtype == np.int64
    assert (records.min(axis=0) >= 0).all()
    assert (records.max(axis=0) < np.array(DOMAIN.sizes)).all()


def test_no_rows_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one row"):
        loop_of(*ONES).records(0)


def test_rows_come_in_shards_that_bound_memory() -> None:
    settings = LoopSettings(pool_size=1500, sweeps=4, settle_sweeps=3, shard_rows=400)
    assert len(loop_of(*ONES, *PAIRS, settings=settings).records(1001)) == 1001


def test_asking_twice_gives_the_same_table_and_going_on_gives_another() -> None:
    loop = loop_of(*ONES, *PAIRS)
    first = loop.records(500)
    assert np.array_equal(first, loop.records(500))
    loop.iterate(NOTHING)
    assert not np.array_equal(first, loop.records(500))


def test_the_same_inputs_give_the_same_bits_and_another_seed_does_not() -> None:
    release = released(people(8000), (*ONES, *PAIRS), sigma=15.0)
    plan = ProposalPlan((Proposal({**EVERYTHING, "work": (1,), "income": (3, 4)}, 900, "r"),))

    def run(seed: int) -> bytes:
        loop = Loop.from_release(release, settings=TINY, seed=seed)
        figures = [loop.iterate(plan), loop.iterate(NOTHING)]
        return loop.records(700).tobytes() + repr(figures).encode()

    assert run(1) == run(1)
    assert run(1) != run(2)


def test_expected_counts_are_whole_and_add_up_to_the_released_total() -> None:
    loop = loop_of(*ONES, *PAIRS)
    for clique in (
        Clique.of("age"),
        Clique.of("income", "age"),
        Clique((Axis("age", (0,) * 6 + (1,) * 6), Axis("work"))),
    ):
        found = loop.expected(clique)
        assert found.shape == clique.shape(DOMAIN)
        assert found.dtype == np.int64
        assert abs(int(found.sum()) - loop.total) <= found.size
    assert abs(loop.total - 8000) < 60


def test_cells_finer_than_the_pools_bins_are_shared_out_by_the_one_way_table() -> None:
    settings = LoopSettings(pool_size=1500, sweeps=4, settle_sweeps=3, levels=(2, 4), triple_levels=())
    loop = loop_of(*ONES, settings=settings)
    assert loop.expected(Clique.of("age", "work")).sum() == pytest.approx(loop.total, abs=36)
    exact = counts(people(8000), Clique.of("age"))
    assert np.abs(loop.expected(Clique.of("age")) - exact).max() < 0.05 * 8000


def test_a_table_finer_than_the_bins_starts_the_pool_anew_and_is_then_explained() -> None:
    settings = LoopSettings(pool_size=4000, sweeps=10, settle_sweeps=3, levels=(2, 3), triple_levels=())
    loop = loop_of(*ONES, settings=settings)
    loop.iterate(NOTHING)
    fine = released(people(8000), (Clique.of("age", "work"),), sigma=15.0).marginals[0]
    loop.observe(fine)
    for _ in range(4):
        done = loop.iterate(NOTHING)
    assert done.cliques == 1
    assert np.abs(loop.expected(fine.clique) - fine.counts).max() < 150


def test_a_planned_table_is_seen_as_finely_as_its_noise_is_worth_and_never_finer_than_planned() -> None:
    settings = LoopSettings(pool_size=1500, sweeps=4, settle_sweeps=3, levels=(2, 4), triple_levels=())
    loop, planned = loop_of(*ONES, settings=settings), Clique.of("age", "income")
    shapes = [loop.view(planned, sigma=sigma).cells(DOMAIN) for sigma in (1e6, 30.0, 15.0, 0.01)]
    assert shapes == sorted(shapes)
    assert (shapes[0], shapes[-1]) == (4, 72)
    assert shapes[1] <= 8000 * policy.WORTH / (policy.NOISE * 30)
    assert loop.view(planned, sigma=30.0).columns == planned.columns
    halves = Clique((Axis("age", (0,) * 6 + (1,) * 6), Axis("owner")))
    assert loop.view(halves, sigma=0.01).cells(DOMAIN) <= 4
    assert loop.view(Clique((Axis("age", (0,) * 12), Axis("owner"))), sigma=0.01).cells(DOMAIN) == 2


def test_a_loop_goes_on_while_its_tilts_still_move_though_all_lies_within_noise() -> None:
    loop, pulls = loop_of(*ONES, *PAIRS, settings=SMALL), []
    for _ in range(12):
        loop.iterate(NOTHING)
        pulls.append(loop._fit().pool.pull)
        if loop.converged():
            break
    assert loop.converged()
    assert pulls[-1] >= STILL * pulls[-2]
    assert len(pulls) > 1


def test_a_table_of_three_columns_is_evidence_like_any_other() -> None:
    triple = Clique.of("region", "work", "income")
    loop = loop_of(*ONES, triple, sigma=5.0, settings=SMALL)
    for _ in range(4):
        loop.iterate(NOTHING)
    assert distance(loop.records(8000), people(8000), [triple]) < 0.03


def test_discrepancies_name_cell_counts_noise_and_ledger_entry_largest_first() -> None:
    loop = loop_of(*ONES, *PAIRS)
    found = loop.discrepancies(6)
    gaps = [abs(each.target - each.now) for each in found]
    assert len(found) == 6
    assert gaps == sorted(gaps, reverse=True)
    assert {each.target > each.now for each in found} == {True, False}
    for each in found:
        table = next(m for m in loop._marginals if m.measurement == each.measurement)
        assert each.target == table.counts[each.cell]
        assert each.sigma == table.sigma
        assert each.now == loop.expected(each.clique)[each.cell]


def test_an_explained_release_has_no_discrepancy_left() -> None:
    loop = loop_of(*ONES, *PAIRS, settings=SMALL)
    assert not loop.converged()
    first = loop.iterate(NOTHING)
    for _ in range(5):
        last = loop.iterate(NOTHING)
    assert last.number == 6
    assert last.residual < first.residual
    assert loop.discrepancies(10) == ()


def test_candidates_are_views_of_unmeasured_pairs_and_later_triples() -> None:
    loop = loop_of(*ONES, *PAIRS[:4])
    taken = {frozenset(clique.columns) for clique in PAIRS[:4]}
    early = loop.candidates(sigma=30.0, round=0, rounds=4)
    assert {frozenset(each.clique.columns) for each in early} == {frozenset(c.columns) for c in PAIRS} - taken
    late = loop.candidates(sigma=30.0, round=2, rounds=4)
    assert {len(each.clique.columns) for each in late} == {2, 3}
    assert all(type(each.penalty) is int and each.penalty >= 0 for each in late)


def test_a_pool_much_smaller_than_the_data_makes_no_table_worth_its_noise() -> None:
    """What the pool's own sampling adds to a difference is not in the data: no table can win it."""
    settings = LoopSettings(pool_size=200, sweeps=4, settle_sweeps=3)
    loop = loop_of(*ONES, rows=40_000, settings=settings)  # each record of the pool stands for two hundred

    def may_buy_nothing(sigma: float) -> bool:
        return all(each.chance is not None for each in loop.candidates(sigma=sigma, round=0, rounds=4))

    assert [may_buy_nothing(sigma) for sigma in (20.0, 400.0)] == [False, True]


@pytest.mark.parametrize(
    ("columns", "shape", "sigma"), [(("age",), (11,), 5.0), (("age", "work"), (3, 12), 5.0), (("age",), (12,), 0.0)]
)
def test_a_table_that_does_not_fit_is_refused_by_name(
    columns: tuple[str, ...], shape: tuple[int, ...], sigma: float
) -> None:
    loop = Loop(DOMAIN, settings=TINY, seed=0)
    with pytest.raises(ValueError, match="age"):
        loop.observe(NoisyMarginal(Clique.of(*columns), np.zeros(shape, np.int64), sigma, "m"))


def test_a_single_column_and_a_single_code_work() -> None:
    domain = Domain(("only", "same"), (3, 1))
    loop = Loop(domain, settings=TINY, seed=0)
    loop.observe(NoisyMarginal(Clique.of("only"), np.array([60, -2, 40]), 2.0, "1"))
    loop.observe(NoisyMarginal(Clique.of("same"), np.array([99]), 2.0, "2"))
    loop.iterate(NOTHING)
    records = loop.records(50)
    assert set(records[:, 1]) == {0}
    assert 20 <= (records[:, 0] == 0).sum() <= 40


def test_hopeless_noise_still_yields_a_table() -> None:
    loop = loop_of(*ONES, *PAIRS, rows=30, sigma=5000.0)
    loop.iterate(NOTHING)
    assert np.isfinite(loop.iterate(NOTHING).residual)
    assert len(loop.records(30)) == 30


def test_settings_survive_json_and_refuse_nonsense() -> None:
    assert LoopSettings.from_json(json.loads(json.dumps(asdict(SMALL)))) == SMALL
    for wrong in ({"pool_size": 0}, {"step": 0.0}, {"settle_step": 0.9}, {"levels": ()}, {"triple_levels": (1,)}):
        with pytest.raises(ValueError, match="must"):
            LoopSettings(**wrong)
