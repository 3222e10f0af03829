"""What a package's report says follows from released figures alone, and says no more than they do."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest

from privacy.values import Axis, Clique, Domain, NoisyMarginal, PrivacyUnit, Release
from synthesis.checks import Check
from synthesis.report import columns, drawing, purpose
from synthesis.report.page import page
from tests import report_sample

LABELS = ["a", "b", "c", "d"]


def one_way(counts: list[int], *, sigma: float = 5.0, bins: tuple[int, ...] = ()) -> NoisyMarginal:
    return NoisyMarginal(Clique((Axis("x", bins),)), np.array(counts), sigma, "1/0")


def told(*tables: NoisyMarginal, synthetic: list[float] | None = None, total: float = 100.0) -> dict:
    pairs = [(np.array(synthetic or table.counts, dtype=float), table) for table in tables]
    [found] = columns.columns(pairs, total, lambda name: LABELS)
    return found


def test_values_stand_in_the_order_of_their_released_counts_as_shares() -> None:
    found = told(one_way([10, 60, -3, 33]), synthetic=[12, 58, 0, 30])
    assert [(one["value"], one["noised"], one["synthetic"]) for one in found["values"]] == [
        ("b", 0.6, 0.58), ("d", 0.33, 0.3), ("a", 0.1, 0.12), ("c", 0, 0),
    ]  # fmt: skip
    assert found["band"] == 0.1  # two standard deviations of 5 rows in 100


def test_a_value_that_cannot_be_told_from_none_is_called_rare() -> None:
    found = told(one_way([10, 60, 9, 33]))
    assert (found["rare"], found["rare_values"]) == (["c"], 1)


def test_of_two_releases_of_a_column_the_more_precise_one_is_shown_and_coarse_ones_never() -> None:
    coarse = one_way([70, 30], sigma=0.1, bins=(0, 0, 1, 1))
    found = told(one_way([10, 60, 9, 33], sigma=9), one_way([20, 50, 9, 33], sigma=3), coarse)
    assert [one["noised"] for one in found["values"]] == [0.5, 0.33, 0.2, 0.09]


def test_of_many_values_the_rarest_stand_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns, "SHOWN", 2)
    found = told(one_way([10, 60, 9, 33]))
    assert len(found["values"]) == 2
    assert found["others"] == {"values": 2, "noised": 0.19, "synthetic": 0.19}


def test_a_pair_counts_as_measured_where_a_larger_table_holds_it() -> None:
    tables = [
        {"columns": ["x", "y", "z"], "residual_over_sigma": 1.2}, {"columns": ["x", "y"], "residual_over_sigma": 2.0},
    ]  # fmt: skip
    [target] = purpose.targets(["x"], ["x", "y", "z", "w"], tables)
    assert [(one["column"], one["residual_over_sigma"], one["met"]) for one in target["with"]] == [
        ("y", 2.0, False), ("z", 1.2, True), ("w", None, False),
    ]  # fmt: skip
    assert target["unmeasured"] == ["w"]
    assert purpose.pairs_of(["x", "y", "w"], tables) == {("x", "y"): 2.0, ("x", "w"): None, ("y", "w"): None}


def test_a_table_that_follows_its_statistics_is_said_to_be_fit_and_a_wrong_one_is_not() -> None:
    release = Release("r", Domain(("x",), (4,)), (one_way([25] * 4),), PrivacyUnit(), Decimal(1), Decimal(0))
    rows = {"even": [25] * 4, "odd": [70, 10, 10, 10]}
    reports = {}
    for name, counts in rows.items():
        check = Check(release)
        check.add(np.repeat(np.arange(4), counts)[:, None])
        reports[name] = purpose.fitness(check.report(lambda column: LABELS))
    assert "How 1 of 1 columns are distributed, to within the noise shown." in reports["even"]["good"]
    assert not any("The distribution of" in one for one in reports["even"]["poor"])
    assert any(one.startswith("The distribution of x:") for one in reports["odd"]["poor"])


def test_marks_stand_where_the_figures_say() -> None:
    assert [drawing.along(at) for at in (0, 2, 4, 99)] == [0, 380, 760, 760]
    assert [drawing.level(at) for at in (None, 0.9, 1.5, 2, 9)] == [f"level-{at}" for at in range(5)]
    drawn = drawing.bars(told(one_way([10, 60, 9, 33])))
    assert drawn["lines"][0]["width"] == pytest.approx(0.6 / 0.7 * drawing.BARS_WIDTH, abs=0.1)
    assert drawn["lines"][0]["low"] < drawn["lines"][0]["mark"] < drawn["lines"][0]["high"]


def test_the_page_names_the_loss_and_every_column_and_escapes_labels() -> None:
    html = page(report_sample.report(7), report_sample.FACTS)
    assert "epsilon =\n1 at delta = 0.000001 (rho = 0.02)" in html
    assert all(f"<h3>column_{at}</h3>" in html for at in range(7))
    assert "<script>" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
