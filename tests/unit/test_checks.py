"""Quality is measured against the noised statistics, in units of their noise."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest

from privacy.values import Clique, Domain, HardRule, NoisyMarginal, PrivacyUnit, Release
from synthesis import checks

DOMAIN = Domain(("a", "b", "c"), (2, 2, 2))


def release(pair: list[list[int]], sigma: float = 1.0) -> Release:
    one = NoisyMarginal(Clique.of("a"), np.array([60, 40]), sigma, "1/0")
    two = NoisyMarginal(Clique.of("a", "b"), np.array(pair), sigma, "2/0")
    return Release("r", DOMAIN, (one, two), PrivacyUnit(), Decimal(1), Decimal(0))


def table(pair: list[list[int]]) -> np.ndarray:
    rows = [(a, b, 0) for a in (0, 1) for b in (0, 1) for _ in range(pair[a][b])]
    return np.array(rows, dtype=np.int64)


def report(of: Release, *shards: np.ndarray, rules: tuple[HardRule, ...] = ()) -> dict:
    check = checks.Check(of, rules)
    for shard in shards:
        check.add(shard)
    return check.report(lambda column: ["0", "1"])


def test_shards_are_checked_as_one_table() -> None:
    of, whole = release([[50, 10], [20, 20]], sigma=3), table([[48, 12], [25, 15]])
    assert report(of, whole) == report(of, whole[:31], whole[31:])
    assert report(of, whole)["rows"] == 100


def test_records_that_break_a_rule_are_counted() -> None:
    never_both = HardRule("a == 0 or b == 0", "so it is", Clique.of("a", "b"), np.array([[True, True], [True, False]]))
    check = checks.Check(release([[50, 10], [20, 20]]), (never_both,))
    check.add(table([[50, 10], [20, 0]]))
    assert check.violations == 0
    check.add(table([[0, 0], [5, 3]]))
    assert check.violations == 3
    found = check.report(lambda column: ["0", "1"])
    assert found["rules"] == [{"rule": "a == 0 or b == 0", "reason": "so it is", "violations": 3}]


def test_a_table_that_has_the_released_counts_is_at_distance_zero() -> None:
    found = report(release([[50, 10], [20, 20]]), table([[50, 10], [20, 20]]))
    assert found["tvd2_vs_noised"] == 0
    assert found["within_noise"] == 1


def test_distance_is_total_variation_whatever_the_number_of_rows() -> None:
    found = report(release([[50, 10], [20, 20]]), table([[100, 20], [80, 0]]))
    assert found["tvd2_vs_noised"] == pytest.approx(0.2)


def test_residuals_are_in_units_of_noise_and_the_worst_table_comes_first() -> None:
    found = report(release([[50, 10], [20, 20]], sigma=10), table([[60, 0], [20, 20]]))
    assert found["tables"][0]["columns"] == ["a", "b"]
    assert found["tables"][0]["residual_over_sigma"] == pytest.approx(np.sqrt((100 + 100) / 4) / 10, abs=1e-3)


def test_pairs_that_were_never_measured_are_named() -> None:
    found = report(release([[50, 10], [20, 20]]), table([[50, 10], [20, 20]]))
    assert found["never_measured"] == [["a", "c"], ["b", "c"]]
