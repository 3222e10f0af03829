"""The loop and hard rules: no record ever breaks one, tied values still move, and without rules nothing changes."""

from __future__ import annotations

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from privacy.validity import Contradiction, Validity, Zero
from privacy.values import Axis, Clique, Domain, HardRule, IntArray, NoisyMarginal
from synthesis.loop import Loop, LoopSettings, Proposal, ProposalPlan
from tests.loop_tables import DOMAIN, EVERYTHING, ONES, PAIRS, SMALL, counts, distance, people, released

TINY = LoopSettings(pool_size=1500, sweeps=3, settle_sweeps=2, shard_rows=60_000)
NOTHING = ProposalPlan()
EVERYWHERE = ProposalPlan((Proposal({**EVERYTHING, "age": (0,), "work": (1,)}, 9000, "children work"),))


def breaking(records: IntArray, rules: tuple[HardRule, ...], domain: Domain = DOMAIN) -> list[int]:
    """How many records break each rule."""
    return [int(np.count_nonzero(~Zero.of(rule, domain).keeps(records.T))) for rule in rules]


@st.composite
def rule_sets(draw: st.DrawFn) -> tuple[HardRule, ...]:
    """Up to four random rules over one to three columns, each seen through random bins."""
    found = []
    for number in range(draw(st.integers(1, 4))):
        columns = draw(st.permutations(DOMAIN.columns))[: draw(st.integers(1, 3))]
        axes = tuple(Axis(c, tuple(i % 2 if i < 4 else i % 3 for i in range(DOMAIN.size(c)))) for c in columns)
        axes = tuple(axis if draw(st.booleans()) else Axis(axis.column) for axis in axes)
        shape = Clique(axes).shape(DOMAIN)
        rng = np.random.default_rng(draw(st.integers(0, 10**6)))
        allowed = rng.random(shape) < draw(st.sampled_from([0.3, 0.6, 0.9]))
        found.append(HardRule(f"rule {number}", "", Clique(axes), allowed))
    return tuple(found)


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(rule_sets(), st.integers(0, 99))
def test_no_record_breaks_a_rule(rules: tuple[HardRule, ...], seed: int) -> None:
    """100,000 records in two shards, after proposals that break the rules, from tables that do as well."""
    try:
        Validity([Zero.of(rule, DOMAIN) for rule in rules], [np.ones(size) for size in DOMAIN.sizes])
    except Contradiction:
        return
    release = released(people(8000), (*ONES, *PAIRS[:5]), sigma=15.0)
    loop = Loop.from_release(release, settings=TINY, seed=seed, rules=rules)
    loop.iterate(EVERYWHERE)
    loop.iterate(NOTHING)
    rows = 0
    for shard in loop.shards(100_000):
        assert not any(breaking(shard, rules))
        rows += len(shard)
    assert rows == 100_000
    for rule in rules:
        assert loop.expected(rule.clique)[~rule.allowed].sum() == 0


def test_a_record_with_no_other_column_at_work_is_kept_valid_too() -> None:
    """A column that no released table touches has no sparse index; its rules hold all the same."""
    domain = Domain(("only", "same"), (3, 2))
    rule = HardRule("x", "", Clique.of("only", "same"), np.array([[True, False], [False, True], [True, True]]))
    loop = Loop(domain, settings=TINY, seed=0, rules=(rule,))
    loop.observe(NoisyMarginal(Clique.of("only"), np.array([60, 20, 40]), 2.0, "1"))
    loop.observe(NoisyMarginal(Clique.of("same"), np.array([80, 40]), 2.0, "2"))
    loop.iterate(NOTHING)
    assert breaking(loop.records(500), (rule,), domain) == [0]


def test_values_that_a_rule_ties_together_move_together() -> None:
    """Single-column moves could never change either column; their tables are matched all the same."""
    rng = np.random.default_rng(0)
    first = rng.choice(6, 20_000, p=[0.5, 0.2, 0.1, 0.1, 0.06, 0.04])
    third = (first > 1) + (rng.random(20_000) < 0.3)
    domain, codes = Domain(("a", "b", "c"), (6, 6, 3)), np.stack([first, first, third], axis=1)
    rule = HardRule("a == b", "", Clique.of("a", "b"), np.eye(6, dtype=bool))
    loop = Loop(domain, settings=LoopSettings(pool_size=4000), seed=1, rules=(rule,))
    for columns in (("a",), ("b",), ("c",), ("a", "c")):
        clique = Clique.of(*columns)
        loop.observe(NoisyMarginal(clique, counts(codes, clique, domain), 10.0, "-".join(columns)))
    for _ in range(4):
        loop.iterate(NOTHING)
    records = loop.records(20_000)
    assert breaking(records, (rule,), domain) == [0]
    pair = Clique.of("a", "c")
    gap = counts(records, pair, domain) - counts(codes, pair, domain)
    assert np.abs(gap).sum() / 2 / 20_000 < 0.03


def test_rules_on_codes_finer_than_the_bins_hold_after_codes_are_drawn() -> None:
    settings = LoopSettings(pool_size=1500, sweeps=3, settle_sweeps=2, levels=(2,), triple_levels=())
    allowed = np.arange(12)[:, None] * np.ones(2) % 2 == np.arange(2)
    rule = HardRule("odd", "", Clique.of("age", "owner"), allowed)
    loop = Loop.from_release(released(people(8000), ONES, sigma=15.0), settings=settings, seed=1, rules=(rule,))
    loop.iterate(NOTHING)
    assert breaking(loop.records(3000), (rule,)) == [0]


def test_true_rules_cost_no_fidelity() -> None:
    truth = people(8000)
    works = np.ones((12, 3), bool)
    works[:2, 1:] = works[9:, :2] = False
    rule = HardRule("children do not work, the old are retired", "", Clique.of("age", "work"), works)
    assert breaking(truth, (rule,)) == [0]
    gaps = []
    for rules in ((), (rule,)):
        loop = Loop.from_release(released(truth, (*ONES, *PAIRS), sigma=25.0), settings=SMALL, seed=3, rules=rules)
        for _ in range(4):
            loop.iterate(NOTHING)
        gaps.append(distance(loop.records(8000), truth, [Clique.of("age", "work")]))
    assert gaps[1] < gaps[0]


def test_shards_are_the_table() -> None:
    release = released(people(8000), (*ONES, *PAIRS), sigma=15.0)
    for rows, shard_rows, count in ((1001, 400, 3), (400, 400, 1)):
        settings = LoopSettings(pool_size=800, sweeps=2, settle_sweeps=1, shard_rows=shard_rows)
        loop = Loop.from_release(release, settings=settings, seed=7)
        shards = list(loop.shards(rows))
        assert [len(shard) for shard in shards] == [len(part) for part in np.array_split(np.arange(rows), count)]
        assert np.array_equal(np.concatenate(shards), loop.records(rows))
