"""The page's goals: what was asked, what is reached, and what is said of a goal that is not."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from benchmarks import bounds, proposers, report_goals
from privacy.dp.counting import NumpyCounter
from privacy.values import Clique, Domain, NoisyMarginal, PrivacyUnit, Release

AUC = report_goals.Goal("adult", 1.0, "auc", 0.9)
TVD = report_goals.Goal("adult", 1.0, "tvd2", 0.04)


def peer(synthesizer: str, **figures: Any) -> dict[str, Any]:
    return {
        "kind": "peers", "data": "adult", "epsilon": 1.0, "synthesizer": synthesizer, "seed": 0, "cpu_seconds": 20.0,
        "peak_mib": 200, "tvd2": 0.03, "tvd3": 0.08, "auc": 0.92,
    } | figures  # fmt: skip


def bound(method: str, **figures: Any) -> dict[str, Any]:
    return {
        "kind": "bounds", "data": "adult", "epsilon": 1.0, "method": method, "seed": 0, "tvd2": 0.03, "tvd3": 0.08,
        "auc": 0.92,
    } | figures  # fmt: skip


def test_a_mean_comes_with_its_standard_error() -> None:
    mean, error = report_goals.mean_and_error([1.0, 3.0])
    assert (mean, error) == (2.0, pytest.approx(1.0))
    assert math.isnan(report_goals.mean_and_error([1.0])[1])


def test_more_auc_and_less_distance_are_better() -> None:
    assert report_goals.verdict(AUC, 0.91, 0.001) == report_goals.verdict(TVD, 0.03, 0.001) == "met"
    assert report_goals.verdict(AUC, 0.899, 0.001) == "met within error"
    assert report_goals.verdict(TVD, 0.05, 0.001) == "missed by 25.0 %"
    assert report_goals.verdict(TVD, 0.041, math.nan) == "missed by 2.5 %"


def test_the_page_names_the_best_peer_of_each_figure_and_leaves_out_failed_runs() -> None:
    lines = [
        peer("ours-purpose"), peer("one", tvd2=0.05, auc=0.8), peer("other", tvd2=0.06, auc=0.85),
        peer("ours-purpose", seed=1, failure="it broke", tvd2=9.0),
    ]  # fmt: skip
    text, figures = report_goals.section(lines)
    assert "| adult | 1 | TVD2 | 0.0340 | 0.0500 | 0.0300 | – | 1 | met |" in text
    assert "| adult | 1 | AUC | 0.9120 | 0.8500 | 0.9200 | – | 1 | met |" in text
    assert "adult | 10" not in text
    assert figures == {}


def test_a_missed_goal_says_whether_noise_is_to_blame() -> None:
    ours = [peer("ours-purpose", tvd3=0.1, auc=0.8)]
    made = [bound(method, tvd3=0.095, auc=0.93) for method in report_goals.METHODS]
    once, _ = report_goals.section(ours + made)
    assert "Bound by noise, by a single run, which moves as much by chance." in once
    text, _ = report_goals.section(ours + made + made)
    told = [line for line in text.splitlines() if line.startswith("- ")]
    assert len(told) == 2
    assert "TVD3" in told[0]
    assert told[0].endswith("Bound by what the bought tables say, noise or not.")
    assert "AUC" in told[1]
    assert told[1].endswith("Bound by noise.")


def test_one_column_at_a_time_is_compared_in_errors_of_the_difference() -> None:
    runs = [("ours", 0.02), ("ours", 0.04), ("one-way", 0.01), ("one-way", 0.03)]
    lines = [
        {"kind": "shapes", "shape": "odd", "method": m, "epsilon": 0.1, "seed": i // 2, "tvd2": v}
        for i, (m, v) in enumerate(runs)
    ]
    text, _ = report_goals.section([peer("ours-purpose"), *lines])
    assert "| odd | 0.1 | +0.0100 ± 0.0141 | +0.7 | 2 and 2 |" in text


def test_proposers_are_held_against_none() -> None:
    about = {"kind": "proposers", "data": "adult", "rows": 90, "public_rows": 10, "epsilon": 1.0, "seed": 0}
    lines = [about | {"method": m, "tvd2": v, "alone": 0.5} for m, v in (("embedded", 0.04), ("random", 0.05))]
    text, _ = report_goals.section([peer("ours-purpose"), *lines])
    assert "| 1 | embedded | 0.0400 | – | 0.500 | 1 |" in text
    assert "| 1 | random | 0.0500 | +25.0 % | 0.500 | 1 |" in text


def test_noise_is_taken_out_of_the_chosen_tables_alone() -> None:
    domain = Domain(("a", "b"), (2, 3))
    codes = np.array([[0, 1], [1, 2], [1, 2]])
    tables = [
        NoisyMarginal(clique, np.full(clique.shape(domain), 50), 9.0, "m")
        for clique in (Clique.of("a"), Clique.of("a", "b"))
    ]
    release = Release.of("r", domain, tables, PrivacyUnit(), Decimal(1), Decimal(0))
    one, pair = bounds.without_noise(release, codes, bounds.VARIANTS["one-way exact"][0]).marginals
    assert one.counts.tolist() == [1, 2]
    assert one.sigma < 1
    assert pair.counts.min() == 50
    assert pair.sigma == 9.0
    _, pair = bounds.without_noise(release, codes, bounds.VARIANTS["all exact"][0]).marginals
    assert np.array_equal(pair.counts, NumpyCounter(codes, domain).counts(Clique.of("a", "b")))


def test_public_and_private_rows_have_none_in_common() -> None:
    public, private = proposers.split(100, 30)
    assert len(public) == 30
    assert sorted([*public, *private]) == list(range(100))
    assert np.array_equal(public, proposers.split(100, 30)[0])
