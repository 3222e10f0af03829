"""The paper's experiment: its law, its measures, the planner beside it, and what a model costs by the number of rows.

Shares of 100,000 drawn rows may differ by six standard deviations: a false alarm in 10^8 runs each.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from benchmarks import ecommerce, paper, paper_greedy, paper_metrics, records, report_paper

MANY = 100_000


@pytest.fixture(scope="module")
def drawn() -> pd.DataFrame:
    return ecommerce.draw(MANY, seed=0)


@pytest.fixture(scope="module")
def real() -> pd.DataFrame:
    return ecommerce.draw(ecommerce.ROWS, seed=0)


def near(share: float, expected: float, rows: int) -> bool:
    return abs(share - expected) < 6 * math.sqrt(expected * (1 - expected) / rows)


# --- the law


def test_the_law_is_the_papers(drawn: pd.DataFrame) -> None:
    assert near((drawn["gender"] == "Male").mean(), 0.45, MANY)
    assert near((drawn["location"] == "Developed").mean(), 0.40, MANY)
    for location, online in (("Developed", 0.70), ("Developing", 0.40)):
        there = drawn[drawn["location"] == location]
        assert near((there["payment"] == "Online").mean(), online, len(there))


@pytest.mark.parametrize(
    ("low", "high", "gender", "chances"),
    [(18, 35, "Male", (0.50, 0.25, 0.05, 0.20)), (35, 55, "Female", (0.10, 0.20, 0.55, 0.15)),
     (55, 91, "Male", (0.10, 0.10, 0.65, 0.15))],
)  # fmt: skip
def test_goods_follow_age_and_gender(
    drawn: pd.DataFrame, low: int, high: int, gender: str, chances: tuple[float, ...]
) -> None:
    # Ages are rounded after the group is known: a cent of a year around its edges belongs to either.
    group = drawn[(drawn["age"] > low + 0.01) & (drawn["age"] < high - 0.01) & (drawn["gender"] == gender)]
    for category, chance in zip(ecommerce.CATEGORIES, chances, strict=True):
        assert near((group["category"] == category).mean(), chance, len(group)), category


def test_numbers_stay_in_their_bounds_and_prices_follow_goods(drawn: pd.DataFrame) -> None:
    assert drawn["age"].between(18, 90).all()
    assert drawn["price"].between(0, 2000).all()
    means = drawn.groupby("category")["price"].mean()
    assert means["Electronics"] > means["Furniture & Appliances"] > means["Food & Beverages"]
    assert (drawn["price"] * 100).round(6).mod(1).lt(1e-6).all(), "two decimals, as in a file"


def test_the_same_seed_draws_the_same_rows_and_another_one_others() -> None:
    one, again, other = (ecommerce.draw(50, seed=seed) for seed in (3, 3, 4))
    assert one.equals(again)
    assert not one.equals(other)


def test_every_drawn_row_fits_the_declaration(real: pd.DataFrame) -> None:
    known = ecommerce.declared()
    codes = ecommerce.coded(real, known)
    assert codes.shape == (len(real), 6)
    assert (codes >= 0).all()
    assert (codes < np.array(known.domain.sizes)).all()


# --- the measures


def test_a_table_is_at_no_distance_from_itself(real: pd.DataFrame) -> None:
    told = paper_metrics.figures(real, real)
    assert set(told["marginals"].values()) == {0.0}
    assert {value for groups in told["nats"].values() for value in groups.values()} == {0.0}


def test_distances_are_in_their_own_units(real: pd.DataFrame) -> None:
    moved = real.assign(price=real["price"] + 10, gender="Male")
    told = paper_metrics.figures(real, moved)["marginals"]
    assert told["price"] == pytest.approx(10, abs=1e-6)
    assert told["gender"] == pytest.approx((real["gender"] == "Female").mean())
    assert (told["age"], told["location"]) == (0, 0)


def test_tables_that_share_no_cell_are_ln_2_apart_and_every_convention_says_so(real: pd.DataFrame) -> None:
    online, cash = (real.assign(payment=payment) for payment in ecommerce.PAYMENTS)
    nats = paper_metrics.figures(online, cash)["nats"]
    assert {round(groups["lm"], 12) for groups in nats.values()} == {round(math.log(2), 12)}
    turned = {name: turn(math.log(2)) for name, turn in paper_metrics.CONVENTIONS.items()}
    assert turned["distance, base 2"] == turned["divergence, base 2"] == pytest.approx(1)
    assert turned["divergence, base e"] == pytest.approx(math.log(2))
    assert turned["distance, base e"] == pytest.approx(math.sqrt(math.log(2)))


def test_bins_are_equal_in_width_or_in_rows(real: pd.DataFrame) -> None:
    assert paper_metrics.edges("age", "6", real) == pytest.approx([30, 42, 54, 66, 78])
    shares = np.bincount(np.digitize(real["price"], paper_metrics.edges("price", "6 quantiles", real))) / len(real)
    assert shares == pytest.approx([1 / 6] * 6, abs=0.002)


# --- the planner in the paper's own loop


def test_the_planner_meets_the_tables_it_sees(real: pd.DataFrame) -> None:
    made = paper_greedy.make(real, seed=0)
    assert len(made) == len(real)
    assert made["age"].between(18, 90).all()
    assert made["price"].between(0, 2000).all()
    told = paper_metrics.figures(real, made)
    assert told["marginals"]["gender"] < 0.01
    assert told["marginals"]["age"] < report_paper.PAPER["age"]
    redrawn = paper_metrics.figures(real, ecommerce.draw(len(real), seed=9))
    assert told["nats"]["6"]["agc"] < redrawn["nats"]["6"]["agc"], "it saw the group's exact counts"


def test_the_planner_repeats_itself(real: pd.DataFrame) -> None:
    assert paper_greedy.make(real, seed=1).equals(paper_greedy.make(real, seed=1))


# --- what a model costs


@pytest.mark.parametrize(
    ("text", "tokens"),
    [("", 0), ("v01", 2), ('"v01","v02"', 7), ("a word or two", 7), ("1234567", 3), ("snake_case", 3), ("日本 go", 3)],
)
def test_tokens_are_words_digits_and_marks(text: str, tokens: int) -> None:
    assert paper.pieces(text) == tokens


def test_what_was_asked_is_added_up() -> None:
    asked = paper.Asked(prompts=["tell me", "more"], answers=["v01"])
    assert asked.figures() == {
        "calls": 2, "prompt_bytes": 11, "answer_bytes": 3, "prompt_tokens": 4, "answer_tokens": 2,
    }  # fmt: skip


@pytest.fixture(scope="module")
def costs(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Lines of the command itself, for a small table and one of ten times the rows."""
    path = tmp_path_factory.mktemp("paper") / "costs.jsonl"
    paper.main(["--cost", "1000", "10000", "--epsilon", "1", "--record", str(path)])
    return records.read(path.parent)


def test_calls_and_tokens_do_not_follow_the_rows(costs: list[dict[str, Any]]) -> None:
    small, large = costs
    for line in costs:
        assert line["calls"] <= 12, "iterations bound them, whatever the rows"
        assert (line["prompt_tokens"] > 0) == (line["answer_tokens"] > 0) == (line["calls"] > 0)
        each = [line["prompt_tokens"] / max(line["calls"], 1), line["answer_tokens"] / max(line["calls"], 1)]
        assert each[0] < 15_000, "twelve differences and the columns"
        assert each[1] < 15_000, "five proposals"
    assert (small["rows"], large["rows"]) == (1000, 10_000)
    assert large["record_tokens"] == pytest.approx(small["record_tokens"], rel=0.05)
    assert large["prompt_tokens"] + large["answer_tokens"] < large["rows"] * large["record_tokens"] / 2


# --- the page


def line(method: str, **changed: Any) -> dict[str, Any]:
    nats = {bins: dict.fromkeys(paper_metrics.GROUPS, 0.01) for bins in paper_metrics.BINS}
    marginals = {"age": 0.5, "gender": 0.01, "location": 0.01, "category": 0.01, "price": 5.0, "payment": 0.01}
    return {"kind": "paper", "rows": 2000, "method": method, "seed": 0, "marginals": marginals, "nats": nats} | changed


COST = {
    "kind": "paper-cost", "rows": 20_000, "calls": 2, "prompt_tokens": 5_000, "answer_tokens": 1_000,
    "record_tokens": 40.0,
}  # fmt: skip


def test_the_page_says_means_beside_the_papers_row() -> None:
    second = line("exact, embedded", seed=1)
    second["marginals"] = second["marginals"] | {"age": 1.5}
    text, drawings = report_paper.page([line("exact, embedded"), second, line("private, embedded", epsilon=1.0), COST])
    assert "| the paper's LLMSynthor, exact | 1.13 | 0.002 |" in text
    assert "| exact, embedded | 1.00 | 0.0100 |" in text
    assert "| private, embedded at epsilon 1 | 0.50 |" in text
    assert "Means of 2 runs" in text
    assert f"| 6 | distance, base 2 | exact, embedded | {math.sqrt(0.01 / math.log(2)):.4f} |" in text
    assert list(drawings) == ["paper.svg"]


def test_the_page_says_what_a_model_costs_beside_record_by_record() -> None:
    text, _ = report_paper.page([line("exact, embedded"), COST])
    assert "| 20,000 | 2 | 5,000 | 1,000 | 300 | 40,000 |" in text
    assert "answers about 40 tokens for each, so 40,000 for 1,000 records" in text


def test_without_a_run_there_is_no_page() -> None:
    assert report_paper.page([COST]) == ("", {})


def test_the_recorded_lines_say_it_too() -> None:
    """The lines behind docs/benchmarks-paper.md: calls stay few while the rows grow a hundredfold."""
    told = [
        one for one in records.read(Path(__file__).parents[2] / "docs" / "benchmarks") if one["kind"] == "paper-cost"
    ]
    assert [one["rows"] for one in told] == [2_000, 20_000, 200_000]
    assert max(one["calls"] for one in told) <= 12
    assert all(one["prompt_tokens"] + one["answer_tokens"] < 100_000 for one in told)


# --- the command


@pytest.mark.parametrize("wrong", [["--runs", "0"], ["--epsilon", "0"], ["--cost", "0"], ["--only", "magic"]])
def test_what_makes_no_sense_is_refused(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        paper.main(wrong)
    assert capsys.readouterr().err


def test_a_run_prints_its_lines_and_keeps_its_tables(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paper.main(["--runs", "1", "--only", "redrawn", "greedy", "--out", str(tmp_path)])
    lines = [json.loads(text) for text in capsys.readouterr().out.splitlines()]
    assert [one["method"] for one in lines] == ["redrawn", "greedy"]
    assert all(one["kind"] == "paper" and one["rows"] == 2000 for one in lines)
    assert len(list(tmp_path.glob("*.csv"))) == 2


def test_methods_run_once_for_each_proposer_and_epsilon() -> None:
    asked = paper._arguments(["--only", "exact", "private", "named", "greedy", "--epsilon", "1", "10"])
    names = [tuple(paper._named(about).values()) for about in paper._methods(asked)]
    assert names[:3] == [("exact, embedded",), ("exact, obliging",), ("exact, informed",)]
    assert ("private, informed", 10.0) in names
    assert len(names) == len(set(names)) == 3 + 6 + 2 + 1
