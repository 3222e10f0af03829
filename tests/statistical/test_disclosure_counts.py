"""Checks of a synthetic table against raw rows: their sensitivity holds on neighbouring tables, their noise is charged.

The same search over neighbours catches a count that is asked the wrong way round, and one that trusts a short hash.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from math import sqrt
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from privacy.dp import disclosure, matching
from privacy.dp.charging import MemoryLedger
from privacy.dp.disclosure import Comparison
from privacy.errors import NotAffordable
from privacy.values import Domain, IntArray, Measurement, PrivacyUnit

pytestmark = pytest.mark.statistical
TRIES = 400
Counted = Callable[[IntArray, IntArray, Domain], tuple[int, ...]]


def batches(rows: IntArray) -> matching.Batches:
    """Two batches, as the vault's passes come in several."""
    columns = [np.ascontiguousarray(column).astype(np.uint8) for column in rows.T]
    half = len(rows) // 2
    return lambda: ([column[:half] for column in columns], [column[half:] for column in columns])


def honest(synthetic: IntArray, rows: IntArray, domain: Domain) -> tuple[int, ...]:
    return Comparison(synthetic, "x", domain, 1).exact(batches(rows))


def wrong_way_round(synthetic: IntArray, rows: IntArray, domain: Domain) -> tuple[int, ...]:
    """Synthetic rows near a real one: one real row may decide about all of them."""
    return (matching.neighboured(np.unique(rows, axis=0), batches(synthetic), domain, radius=1),)


def by_hash(synthetic: IntArray, rows: IntArray, domain: Domain) -> tuple[int, ...]:
    """Distinct records looked up by a hash of few values: one real row is taken for several of them."""
    weights = np.arange(1, len(domain.columns) + 1)
    met = set(((rows * weights).sum(axis=1) % 5).tolist())
    distinct = np.unique(synthetic, axis=0)
    return (sum(int((record * weights).sum() % 5) in met for record in distinct),)


def worst(counted: Counted, *, k: int, exchanged: bool, seed: int) -> int:
    """The largest change of a count over random tables and the neighbours that hurt most: units of k equal rows,
    placed on synthetic records or next to many of them.
    """
    rng, most = np.random.default_rng(seed), 0
    for _ in range(TRIES):
        domain = Domain.from_mapping({f"c{at}": int(rng.integers(2, 4)) for at in range(int(rng.integers(2, 5)))})
        synthetic = draw(rng, domain, int(rng.integers(1, 30)))
        rest = draw(rng, domain, int(rng.integers(0, 6)))
        with_unit = np.concatenate([rest, unit_of(rng, domain, synthetic, k)])
        without = np.concatenate([rest, unit_of(rng, domain, synthetic, k)]) if exchanged else rest
        changes = zip(counted(synthetic, with_unit, domain), counted(synthetic, without, domain), strict=True)
        most = max(most, *(abs(one - other) for one, other in changes))
    return most


def draw(rng: np.random.Generator, domain: Domain, rows: int) -> IntArray:
    return np.stack([rng.integers(0, size, rows) for size in domain.sizes], axis=1).reshape(rows, len(domain.sizes))


def unit_of(rng: np.random.Generator, domain: Domain, synthetic: IntArray, k: int) -> IntArray:
    if rng.random() < 0.5:
        return draw(rng, domain, k)
    return synthetic[rng.integers(0, len(synthetic), k)]


@pytest.mark.parametrize("exchanged", [False, True], ids=["add-remove", "change-one"])
@pytest.mark.parametrize("k", [1, 3])
def test_no_unit_changes_a_count_by_more_than_what_it_is_charged_for(k: int, exchanged: bool) -> None:
    unit = PrivacyUnit("identifier", k, "who", "change-one" if exchanged else "add-remove")
    found = worst(honest, k=k, exchanged=exchanged, seed=k)
    assert found == disclosure.sensitivity(unit)  # reached, so that the bound is not idle


@pytest.mark.parametrize("planted", [wrong_way_round, by_hash])
def test_a_count_asked_the_wrong_way_round_or_by_hash_is_caught(planted: Counted) -> None:
    assert worst(planted, k=1, exchanged=False, seed=5) > 1


def brute(synthetic: IntArray, rows: IntArray, *, radius: int) -> tuple[int, int]:
    distances = (rows[:, None, :] != synthetic[None, :, :]).sum(axis=2)
    met = {tuple(record) for record in synthetic.tolist()} & {tuple(row) for row in rows.tolist()}
    return len(met), int((distances.min(axis=1) <= radius).sum()) if len(rows) else 0


@pytest.mark.parametrize("radius", [0, 1, 2])
def test_the_counts_are_those_of_comparing_every_pair(radius: int) -> None:
    rng = np.random.default_rng(radius)
    for rows in (0, 1, 50):
        domain = Domain.from_mapping({"a": 2, "b": 4, "c": 3, "d": 5})
        synthetic, real = draw(rng, domain, 20), draw(rng, domain, rows)
        assert Comparison(synthetic, "x", domain, radius).exact(batches(real)) == brute(synthetic, real, radius=radius)


def test_records_wider_than_one_number_are_compared_whole() -> None:
    """Sixty columns of a thousand values: 600 bits a record, which differ in the last column alone."""
    domain = Domain.from_mapping({f"c{at}": 1000 for at in range(60)})
    rng = np.random.default_rng(1)
    synthetic = draw(rng, domain, 40)
    rows = synthetic.copy()
    rows[:, -1] = (rows[:, -1] + 1) % 1000
    rows[:10] = synthetic[:10]
    wide = [np.ascontiguousarray(column).astype(np.uint16) for column in rows.T]
    assert Comparison(synthetic, "x", domain, 1).exact(lambda: (wide,)) == (10, 40)


def noised(rows: IntArray, *, charge: Any, rho: str, k: int = 2) -> tuple[disclosure.Compared, ...]:
    domain = Domain.from_mapping({"a": 2, "b": 3})
    comparison = Comparison(np.array([[0, 0], [1, 2]]), "t", domain, 1)
    unit = PrivacyUnit("identifier", k, "who")
    return disclosure.noised(comparison, opened=lambda: batches(rows), charge=charge, unit=unit, rho=Decimal(rho))


def test_the_noise_is_the_gaussian_that_was_charged() -> None:
    purse, rows = MemoryLedger(Decimal(1000)), np.array([[0, 0]] * 7 + [[0, 1]] * 3)
    many = [noised(rows, charge=purse, rho="0.02") for _ in range(800)]
    drawn: NDArray[np.int64] = np.array([[one.count for one in each] for each in many])
    truth, sigma = (1, 10), 2 / sqrt(2 * 0.01)
    for place in (0, 1):
        assert abs(drawn[:, place].mean() - truth[place]) < 5 * sigma / sqrt(800)
        assert stats.kstest(drawn[:, place] + np.random.default_rng(2).uniform(-0.5, 0.5, 800), "norm",
                            args=(truth[place], sigma)).pvalue > 1e-4  # fmt: skip
        off = stats.kstest(drawn[:, place] + 0.0, "norm", args=(truth[place], sigma / 2))
        assert off.pvalue < 1e-4  # noise of another width is told apart
    assert purse.spent <= 800 * Decimal("0.02")


def test_both_counts_are_charged_before_the_rows_are_opened() -> None:
    charged: list[Measurement] = []

    def broke(measurement: Measurement) -> str:
        charged.append(measurement)
        raise NotAffordable("no")

    def never() -> matching.Batches:
        raise AssertionError("the rows were opened")

    comparison = Comparison(np.array([[0, 0]]), "t", Domain.from_mapping({"a": 2, "b": 3}), 1)
    with pytest.raises(NotAffordable):
        disclosure.noised(comparison, opened=never, charge=broke, unit=PrivacyUnit(), rho=Decimal("0.1"))
    assert [one.kind for one in charged] == ["check"]
    assert charged[0].about == {"question": disclosure.OCCURRING, "table": "t", "radius": 1}


@pytest.mark.parametrize("radius", [-1, 2, 1.0, True])
def test_a_radius_that_is_none_is_refused(radius: Any) -> None:
    with pytest.raises(ValueError, match="radius"):
        Comparison(np.array([[0, 0]]), "t", Domain.from_mapping({"a": 2, "b": 3}), radius)
