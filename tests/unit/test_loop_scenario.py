"""A what-if moves the table where statistics would not let a proposal move it, and nowhere else than it says."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from privacy.values import Clique, HardRule, IntArray
from synthesis.loop import Loop, LoopSettings, Proposal, ProposalPlan, Reach, Scenario
from tests.loop_tables import DOMAIN, EVERYTHING, ONES, PAIRS, SMALL, counts, distance, people, released

OLD = {**EVERYTHING, "age": (8, 9, 10, 11)}
RICH = {**EVERYTHING, "income": (4, 5)}
ROWS = 3000
SAMPLE = people(20_000, seed=3)


def plan(*groups: tuple[dict[str, tuple[int, ...]], int]) -> ProposalPlan:
    return ProposalPlan(tuple(Proposal(box, size, "because") for box, size in groups))


def supposing(*groups: tuple[dict[str, tuple[int, ...]], int], reach: Reach = Reach()) -> Scenario:  # noqa: B008
    return Scenario(plan(*groups), DOMAIN, SAMPLE, total=20_000, reach=reach)


def share(records: IntArray, box: dict[str, tuple[int, ...]]) -> float:
    inside = [np.isin(records[:, DOMAIN.index(column)], codes) for column, codes in box.items()]
    return float(np.logical_and.reduce(inside).mean())


def swapped(scenario: Scenario, rows: int = 4000) -> tuple[IntArray, IntArray]:
    shard = people(rows, seed=11)
    return shard, scenario.swap(shard, people(20_000, seed=12), np.random.default_rng(0)).applied(shard)


def test_a_group_gets_the_share_that_is_supposed_and_the_rest_keeps_its_proportions() -> None:
    asked = 2 * share(SAMPLE, OLD)
    scenario = supposing((OLD, round(asked * 20_000)))
    assert scenario.after[0] == pytest.approx(asked, rel=0.01)
    before, after = swapped(scenario)
    assert share(after, OLD) == pytest.approx(asked, rel=0.05)
    for old in (True, False):  # inside and outside of the group the table is what it was
        pick = lambda table, old=old: table[np.isin(table[:, 1], OLD["age"]) == old]  # noqa: E731
        assert distance(pick(before), pick(after), ONES) < 0.03


def test_rows_stay_where_they_are_unless_the_scenario_needs_their_place() -> None:
    scenario = supposing((OLD, round(2 * share(SAMPLE, OLD) * 20_000)))
    before, after = swapped(scenario)
    moved = (before != after).any(axis=1)
    assert moved.mean() == pytest.approx(share(after, OLD) - share(before, OLD), abs=0.01)
    assert share(before[moved], OLD) == 0
    assert share(after[moved], OLD) == 1


def test_it_is_the_nearest_distribution_that_has_these_shares() -> None:
    """Against a fine search over all shares of the four combinations of two groups."""
    groups = ((OLD, 9000), (RICH, 3000))
    scenario = supposing(*groups, reach=Reach(most=1000))
    inside = scenario.inside(SAMPLE)
    shares = np.array([(inside == kind).all(axis=1).mean() for kind in itertools.product((False, True), repeat=2)])
    old, rich = scenario.after
    both = np.linspace(max(0, old + rich - 1) + 1e-6, min(old, rich) - 1e-6, 4000)
    tried = np.stack([1 - old - rich + both, rich - both, old - both, both])
    best = (tried * np.log(tried / shares[:, None])).sum(axis=0).min()
    assert scenario.divergence == pytest.approx(best, rel=1e-3)
    assert scenario.after == pytest.approx([0.45, 0.15], rel=0.03)


def test_reach_bounds_how_far_the_odds_of_a_group_go() -> None:
    """All records in one cell, as loudly as it can be said: the odds change by the declared factor and no more."""
    cell = {column: codes[-1:] for column, codes in EVERYTHING.items()}
    cell |= {"age": (8,), "work": (0, 1, 2), "income": EVERYTHING["income"]}
    scenario = supposing((cell, 10**9), reach=Reach(most=5))
    odds = [p / (1 - p) for p in (scenario.before[0], scenario.after[0])]
    assert 4 < odds[1] / odds[0] <= 5.0001
    half = supposing((OLD, 16_000), reach=Reach(strength=0.5))
    whole = supposing((OLD, 16_000))
    assert half.before[0] < half.after[0] < whole.after[0] <= 0.8


def test_contradictions_meet_half_way_and_a_single_record_means_nearly_none() -> None:
    twice = supposing((OLD, 2000), (OLD, 8000))
    assert 0.1 < twice.after[0] < 0.4
    none = supposing((OLD, 1), reach=Reach(most=100))
    assert none.after[0] < 0.02


def test_groups_that_say_nothing_are_told_and_change_nothing() -> None:
    never = {**EVERYTHING, "age": (0,), "work": (1,)}
    scenario = supposing((EVERYTHING, 10), (never, 10))
    assert [each.split(":")[0] for each in scenario.rejected] == [
        "every record of the table is in this group", "no record of the table is in this group",
    ]  # fmt: skip
    before, after = swapped(scenario)
    assert np.array_equal(before, after)
    many = supposing(*[(OLD, 5000)] * 20)
    assert len(many.groups) == 12
    assert "more groups than" in many.rejected[0]


@pytest.mark.parametrize(("strength", "most"), [(0, 20), (1.5, 20), (1, 1), (float("nan"), 20)])
def test_a_reach_that_means_nothing_is_refused(strength: float, most: float) -> None:
    with pytest.raises(ValueError, match="strength"):
        Reach(strength, most)


# --- in the loop


def loop_of(*rules: HardRule, settings: LoopSettings = SMALL) -> Loop:
    release = released(people(8000), (*ONES, *PAIRS), sigma=15.0)
    loop = Loop.from_release(release, settings=settings, seed=7, rules=rules)
    loop.iterate(ProposalPlan())
    return loop


def tables(loop: Loop, scenario: Scenario, rows: int = ROWS) -> tuple[IntArray, IntArray]:
    parts = [(shard, swap.applied(shard)) for shard, swap in loop.supposed(scenario, rows)]
    return np.concatenate([one for one, _ in parts]), np.concatenate([other for _, other in parts])


def test_a_proposal_against_the_statistics_moves_nothing_and_a_what_if_does() -> None:
    """The reason for a what-if of its own: evidence wins over a proposal, whatever it says."""
    loop, twice = loop_of(), plan((OLD, round(2 * share(people(8000), OLD) * 8000)))
    plain = share(loop.records(ROWS), OLD)
    loop.iterate(twice)
    assert share(loop.records(ROWS), OLD) == pytest.approx(plain, abs=0.02)
    before, after = tables(loop, loop.suppose(twice, Reach()))
    assert share(before, OLD) == pytest.approx(plain, abs=0.02)
    assert share(after, OLD) == pytest.approx(2 * plain, rel=0.1)


def test_the_table_without_is_the_one_that_comes_out_where_nothing_is_supposed() -> None:
    loop, other = loop_of(), loop_of()
    plain = other.records(ROWS)
    before, after = tables(loop, loop.suppose(plan((OLD, 4000)), Reach()))
    assert np.array_equal(before, plain)
    assert after.shape == plain.shape
    assert np.array_equal(after, tables(loop, loop.suppose(plan((OLD, 4000)), Reach()))[1])


def test_tables_of_several_shards_keep_rows_and_shares() -> None:
    settings = LoopSettings(pool_size=4000, sweeps=8, settle_sweeps=10, shard_rows=700)
    loop = loop_of(settings=settings)
    scenario = loop.suppose(plan((OLD, 4000)), Reach())
    before, after = tables(loop, scenario, 2001)
    assert len(before) == len(after) == 2001
    assert share(after, OLD) == pytest.approx(scenario.after[0], abs=0.02)


def test_hard_rules_hold_under_any_scenario() -> None:
    """The scenario asks for what the rule forbids beside what it allows."""
    clique = Clique.of("age", "work")
    allowed = np.ones((12, 3), bool)
    allowed[:3, 1] = False
    loop = loop_of(HardRule("young do not work", "", clique, allowed))
    young_workers = {**EVERYTHING, "age": (0, 1, 2, 3), "work": (1,)}
    scenario = loop.suppose(plan((young_workers, 4000)), Reach())
    _, after = tables(loop, scenario)
    assert counts(after, clique)[:3, 1].sum() == 0
    assert share(after, young_workers) > 1.5 * scenario.before[0]
