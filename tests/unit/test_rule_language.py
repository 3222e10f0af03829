"""The rule language: what it means on codes, what it refuses and where, and that no text can do anything else."""

from __future__ import annotations

import json
import sys
from copy import deepcopy
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from privacy import mock, rule_meaning
from privacy.problems import SchemaError
from privacy.rule_syntax import DEEPEST, LONGEST, RuleError
from privacy.schema import Schema
from privacy.validity import Zero
from privacy.values import HardRule
from tests.malformed import CANARY, WHOLE
from tests.unit.test_privacy_schema import GOOD

COLUMNS = {column.name: column for column in Schema.parse(json.dumps(WHOLE)).columns}


def declared(*rules: str, base: dict[str, Any] = WHOLE) -> Schema:
    values = deepcopy(base) | {"rules": [{"rule": rule, "reason": "known"} for rule in rules]}
    return Schema.parse(json.dumps(values))


def refusal(*rules: str) -> tuple[str, str]:
    """Column and words of the one problem that a declaration with these rules has."""
    with pytest.raises(SchemaError) as error:
        declared(*rules)
    assert len(error.value.problems) == 1
    return error.value.problems[0].column, error.value.problems[0].rule


def holds(rule: str, **record: str | None) -> bool:
    """Whether a record, given by labels (None: missing), keeps the rule."""
    found = rule_meaning.compiled(rule, "", COLUMNS)
    cell = []
    for axis in found.clique.axes:
        column, label = COLUMNS[axis.column], record[axis.column.replace(".", "_")]
        code = column.null if label is None else column.labels.index(label)
        cell.append(axis.bins[code] if axis.bins else code)
    return bool(found.allowed[tuple(cell)])


@pytest.mark.parametrize(
    ("rule", "record", "kept"),
    [
        ('place == "here"', {"place": "here"}, True),
        ('place == "here"', {"place": None}, False),
        ('place != "here"', {"place": None}, True),
        ('place in ["there", "elsewhere"]', {"place": "elsewhere"}, True),
        ('place not in ["there", "elsewhere"]', {"place": "elsewhere"}, False),
        ("age < 20", {"age": "10 to 19"}, True),
        ("age < 20", {"age": "20 to 29"}, False),
        ("age < 20", {"age": None}, False),
        ("not age < 20", {"age": None}, True),
        ("age <= 19", {"age": "20 to 29"}, False),
        ("age >= 20", {"age": "20 to 29"}, True),
        ("age > 19", {"age": "10 to 19"}, False),
        ("age is null", {"age": None}, True),
        ("age is not null", {"age": None}, False),
        ("debt < 2.5", {"debt": "0 up to 2.5"}, True),
        ("debt <= 2.49", {"debt": "2.5 to 10"}, False),
        ("kids == 3", {"kids": "3"}, True),
        ("grade > 1", {"grade": "3"}, True),
        ("grade in [1, 2]", {"grade": "3"}, False),
        ("paid == true", {"paid": "yes"}, True),
        ('paid == "y"', {"paid": "no"}, False),
        ("kids <= grade", {"kids": "2", "grade": "2"}, True),
        ("kids <= grade", {"kids": "3", "grade": "1"}, False),
        ("age < 10 implies kids == 0", {"age": "0 to 9", "kids": "1"}, False),
        ("age < 10 implies kids == 0", {"age": "10 to 19", "kids": "1"}, True),
        ("kids == 0 or kids == 1 and age < 10", {"kids": "0", "age": "90 to 99"}, True),
        ("(kids == 0 or kids == 1) and age < 10", {"kids": "0", "age": "90 to 99"}, False),
        ("not not kids == 0", {"kids": "0"}, True),
        ("opens.hour >= 9", {"opens_hour": "08:00 to 08:59"}, False),
        ('disease == "heart"', {"disease": "heart"}, True),
    ],
)
def test_what_a_rule_says_of_a_record(rule: str, record: dict[str, str | None], kept: bool) -> None:
    assert holds(rule, **record) is kept


@pytest.mark.parametrize(
    ("rule", "column", "words"),
    [
        ("age < 15", "age", "character 7: a bin runs across this number: cut the bins at 15"),
        ("age <= 14", "age", "cut the bins at 15"),
        ("age == 12", "age", "character 8: no bin holds this number alone: cut the bins at 12 and 13"),
        ("debt > 1.25", "debt", "cut the bins at 1.3"),
        ("kids == 7", "kids", "beyond the column's bounds"),
        ("grade == 9", "grade", "not a declared value"),
        (f'place == "{CANARY}"', "place", "character 10: this is not a declared value"),
        ("kids is null", "kids", "never missing"),
        ('place < "here"', "place", "only numbers are smaller or larger"),
        ("place < 3", "place", "holds no numbers"),
        ("age < kids", "age", "each code is one number"),
        ("kids == kids", "kids", "compared with itself"),
        ("remark is null", "", "no measured column of this name"),
        ("kids == 1 or kids != 1", "", "forbids nothing"),
        ("kids == 1 and kids == 2", "", "no record can keep this rule"),
        ("kids = 1", "", "character 6: this character does not belong here"),
        ("kids == 1 implies age < 10 implies grade == 1", "", "character 28: put brackets"),
        ("(kids == 1", "", "character 11: ')' is missing"),
        ("kids == 1 grade == 2", "", "character 11: the rule should end here"),
        ("kids in []", "", "character 10: a value is expected"),
        ("__import__('os')", "", "character 12: this character does not belong here"),
        ("kids == 1 " * 200, "", f"at most {LONGEST} characters"),
        ("(" * (DEEPEST + 2) + "kids == 1" + ")" * (DEEPEST + 2), "", f"at most {DEEPEST} brackets"),
    ],
)
def test_a_bad_rule_is_told_by_column_and_place(rule: str, column: str, words: str) -> None:
    found = refusal(rule)
    assert found[0] == column
    assert found[1].startswith("rule 1, character ")
    assert words in found[1]
    assert CANARY not in found[1]


def test_rules_that_contradict_each_other_are_refused() -> None:
    assert "contradict" in refusal("kids == 0", "grade == 1 implies kids == 1", "grade == 1")[1]
    assert len(declared("kids == 0", "grade == 1 implies kids == 1").rules) == 2


@pytest.mark.parametrize("rules", [3, {}, ["kids == 1"], [{"reason": "x"}], [{"rule": "kids == 1", "because": "x"}]])
def test_what_is_no_list_of_rules_is_refused(rules: object) -> None:
    with pytest.raises(SchemaError, match="rule"):
        Schema.parse(json.dumps(GOOD | {"rules": rules}))


def test_columns_named_like_words_or_sentences_stand_in_backquotes() -> None:
    fields = [
        {"name": name, "type": "integer", "categories": [1, 2], "constraints": {"required": True}}
        for name in ("who", "in", "how many")
    ]
    unit = {"kind": "row", "means": "one row"}
    found = Schema.parse(
        json.dumps(GOOD | {"privacyUnit": unit, "fields": fields, "rules": [{"rule": "`in` <= `how many`"}]})
    )
    assert found.rules[0].clique.columns == ("in", "how many")


WORDS = ["and", "or", "not", "implies", "in", "is", "null", "true", "false", "(", ")", "[", "]", ",", "==", "!=", "<",
         "<=", ">", ">=", "kids", "age", "place", "visit.month", "paid", "`kids`", '"here"', '"\\""', "3", "-1", "2.5",
         "10", "__class__", "'", "\\", "\n", "é", "\x00", "9" * 30]  # fmt: skip


WATCHED: list[str] = []
"""What the interpreter was asked to run or open while ``watching`` is not empty."""
watching: list[bool] = []


def _watch(event: str, arguments: tuple[object, ...]) -> None:
    if watching and event in ("exec", "compile", "open", "os.system", "subprocess.Popen", "import"):
        WATCHED.append(event)


def carefully(text: str) -> HardRule | RuleError:
    """What becomes of a text; nothing may be run or opened on its account."""
    watching.append(True)
    try:
        return rule_meaning.compiled(text, "", COLUMNS)
    except RuleError as error:
        return error
    finally:
        watching.clear()


@pytest.fixture(scope="module")
def _watched() -> None:
    carefully("age < 20 implies kids == 0")  # whatever is loaded at the first call is loaded now
    sys.addaudithook(_watch)
    watching.append(True)
    eval("1 + 1")
    watching.clear()
    assert {"compile", "exec"} & set(WATCHED)  # the watch sees what it is there for
    WATCHED.clear()


@pytest.mark.usefixtures("_watched")
@settings(max_examples=250, deadline=None)
@given(st.one_of(st.text(max_size=60), st.lists(st.sampled_from(WORDS), max_size=25).map(" ".join)))
def test_any_text_is_a_rule_or_a_declared_error_and_is_never_run(text: str) -> None:
    found = carefully(text)
    assert WATCHED == []
    if isinstance(found, RuleError):
        assert 1 <= found.position <= len(text) + 1
        assert found.column in {"", *COLUMNS}
        assert 5 < len(found.problem) < 150
    else:
        assert 0 < found.allowed.mean() < 1


@pytest.mark.parametrize(
    "rules",
    [
        ("age < 20 implies kids == 0", "paid == true implies debt >= 0", 'place == "here" implies disease != "heart"'),
        ("kids == grade", "age is null implies paid is null"),
        ('visit.weekday == "Monday" implies opens.hour < 9', "born.year < 1950 implies kids == 0"),
    ],
)
def test_mock_rows_keep_the_rules_and_so_do_their_written_values(rules: tuple[str, ...]) -> None:
    schema = declared(*rules)
    codes = mock.codes(schema, rows=3000, seed=1)
    table = mock.table(schema, rows=3000, seed=1)
    again = np.array([[column.code(text) for text in table[column.source]] for column in schema.columns])
    for rule in schema.rules:
        zero = Zero.of(rule, schema.domain)
        assert zero.keeps(codes.T).all(), rule.text
        assert zero.keeps(again).all(), rule.text


def test_without_rules_nothing_changes_and_with_them_valid_rows_stay() -> None:
    plain, ruled = Schema.parse(json.dumps(WHOLE)), declared("age < 20 implies kids == 0")
    before, after = mock.codes(plain, rows=500, seed=4), mock.codes(ruled, rows=500, seed=4)
    kept = Zero.of(ruled.rules[0], ruled.domain).keeps(before.T)
    assert 0 < kept.sum() < len(kept)
    assert (before[kept] == after[kept]).all()
