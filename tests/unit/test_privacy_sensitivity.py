"""The claim everything rests on: one privacy unit moves a table, or a score, by no more than the bound says.

Random tables, units, bins and models; and counters with a planted defect, which the same check must catch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from privacy.dp.counting import NumpyCounter
from privacy.dp.sensitivity import l1_of_table, l2_of_table, linf_of_scores
from privacy.values import Axis, Clique, Domain, IntArray, PrivacyUnit
from tests.sizes import Note, Repeats

TRIALS = 1500
Count = Callable[[IntArray, Domain, Clique], IntArray]


def honest(codes: IntArray, domain: Domain, clique: Clique) -> IntArray:
    return NumpyCounter(codes, domain).counts(clique)


def scaled_by_rows(codes: IntArray, domain: Domain, clique: Clique) -> IntArray:
    """A defect: counts as shares of the number of rows, which one row moves everywhere."""
    return honest(codes, domain, clique) * 100 // max(len(codes), 1)


def counted_twice(codes: IntArray, domain: Domain, clique: Clique) -> IntArray:
    """A defect: the rows of one cell also count in the next."""
    counts = honest(codes, domain, clique)
    return counts + np.roll(counts, 1)


def random_case(rng: np.random.Generator) -> tuple[Domain, Clique, PrivacyUnit]:
    sizes = rng.integers(1, 7, size=rng.integers(1, 5))
    domain = Domain(tuple(f"x{i}" for i in range(len(sizes))), tuple(map(int, sizes)))
    chosen = rng.permutation(len(sizes))[: rng.integers(1, len(sizes) + 1)]
    axes = tuple(random_axis(rng, domain.columns[i], domain.sizes[i]) for i in chosen)
    k = int(rng.integers(1, 6))
    neighbours: Any = rng.choice(["add-remove", "change-one"])
    unit = PrivacyUnit("identifier", k, "who", neighbours) if k > 1 else PrivacyUnit("row", 1, None, neighbours)
    return domain, Clique(axes), unit


def random_axis(rng: np.random.Generator, column: str, size: int) -> Axis:
    if rng.random() < 0.5:
        return Axis(column)
    bins = np.unique(rng.integers(0, size, size), return_inverse=True)[1]
    return Axis(column, tuple(map(int, bins)))


def random_rows(rng: np.random.Generator, domain: Domain, rows: int) -> IntArray:
    """Rows of one unit; half of the time all alike, which is the worst case for the L2 bound."""
    drawn = rng.integers(0, domain.sizes, size=(rows, len(domain.sizes)))
    return np.repeat(drawn[:1], rows, axis=0) if rows and rng.random() < 0.5 else drawn


def neighbours(rng: np.random.Generator, domain: Domain, unit: PrivacyUnit) -> tuple[IntArray, IntArray]:
    """Two data sets that differ in one unit."""
    others = random_rows(rng, domain, int(rng.integers(0, 30)))
    one = random_rows(rng, domain, int(rng.integers(1, unit.k + 1)))
    other = random_rows(rng, domain, int(rng.integers(0, unit.k + 1)))
    if unit.neighbours == "add-remove":
        return np.vstack([others, one]), others
    return np.vstack([others, one]), np.vstack([others, other])


def score(counts: IntArray, expected: IntArray) -> int:
    return int(np.abs(counts - expected).sum())


def largest_excess(count: Count, *, seed: int, trials: int = TRIALS) -> dict[str, float]:
    """How far each change went beyond its bound, at most, over many random neighbours."""
    rng, excess = np.random.default_rng(seed), {"l1": -np.inf, "l2": -np.inf, "score": -np.inf}
    for _ in range(trials):
        domain, clique, unit = random_case(rng)
        left, right = (count(codes, domain, clique) for codes in neighbours(rng, domain, unit))
        expected = rng.integers(-5, 30, size=clique.shape(domain))
        change = (left - right).astype(float)
        moved = abs(score(left, expected) - score(right, expected))
        excess["l1"] = max(excess["l1"], np.abs(change).sum() - l1_of_table(unit))
        excess["l2"] = max(excess["l2"], float(np.linalg.norm(change)) - l2_of_table(unit))
        excess["score"] = max(excess["score"], moved - linf_of_scores(unit))
    return excess


@pytest.mark.long_sizes
def test_no_unit_moves_a_table_or_a_score_beyond_its_bound(is_long: bool, repeats: Repeats, note: Note) -> None:
    trials = 0
    for seed in repeats(20 if is_long else 1):
        found = largest_excess(honest, seed=100 + seed)
        trials += TRIALS
        for name, excess in found.items():
            assert excess <= 0, name
    size = f"{trials} random schemas, units and neighbours"
    note("C3", "one unit's change of a table and of a score", size, "0 beyond the bound", "L1, L2 and score bounds")


def test_the_bounds_are_reached_so_they_are_not_loose() -> None:
    excess = largest_excess(honest, seed=2)
    assert excess["l1"] == 0
    assert excess["score"] == 0
    assert excess["l2"] == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("defect", [scaled_by_rows, counted_twice])
def test_a_planted_defect_of_counting_is_caught(defect: Count) -> None:
    assert max(largest_excess(defect, seed=3).values()) > 0


@pytest.mark.parametrize("k", [1, 2, 3, 7, 10_000])
def test_roots_are_rounded_up(k: int) -> None:
    unit = PrivacyUnit("identifier", k, "who", "change-one")
    assert l2_of_table(unit) ** 2 >= 2 * k**2
    assert l2_of_table(PrivacyUnit("identifier", k, "who")) == k


def test_a_code_outside_its_domain_is_refused_without_naming_it() -> None:
    with pytest.raises(ValueError, match="column a") as refused:
        NumpyCounter(np.array([[987654321]]), Domain(("a",), (3,)))
    assert "987654321" not in str(refused.value)


def test_counts_are_those_of_a_plain_loop() -> None:
    rng = np.random.default_rng(4)
    domain = Domain(("a", "b"), (3, 4))
    codes = rng.integers(0, domain.sizes, size=(200, 2))
    clique = Clique((Axis("b", (0, 0, 1, 2)), Axis("a")))
    by_hand = np.zeros((3, 3), dtype=int)
    for a, b in codes:
        by_hand[(0, 0, 1, 2)[b], a] += 1
    assert (NumpyCounter(codes, domain).counts(clique) == by_hand).all()
