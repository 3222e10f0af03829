"""Leaves of a tree of units: every level keeps to its maximum, a unit to its total, and no unit touches another."""

from __future__ import annotations

import json
import random
import re
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from privacy import mock
from privacy.bounding import Bounding
from privacy.nesting import NestedBounding
from privacy.problems import SchemaError
from privacy.schema import Schema
from privacy.schema_parts import Nesting
from privacy.values import PrivacyUnit
from tests import privacy_site

KEY = b"k" * 32
Row = tuple[str | None, ...]
names = st.sampled_from(["a", "b", "c", "d", None])
rows_of_two = st.lists(st.tuples(names, names, names), max_size=80)
caps = st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(1, 3))


def kept(
    rows: list[Any], most: tuple[int, ...], k: int, *, nulls: Any = "drop", key: bytes = KEY, cut: int = 0
) -> list[bool]:
    """``most``: the levels' maxima, then the rows of one member. ``cut``: where the file is cut into batches."""
    nesting = Nesting(tuple((f"level {place}", each) for place, each in enumerate(most[:-1])), most[-1])
    bounding = NestedBounding(PrivacyUnit("identifier", k, "who"), nesting, nulls=nulls, key=key)
    for part in (rows[:cut], rows[cut:]):
        columns = []
        for level in range(len(most)):
            distinct = sorted({row[level] for row in part}, key=str, reverse=True)
            columns.append((distinct, np.array([distinct.index(row[level]) for row in part], dtype=np.int32)))
        if part:
            bounding.add_all(columns)
    return bounding.kept().tolist()


def survivors(rows: list[Any], flags: list[bool]) -> list[Any]:
    return [row for row, flag in zip(rows, flags, strict=True) if flag]


@given(rows=rows_of_two, most=caps, k=st.integers(1, 8), nulls=st.sampled_from(["drop", "own-unit"]))
def test_no_level_and_no_unit_has_more_than_its_maximum(
    rows: list[Row], most: tuple[int, int, int], k: int, nulls: str
) -> None:
    stayed = survivors(rows, kept(rows, most, k, nulls=nulls))
    named = [row for row in stayed if row[0] is not None]
    assert all(total <= k for total in Counter(row[0] for row in named).values())
    for level, cap in enumerate(most[:-1]):
        members: dict[Any, set[Any]] = defaultdict(set)
        for place, row in enumerate(named):
            if None not in row[1 : level + 1]:
                members[row[: level + 1]].add(row[level + 1] or place)  # each missing one is a member of its own
        assert all(len(found) <= cap for found in members.values())
    whole = Counter(row for row in named if None not in row)
    assert all(total <= most[-1] for total in whole.values())


@given(rows=rows_of_two, most=caps, k=st.integers(1, 8))
def test_as_many_rows_stay_as_may(rows: list[Row], most: tuple[int, int, int], k: int) -> None:
    """With the members that were chosen, a unit keeps the lesser of k and what their own maxima leave."""
    flags = kept(rows, most, 10_000)
    by_unit = Counter(row[0] for row in survivors(rows, flags))
    capped = Counter(row[0] for row in survivors(rows, kept(rows, most, k)))
    assert capped == {unit: min(k, total) for unit, total in by_unit.items()}
    whole = [row for row in rows if None not in row]
    for unit in {row[0] for row in whole}:
        invoices = {row[1] for row in whole if row[0] == unit}
        stayed = {row[1] for row in survivors(rows, flags) if row[0] == unit}
        assert len(stayed) == min(most[0], len(invoices))
        for invoice in stayed:
            lines = Counter(row[2] for row in whole if row[:2] == (unit, invoice))
            left = Counter(row[2] for row in survivors(rows, flags) if row[:2] == (unit, invoice))
            assert len(left) == min(most[1], len(lines))
            assert all(left[line] == min(most[2], lines[line]) for line in left)


@given(rows=rows_of_two, most=caps, k=st.integers(1, 5), nulls=st.sampled_from(["drop", "own-unit"]))
def test_another_units_presence_changes_nothing(rows: list[Row], most: Any, k: int, nulls: str) -> None:
    """The neighbour property: without unit d, every other row is treated as it was."""
    with_d = [flag for row, flag in zip(rows, kept(rows, most, k, nulls=nulls), strict=True) if row[0] != "d"]
    assert with_d == kept([row for row in rows if row[0] != "d"], most, k, nulls=nulls)


@given(rows=rows_of_two, most=caps, k=st.integers(1, 5), seed=st.integers(0, 100))
def test_only_a_units_own_order_matters(rows: list[Row], most: Any, k: int, seed: int) -> None:
    """Units may be mixed with each other in any way, as long as each one's rows keep their order."""
    places = list(range(len(rows)))
    turns = [rows[place][0] for place in places]
    random.Random(seed).shuffle(turns)
    queues = {unit: iter([place for place in places if rows[place][0] == unit]) for unit in set(turns)}
    mixed = [next(queues[unit]) for unit in turns]
    flags, again = kept(rows, most, k), kept([rows[place] for place in mixed], most, k)
    assert [flags[place] for place in mixed] == again


@given(rows=rows_of_two, most=caps, seed=st.integers(0, 100))
def test_which_members_stay_does_not_follow_the_file_at_all(rows: list[Row], most: Any, seed: int) -> None:
    shuffled = rows[:]
    random.Random(seed).shuffle(shuffled)
    first, second = (Counter(survivors(each, kept(each, most, 10_000))) for each in (rows, shuffled))
    assert first == second


@given(rows=rows_of_two, most=caps, k=st.integers(1, 5), cut=st.integers(0, 80))
def test_where_the_file_is_cut_into_batches_does_not_matter(rows: list[Row], most: Any, k: int, cut: int) -> None:
    for nulls in ("drop", "own-unit"):
        assert kept(rows, most, k, nulls=nulls, cut=cut) == kept(rows, most, k, nulls=nulls)


@given(identifiers=st.lists(names, max_size=60), k=st.integers(1, 5), nulls=st.sampled_from(["drop", "own-unit"]))
def test_levels_that_cut_nothing_leave_the_rows_of_a_plain_unit(identifiers: list[Any], k: int, nulls: str) -> None:
    plain = Bounding(PrivacyUnit("identifier", k, "who"), nulls=nulls, key=KEY)
    for each in identifiers:
        plain.add(each)
    assert kept([(each, "same") for each in identifiers], (1, 100), k, nulls=nulls) == plain.kept().tolist()


def test_the_choice_depends_on_the_versions_key() -> None:
    rows = [(f"{unit}", f"{invoice}") for unit in range(30) for invoice in range(4) for _ in range(3)]
    assert kept(rows, (2, 2), 3) == kept(rows, (2, 2), 3)
    other = kept(rows, (2, 2), 3, key=b"o" * 32)
    assert kept(rows, (2, 2), 3) != other
    members = [
        {row for row, flag in zip(rows, flags, strict=True) if flag} for flags in (kept(rows, (2, 9), 99), other)
    ]
    assert members[0] != members[1]


def test_one_name_under_two_parents_is_two_members() -> None:
    rows = [("a", "invoice 1"), ("b", "invoice 1")] * 3
    assert kept(rows, (1, 2), 9) == kept(rows, (1, 2), 9)
    assert Counter(survivors(rows, kept(rows, (1, 2), 9))) == {("a", "invoice 1"): 2, ("b", "invoice 1"): 2}


def test_missing_identifiers_follow_the_declared_policy() -> None:
    rows: list[Row] = [(None, "x"), (None, "x"), ("a", None), ("a", None), ("a", "x")]
    assert kept(rows, (9, 9), 9, nulls="drop") == [False, False, False, False, True]
    assert kept(rows, (9, 1), 9, nulls="own-unit") == [True] * 5, "each missing member stands for itself"
    assert sum(kept(rows, (1, 9), 9, nulls="own-unit")) == 3, "of three members under a one stays, and both lone units"


def largest_total(rows: list[Row], flags: list[bool]) -> int:
    return max(Counter(row[0] for row in survivors(rows, flags)).values())


def test_products_of_maxima_would_fail() -> None:
    """The planted defect: maxima per level without the total let a unit have their product."""
    rows: list[Row] = [("a", f"{invoice}") for invoice in range(5) for _ in range(5)]
    assert largest_total(rows, kept(rows, (3, 3), 4)) == 4
    assert largest_total(rows, kept(rows, (3, 3), 10_000)) == 9


def test_a_total_that_counts_members_across_units_would_fail() -> None:
    """The planted defect: members chosen by order of appearance over the whole file."""

    def by_appearance(rows: list[Any], most: int) -> list[bool]:
        first = list(dict.fromkeys(row[1] for row in rows))
        return [first.index(row[1]) < most for row in rows]

    rows = [("d", "1"), ("a", "2"), ("a", "3")]
    assert by_appearance(rows, 2)[1:] != by_appearance(rows[1:], 2)


# --- declaring it

FIELDS: list[dict[str, Any]] = [
    {"name": "customer", "type": "string"},
    {"name": "invoice", "type": "string"},
    *privacy_site.FIELDS,
]
UNIT: dict[str, Any] = {
    "kind": "identifier", "column": "customer", "maxRows": 6, "nullIdentifiers": "drop", "means": "one customer",
    "levels": [{"column": "invoice", "maxMembers": 3}], "maxRowsPerMember": 4,
}  # fmt: skip


def declared(**changes: Any) -> str:
    unit = {key: value for key, value in (UNIT | changes).items() if value is not None}
    return privacy_site.declaration(privacyUnit=unit, fields=FIELDS)


def test_levels_are_declared_and_said_in_words() -> None:
    schema = Schema.parse(declared())
    assert schema.nesting == Nesting((("invoice", 3),), 4)
    assert (schema.unit.k, schema.identifiers) == (6, ("customer", "invoice"))
    assert schema.domain.columns == ("sex", "age", "pay")
    assert schema.unit_in_words == (
        "one customer, up to 6 rows (one customer), with up to 3 invoice, each with up to 4 rows"
    )
    assert Schema.parse(declared(maxRowsPerMember=None)).nesting == Nesting((("invoice", 3),), 6)


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"levels": []}, "'levels' must be a list of 1 to 4 levels"),
        ({"levels": "invoice"}, "'levels' must be a list"),
        ({"levels": ["invoice"]}, "level 1 of the privacy unit"),
        ({"levels": [{"column": "invoice"}]}, "level 1 of the privacy unit needs 'maxMembers'"),
        ({"levels": [{"column": "invoice", "maxMembers": 0}]}, "'maxMembers' must be a whole number"),
        ({"levels": [{"column": "invoice", "maxMembers": 3, "k": 1}]}, "level 1 of the privacy unit has a key"),
        ({"levels": [{"column": "elsewhere", "maxMembers": 3}]}, "those of its levels, must be among the fields"),
        ({"levels": [{"column": "customer", "maxMembers": 3}]}, "columns of their own"),
        ({"maxRows": 13}, "'maxRows' must be at most 12"),
        ({"maxRowsPerMember": 0}, "'maxRowsPerMember' must be a whole number"),
        ({"levels": None}, "does not apply here: 'maxRowsPerMember'"),
        ({"kind": "row", "column": None, "maxRows": None, "nullIdentifiers": None}, "does not apply here: 'levels'"),
    ],
)
def test_a_malformed_declaration_of_levels_names_its_rule(changes: dict[str, Any], rule: str) -> None:
    with pytest.raises(SchemaError) as refused:
        Schema.parse(declared(**changes))
    assert any(rule in str(problem) for problem in refused.value.problems), refused.value.problems


def test_the_example_of_the_documentation_is_a_declaration() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "schema.md").read_text()
    blocks = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", page, re.DOTALL)]
    (unit,) = [block for block in blocks if "levels" in block]
    fields = [{"name": name, "type": "string"} for name in ("customer_id", "invoice_no")]
    found = Schema.parse(privacy_site.declaration(privacyUnit=unit, fields=[*fields, *privacy_site.FIELDS]))
    assert (found.unit.k, found.nesting) == (12, Nesting((("invoice_no", 5),), 4))


def test_mock_rows_fit_the_levels_they_are_made_for() -> None:
    schema = Schema.parse(declared())
    table = mock.table(schema, rows=300, seed=1)
    rows = list(zip(table["customer"], table["invoice"], strict=True))
    assert kept(rows, (3, 4), 6) == [True] * 300
    assert max(Counter(table["customer"]).values()) == 6
