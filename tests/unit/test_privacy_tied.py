"""Tied cliques: the pooled table is what its definition says, and no unit moves it beyond its bound."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from audit import verify_prices
from privacy.dp import norms, opendp_door, tied
from privacy.dp.counting import NumpyCounter
from privacy.dp.sensitivity import VOTE, l2_of_table, l2_of_tied, tied_weight
from privacy.values import Axis, Clique, Domain, IntArray, PrivacyUnit, TiedClique, any_clique
from tests import engine_counters

TRIALS = 800
Count = Callable[[IntArray, Domain, TiedClique], IntArray]


def honest(codes: IntArray, domain: Domain, clique: TiedClique) -> IntArray:
    return tied.tables(NumpyCounter(codes, domain), [clique])[0]


def by_hand(codes: IntArray, domain: Domain, clique: TiedClique, weight: Any = None) -> IntArray:
    """The definition: row by row, slot by slot."""
    table = np.zeros(clique.shape(domain), dtype=np.int64)
    for row in codes:
        present = clique.present[row[domain.index(clique.size)]]
        own = np.zeros_like(table)
        for slot in range(present):
            cell = tuple(_seen(axis, int(row[domain.index(axis.column)])) for axis in clique.slots[slot].axes)
            own[(clique.blocks[slot], *cell)] += 1
        square = max(int((own**2).sum()), 1)
        for slot in range(present):
            block = clique.blocks[slot]
            cell = tuple(_seen(axis, int(row[domain.index(axis.column)])) for axis in clique.slots[slot].axes)
            shared = clique.blocks[:present].count(block)
            share = (
                math.isqrt((VOTE * clique.votes) ** 2 // square) if clique.by_norm else VOTE * clique.votes // shared
            )
            table[(block, *cell)] += weight or min(VOTE, share)
    return table


def _seen(axis: Axis, code: int) -> int:
    return axis.bins[code] if axis.bins else code


def pooled_raw(codes: IntArray, domain: Domain, clique: TiedClique) -> IntArray:
    """A defect: every slot counts in full, so that a large household has many votes."""
    return by_hand(codes, domain, clique, weight=VOTE)


def normed_by_slots(codes: IntArray, domain: Domain, clique: TiedClique) -> IntArray:
    """A defect: the norm taken as if every slot fell in a cell of its own."""
    if not clique.by_norm:
        return honest(codes, domain, clique)
    table = np.zeros(clique.shape(domain), dtype=np.int64)
    for row in codes:
        present = clique.present[row[domain.index(clique.size)]]
        weight = min(VOTE, math.isqrt((VOTE * clique.votes) ** 2 // max(present, 1)))
        table += by_hand(row[None], domain, clique, weight=weight)
    return table


def rounded_up(codes: IntArray, domain: Domain, clique: TiedClique) -> IntArray:
    """A defect: votes rounded up, not down."""
    table = by_hand(codes, domain, clique)
    return table + (table > 0)


def random_case(rng: np.random.Generator) -> tuple[Domain, TiedClique, PrivacyUnit]:
    members, values = int(rng.integers(1, 20)), int(rng.integers(1, 5))
    domain = Domain(
        ("size", *(f"{kind}{m}" for m in range(members) for kind in "ab")),
        (members + 1, *(values if kind == "a" else 3 for _ in range(members) for kind in "ab")),
    )
    bins = (0, 1, 0) if rng.random() < 0.5 else ()
    both = rng.random() < 0.5
    slots = tuple(
        Clique((Axis(f"a{m}"), Axis(f"b{m}", bins)) if both else (Axis(f"b{m}", bins),)) for m in range(members)
    )
    roles = np.unique(rng.integers(0, rng.integers(1, 4), members), return_inverse=True)[1]
    present = tuple(int(each) for each in rng.permutation(members + 1))
    k = int(rng.integers(1, 4))
    neighbours: Any = rng.choice(["add-remove", "change-one"])
    unit = PrivacyUnit("identifier", k, "who", neighbours) if k > 1 else PrivacyUnit("row", 1, None, neighbours)
    votes, by_norm = int(rng.integers(1, members + 2)), bool(rng.random() < 0.5)
    clique = TiedClique("size", present, slots, tuple(map(int, roles)), votes, by_norm)
    return domain, clique, unit


def adversarial(rng: np.random.Generator, domain: Domain, rows: int) -> IntArray:
    """Rows of one unit; half of the time all alike, and all of a row's slots in one cell."""
    drawn = rng.integers(0, domain.sizes, size=(rows, len(domain.sizes)))
    if rows and rng.random() < 0.5:
        drawn[:, 1:] = 0
        drawn[:] = drawn[:1]
    return drawn


def largest_share(count: Count, *, seed: int) -> tuple[float, float]:
    """How much of its bound a change took, at the most, for adding a unit and for exchanging one."""
    rng, shares = np.random.default_rng(seed), {"add-remove": 0.0, "change-one": 0.0}
    for _ in range(TRIALS):
        domain, clique, unit = random_case(rng)
        others = adversarial(rng, domain, int(rng.integers(0, 5)))
        one = adversarial(rng, domain, unit.k)
        other = adversarial(rng, domain, unit.k if unit.neighbours == "change-one" else 0)
        left, right = (count(np.vstack([others, each]), domain, clique) for each in (one, other))
        bound = l2_of_tied(unit, clique)
        moved = math.sqrt(sum(int(gap) ** 2 for gap in (left - right).ravel()))
        if bound == 0:
            assert moved == 0
            continue
        shares[unit.neighbours] = max(shares[unit.neighbours], moved / bound)
    return shares["add-remove"], shares["change-one"]


def test_the_pooled_table_is_its_definition_in_every_engine() -> None:
    rng = np.random.default_rng(0)
    for trial in range(40):
        domain, clique, _ = random_case(rng)
        codes = adversarial(rng, domain, int(rng.integers(1, 40)))
        expected = by_hand(codes, domain, clique)
        assert (honest(codes, domain, clique) == expected).all()
        if trial % 2 == 0:
            held = pa.table({name: codes[:, place] for place, name in enumerate(domain.columns)})
            engine = engine_counters.over_arrow(held, domain)
            if clique.by_norm:
                with pytest.raises(ValueError, match="sees rows whole"):
                    tied.tables(engine, [clique])
            elif trial % 8 == 0:
                assert (tied.tables(engine, [clique])[0] == expected).all()


def test_no_unit_moves_a_tied_table_beyond_its_bound_and_some_reach_it() -> None:
    added, exchanged = largest_share(honest, seed=1)
    assert 1 - 1e-12 < added <= 1
    assert exchanged <= 1


@pytest.mark.parametrize("defect", [pooled_raw, rounded_up, normed_by_slots])
def test_a_planted_defect_of_weighting_is_caught(defect: Count) -> None:
    assert max(largest_share(defect, seed=2)) > 1


def test_one_block_is_bounded_by_its_votes_and_blocks_by_their_norm() -> None:
    slots = tuple(Clique.of(f"m{place}") for place in range(3))
    one = TiedClique("size", (0, 1, 2, 3), slots, (0, 0, 0), 2)
    assert l2_of_tied(PrivacyUnit(), one) == 2 * VOTE
    roles = TiedClique("size", (0, 1, 2, 3), slots, (0, 1, 2), 1)
    assert l2_of_tied(PrivacyUnit(), roles) == pytest.approx(math.sqrt(3) * VOTE)
    assert l2_of_tied(PrivacyUnit(), roles) ** 2 >= 3 * VOTE**2
    assert l2_of_tied(PrivacyUnit("row", 1, None, "change-one"), one) == pytest.approx(math.sqrt(2) * 2 * VOTE)
    normed = TiedClique("size", (0, 1, 2, 3), slots, (0, 1, 2), 2, by_norm=True)
    assert l2_of_tied(PrivacyUnit(), normed) == 2 * VOTE, "whatever the blocks"
    assert l2_of_tied(PrivacyUnit(), replace(normed, votes=9)) == 3 * VOTE, "and never more than the slots"
    single = TiedClique("size", (1,), slots[:1], (0,), 1)
    household = PrivacyUnit("identifier", 5, "who")
    assert l2_of_tied(household, single) == l2_of_table(household) * VOTE


@pytest.mark.parametrize("instances", range(1, 40))
def test_weights_share_the_votes_and_never_exceed_them(instances: int) -> None:
    for votes in (1, 2, 7):
        weight = tied_weight(votes=votes, instances=instances)
        assert weight * instances <= votes * VOTE
        assert weight <= VOTE
        if instances <= 16:
            assert weight * max(instances, votes) == VOTE * votes


def test_votes_by_norm_count_what_differs_more_than_what_is_alike() -> None:
    """Four members in four cells, and four in one: the first cast 4/2 votes each way, the others 1 in all."""
    domain = Domain(("size", "m0", "m1", "m2", "m3"), (5, 4, 4, 4, 4))
    slots = tuple(Clique.of(f"m{place}") for place in range(4))
    clique = TiedClique("size", (0, 1, 2, 3, 4), slots, (0, 0, 0, 0), 1, by_norm=True)
    assert (honest(np.array([[4, 0, 1, 2, 3]]), domain, clique) == VOTE // 2).all()
    assert honest(np.array([[4, 1, 1, 1, 1]]), domain, clique).tolist() == [[0, VOTE, 0, 0]]


def test_rows_in_several_parts_count_as_in_one(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    domain, clique, _ = next(case for case in (random_case(rng) for _ in range(99)) if case[1].by_norm)
    codes = adversarial(rng, domain, 50)
    whole = honest(codes, domain, clique)
    monkeypatch.setattr(norms, "MOST_CELLS", 40)
    assert (honest(codes, domain, clique) == whole).all()


def test_an_auditors_own_bound_is_the_one_that_was_charged() -> None:
    rng = np.random.default_rng(5)
    for _ in range(60):
        _, clique, unit = random_case(rng)
        facts = {"kind": "table", "parts": VOTE, "cliques": [clique.to_json()],
                 "unit": {"k": unit.k, "neighbours": unit.neighbours}}  # fmt: skip
        assert math.sqrt(verify_prices._least_square(facts)) == pytest.approx(l2_of_tied(unit, clique))
        assert any_clique(clique.to_json()) == clique


def test_a_tied_table_is_released_through_the_door() -> None:
    """Its whole numbers take OpenDP's noise like any other table, at the price of its own bound."""
    domain = Domain(("size", "m0", "m1"), (3, 2, 2))
    clique = TiedClique("size", (0, 1, 2), (Clique.of("m0"), Clique.of("m1")), (0, 0), 1)
    table = honest(np.array([[2, 0, 1], [1, 1, 0]] * 500), domain, clique)
    door = opendp_door.gaussian(sensitivity=l2_of_tied(PrivacyUnit(), clique), rho=Decimal("0.5"))
    assert door.rho <= Decimal("0.5")
    noisy = door.release(table.ravel()) / VOTE
    assert np.abs(noisy - [250, 750]).max() < 8


BAD: list[tuple[tuple[Any, ...], str]] = [
    (("size", (0, 1), (Clique.of("a"),), (0,), 2001, True), "at most 2000"),
    (("size", (0, 1), (), (), 1), "needs slots"),
    (("size", (0, 1), (Clique.of("a"),), (0, 0), 1), "one block for each"),
    (("size", (0, 1), (Clique.of("a"),), (1,), 1), "without gaps"),
    (("size", (0, 2), (Clique.of("a"),), (0,), 1), "between none and all"),
    (("size", (0, 1), (Clique.of("a"),), (0,), 0), "at least one vote"),
    (("size", (0, 0), (Clique.of("a"),), (0,), 1), "at least one size have a slot"),
    (("size", (0, 1), (Clique.of("size"),), (0,), 1), "not among a slot's columns"),
]


@pytest.mark.parametrize(("parts", "rule"), BAD, ids=[row[1] for row in BAD])
def test_a_malformed_tied_clique_is_refused(parts: tuple[Any, ...], rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        TiedClique(*parts)


def test_a_tied_clique_must_fit_its_domain() -> None:
    domain = Domain(("size", "a", "b"), (2, 3, 4))
    counter = NumpyCounter(np.zeros((1, 3), dtype=int), domain)
    with pytest.raises(ValueError, match="one shape"):
        tied.tables(counter, [TiedClique("size", (0, 2), (Clique.of("a"), Clique.of("b")), (0, 0), 1)])
    with pytest.raises(ValueError, match="each code of size"):
        tied.tables(counter, [TiedClique("size", (0, 1, 1), (Clique.of("a"),), (0,), 1)])
