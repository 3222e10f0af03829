"""The drawings and their words: what they show must be what the figures say."""

from __future__ import annotations

import itertools
from decimal import Decimal

import pytest
from django.template import Context, Template
from hypothesis import given
from hypothesis import strategies as st

from llmsynthor_site import charts
from llmsynthor_site.templatetags import site_tags
from synthesis import door
from synthesis.llm import replies
from synthesis.llm.base import Completion, Usage


def render(source: str, **context: object) -> str:
    return Template("{% load site_tags %}" + source).render(Context(context))


@pytest.mark.parametrize(("rho", "right"), [(0, 50), (0.05, 56), (0.125, 60), (0.5, 69), (2, 84), (200, 100)])
def test_odds_are_the_chance_of_the_best_guess(rho: float, right: int) -> None:
    assert charts.odds(rho).right == right


@given(st.floats(min_value=0, max_value=1e6))
def test_there_are_always_one_hundred_icons(rho: float) -> None:
    shown = charts.odds(rho)
    kinds = [icon.kind for icon in charts.icons(shown)]
    assert len(kinds) == 100
    assert kinds.count("base") == 50
    assert kinds.count("extra") == shown.right - 50


@pytest.mark.parametrize("rho", [-0.1, float("nan")])
def test_odds_refuse_a_loss_that_is_none(rho: float) -> None:
    with pytest.raises(ValueError, match="rho"):
        charts.odds(rho)


def test_odds_say_in_words_what_they_draw() -> None:
    html = render("{% odds rho 'one household' %}", rho=Decimal("0.125"))
    assert "right at most about 60 times in 100" in html
    assert html.count('class="extra"') == 10
    assert "one household" in html


@given(st.lists(st.floats(min_value=0, max_value=1e9), min_size=1, max_size=5))
def test_parts_of_a_bar_touch_and_fill_it(amounts: list[float]) -> None:
    parts = charts.bar([(f"p{i}", amount) for i, amount in enumerate(amounts)])
    assert all(part.width > 0 for part in parts if part.amount)
    for before, after in itertools.pairwise(parts):
        assert after.x == pytest.approx(before.x + before.width)
    filled = parts[-1].x + parts[-1].width
    assert filled == pytest.approx(charts.BAR_WIDTH if any(amounts) else 0)


def test_a_bar_refuses_negative_parts() -> None:
    with pytest.raises(ValueError, match="negative"):
        charts.bar([("spent", -1.0)])


def test_budget_bar_shows_each_share_and_what_is_left() -> None:
    html = render(
        "{% budget_bar cap spent reserved request %}",
        cap=Decimal("1"),
        spent=Decimal("0.25"),
        reserved=Decimal("0"),
        request=Decimal("0.125"),
    )
    assert 'class="part-spent" x="0.00" y="0" width="250.00"' in html
    assert 'class="part-request" x="250.00" y="0" width="125.00"' in html
    assert "Left <strong>0.625</strong>" in html
    assert "does not fit" not in html


def test_budget_bar_says_when_a_request_does_not_fit() -> None:
    one, half = Decimal("1"), Decimal("0.6")
    html = render("{% budget_bar cap spent reserved request %}", cap=one, spent=half, reserved=Decimal(0), request=half)
    assert "does not fit under the cap" in html


def test_curve_is_drawn_inside_its_frame_and_falls_as_the_figures_do() -> None:
    chart = charts.line_chart([(1, 40.0), (2, 6.0), (3, 1.1)], floor=1.0)
    assert chart is not None
    assert chart.logarithmic
    heights = [y for _, y in chart.points]
    assert heights == sorted(heights), "a falling value moves down the page"
    assert heights[-1] < chart.floor_y <= chart.frame.bottom
    assert chart.points[0][0] == chart.frame.left
    assert chart.points[-1][0] == chart.frame.right


@given(st.lists(st.floats(min_value=0, max_value=1e12), min_size=1, max_size=60))
def test_any_curve_stays_inside_its_frame(values: list[float]) -> None:
    chart = charts.line_chart(list(enumerate(values, 1)), floor=1.0)
    assert chart is not None
    for x, y in chart.points:
        assert chart.frame.left - 0.01 <= x <= chart.frame.right + 0.01
        assert chart.frame.top - 0.01 <= y <= chart.frame.bottom + 0.01
    assert 2 <= len(chart.y_ticks) <= 9


def test_nothing_to_draw_says_so_instead_of_failing() -> None:
    assert charts.line_chart([], floor=1.0) is None
    assert charts.line_chart([(1, float("nan"))], floor=1.0) is None
    assert "after the first iteration" in render("{% discrepancy_chart rows %}", rows=[])


def test_chart_stands_beside_a_table_of_the_same_figures() -> None:
    rows: list[dict[str, object]] = [
        {"number": i, "residual": 8 / i, "tvd2": 0.1 / i, "accepted": i} for i in range(1, 9)
    ]
    rows[2] |= {"note": "2 valid proposals", "rejected": ["explains nothing <b>", "too many"]}
    html = render("{% discrepancy_chart rows %}", rows=rows)
    assert html.count('class="dot"') == 8
    assert "2 valid proposals" in html
    assert '<li class="break">explains nothing &lt;b&gt;</li>' in html
    assert html.count('<th scope="row">') == 8
    assert "1.25 %" in html


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "–"),
        (0, "0"),
        (Decimal("0.1250000"), "0.125"),
        (1234567, "1.235e6"),
        ("1e-9", "1e-9"),
        (0.02436, "0.02436"),
    ],
)
def test_figures_lose_no_meaning(value: object, shown: str) -> None:
    assert render("{{ value|plain }}", value=value) == shown


def test_hostile_text_is_escaped_in_drawings() -> None:
    html = render("{% odds 0.1 unit %}", unit="<script>alert(1)</script>")
    assert "<script>" not in html


@pytest.mark.parametrize(
    ("value", "shown"),
    [("0.5", "0.5"), (True, "true"), (None, "null"), ({"column": None, "k": 1}, '{"column": null, "k": 1}')],
)
def test_facts_stand_as_they_do_in_the_entry(value: object, shown: str) -> None:
    assert render("{% autoescape off %}{{ value|fact }}{% endautoescape %}", value=value) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("![x](http://127.0.0.1:9/)", "`![x](http://127.0.0.1:9/)`"),
        ("`out` of\nit | here", r"`'out' of it \| here`"),
        ('<img src="http://127.0.0.1:9/">', '`<img src="http://127.0.0.1:9/">`'),
    ],
)
def test_what_others_wrote_stays_text_in_markdown(text: str, shown: str) -> None:
    assert render("{% autoescape off %}{{ text|verbatim }}{% endautoescape %}", text=text) == shown


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        ("prompt_tokens", "Tokens of prompts"), ("completion_tokens", "Tokens of answers"), ("other", "Other"),
        ("prompt_tokens: the log holds 5", "Tokens of prompts: the log holds 5"),
        ("max_completion_tokens is refused", "Max_completion_tokens is refused"),
    ],
)  # fmt: skip
def test_figures_of_a_call_are_called_by_plain_words(told: str, shown: str) -> None:
    assert render("{{ told|in_words|capfirst }}", told=told) == shown


def test_every_figure_the_door_keeps_has_its_words() -> None:
    kept = door.usage(Completion(b"", usage=Usage(3, 4), seconds=1.5, rates=dict.fromkeys(replies.RATES, 1)))
    assert kept.keys() == site_tags.FIGURES.keys()
