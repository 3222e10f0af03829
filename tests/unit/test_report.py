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
    [found] = columns.columns(pairs, total, 100, lambda name: LABELS)
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
    wide, narrow = (
        {"columns": ["x", "y", "z"], "residual_over_sigma": 1.2}, {"columns": ["x", "y"], "residual_over_sigma": 2.0},
    )  # fmt: skip
    tables = [wide, narrow]
    [target] = purpose.targets(["x"], ["x", "y", "z", "w"], tables)
    assert [(one["column"], one["residual_over_sigma"], one["met"]) for one in target["with"]] == [
        ("y", 2.0, False), ("z", 1.2, True), ("w", None, False),
    ]  # fmt: skip
    assert target["unmeasured"] == ["w"]
    assert purpose.pairs_of(["x", "y", "w"], tables) == {("x", "y"): narrow, ("x", "w"): None, ("y", "w"): None}
    chance = wide | {"residual_over_sigma": 3.0, "band_over_sigma": 3.5}  # further off, and explained
    assert purpose.pairs_of(["x", "y"], [chance, narrow]) == {("x", "y"): narrow}


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


SHARES = np.array([0.4, 0.3, 0.2, 0.1])


def drawn(rows: int, shares: np.ndarray = SHARES, *, seed: int = 5) -> np.ndarray:
    return np.random.default_rng(seed).choice(4, rows, p=shares)[:, None]


def precise(made: np.ndarray) -> dict:
    """A report on these rows beside counts of 100,000, each off by some 50."""
    counts = one_way([int(share * 100_000) for share in SHARES], sigma=50.0)
    check = Check(Release("r", Domain(("x",), (4,)), (counts,), PrivacyUnit(), Decimal(1), Decimal(0)))
    check.add(made)
    return check.report(lambda name: LABELS)


def test_what_a_table_of_few_rows_misses_by_chance_is_told_with_its_figure_and_is_no_bad_fit() -> None:
    found = precise(drawn(400))
    [table] = found["tables"]
    assert table["sampling"] == pytest.approx(np.sqrt(np.mean(SHARES * (1 - SHARES) / 400)) * 100_000, rel=0.1)
    assert table["sampling_share"] == found["sampling_share"] > 0.99
    assert 1.5 < table["residual_over_sigma"] <= table["band_over_sigma"]
    assert (table["standing"], found["within_noise"], found["within_band"]) == ("sampling", 0, 1)
    told = purpose.fitness(found)["poor"]
    assert told[0].startswith(
        "Shares finer than 400 rows can tell: x differ from the statistics by more than their noise"
    )
    assert not any("The distribution of" in one for one in told)


def test_a_bad_fit_is_called_so_whatever_its_rows_and_many_rows_explain_nothing() -> None:
    skewed = np.array([0.2, 0.3, 0.2, 0.3])
    assert precise(drawn(400, skewed))["tables"][0]["standing"] == "beyond"
    many = precise(drawn(400_000))["tables"][0]
    assert many["band_over_sigma"] < 3
    assert precise(drawn(400_000, np.array([0.41, 0.29, 0.2, 0.1])))["tables"][0]["standing"] == "beyond"


def test_the_band_holds_what_drawing_rows_one_by_one_does() -> None:
    """Nineteen in twenty figures of a column lie within two deviations of both; with the noise's band alone few do."""
    within = {"band": 0, "both": 0}
    for seed in range(200):
        [column] = precise(drawn(400, seed=seed))["columns"]
        gaps = [(abs(one["noised"] - one["synthetic"]), one["both"]) for one in column["values"]]
        within["both"] += sum(gap <= both for gap, both in gaps)
        within["band"] += sum(gap <= column["band"] for gap, _ in gaps)
    assert within["both"] / 800 == pytest.approx(0.95, abs=0.02)
    assert within["band"] / 800 < 0.1


def test_a_report_of_earlier_days_that_knows_of_no_band_is_still_drawn() -> None:
    old = report_sample.report(5)
    for one in (old, *old["tables"], *old["columns"], *(value for each in old["columns"] for value in each["values"])):
        for name in ("within_band", "sampling", "sampling_share", "band_over_sigma", "standing", "both"):
            one.pop(name, None)
    html = page(old, report_sample.FACTS)
    assert 'id="sampling"' not in html
    assert 'class="dot chance"' not in html


def test_marks_stand_where_the_figures_say() -> None:
    assert [drawing.along(at) for at in (0, 2, 4, 99)] == [0, 380, 760, 760]
    found = [None, *({"residual_over_sigma": at} for at in (0.9, 1.5, 2, 9))]
    assert [drawing.level(one) for one in found] == [f"level-{at}" for at in range(5)]
    assert drawing.level({"residual_over_sigma": 9, "band_over_sigma": 9.1}) == "level-chance"
    column = told(one_way([10, 60, 9, 33]))
    first, reach = drawing.bars(column)["lines"][0], 0.6 + column["values"][0]["both"]
    assert first["width"] == pytest.approx(0.6 / reach * drawing.BARS_WIDTH, abs=0.1)
    assert first["least"] < first["low"] < first["mark"] < first["high"] < first["most"]


def test_the_page_names_the_loss_and_every_column_and_escapes_labels() -> None:
    html = page(report_sample.report(7), report_sample.FACTS)
    assert "epsilon =\n1 at delta = 0.000001 (rho = 0.02)" in html
    assert all(f"<h3>column_{at}</h3>" in html for at in range(7))
    assert "<script>" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
