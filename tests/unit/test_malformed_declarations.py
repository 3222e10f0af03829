"""Five hundred ways to get it wrong: each is refused by column and rule, without a value and without a traceback."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from privacy.codebook import CodebookRefused, draft_from
from privacy.plans import MeasurementPlan
from privacy.problems import Problem, SchemaError
from privacy.schema import Schema
from tests import malformed
from tests.malformed import CANARY, DOMAIN

COUNTS = {"declaration": 260, "unit": 60, "bounds": 80, "plan": 60, "codebook": 60}
HARMLESS_AT_MOST = 0.25
"""Some generated changes are allowed (a longer description, a second purpose); most must not be."""


def well_told(problems: Sequence[Problem], columns: set[str]) -> None:
    """Every problem has a rule and, if any, a column of the document; keys may be named, values may not."""
    assert problems
    for problem in problems:
        assert problem.column in columns
        assert 5 < len(problem.rule) < 200
        without_keys = problem.rule.split("does not apply here: ")[0].split("are named ")[0]
        assert CANARY not in without_keys, problem


def columns_of(values: object) -> set[str]:
    fields = values.get("fields") if isinstance(values, dict) else None
    named = [field.get("name") for field in fields if isinstance(field, dict)] if isinstance(fields, list) else []
    return {"", *(name for name in named if isinstance(name, str))}


def refused(column: str, values: object) -> bool:
    """Whether the declaration was refused, after a look at how."""
    try:
        Schema.parse(json.dumps(values))
    except SchemaError as error:
        well_told(error.problems, columns_of(values))
        return True
    return False


@pytest.mark.parametrize("kind", ["declaration", "unit", "bounds"])
def test_malformed_declarations(kind: str) -> None:
    make = {"declaration": malformed.declaration, "unit": malformed.unit_or_cap, "bounds": malformed.bounds_or_cuts}
    cases, number = 0, 0
    while cases < COUNTS[kind]:
        cases, number = cases + refused(*make[kind](number)), number + 1
    assert number * (1 - HARMLESS_AT_MOST) < cases


def test_a_broken_field_is_told_by_its_column() -> None:
    for number in range(60):
        column, values = malformed.bounds_or_cuts(number)
        with pytest.raises(SchemaError) as error:
            Schema.parse(json.dumps(values))
        assert column in {problem.column for problem in error.value.problems}, (number, error.value)


def test_malformed_plans() -> None:
    for number in range(COUNTS["plan"]):
        _, values = malformed.plan(number)
        with pytest.raises(ValueError) as error:
            MeasurementPlan.from_json(json.loads(json.dumps(values))).check(DOMAIN)
        assert 5 < len(str(error.value)) < 300


def test_malformed_codebooks() -> None:
    for number in range(COUNTS["codebook"]):
        _, content = malformed.codebook(number)
        with pytest.raises(CodebookRefused) as error:
            draft_from(content)
        assert error.value.problems
        assert CANARY not in str(error.value), number


def test_there_are_five_hundred() -> None:
    assert sum(COUNTS.values()) >= 500
