"""Dates, times and grouped codes: what they declare, how cells are coded, and what comes back."""

from __future__ import annotations

import json
import re
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from privacy.problems import SchemaError
from privacy.schema import Schema
from privacy.schema_fields import MISSING, OUTSIDE
from tests.unit.test_privacy_schema import schema as shop

VISIT: dict[str, Any] = {
    "name": "visit", "type": "datetime", "parts": ["year", "month", "weekday", "hour"], "title": "Visit",
    "constraints": {"minimum": "2023-11-15", "maximum": "2024-02-10"},
}  # fmt: skip
BORN: dict[str, Any] = {
    "name": "born", "type": "date", "format": "%d/%m/%Y", "parts": ["year", "quarter"], "outside": "clamp",
    "constraints": {"minimum": "1920-01-01", "maximum": "2010-12-31", "required": True},
}  # fmt: skip
OPENS: dict[str, Any] = {"name": "opens", "type": "time"}
DISEASE: dict[str, Any] = {
    "name": "disease", "type": "string",
    "grouping": {
        "prefixes": {"I": "heart", "I6": "stroke", "J": "lung"}, "representatives": {"stroke": "I63.9", "lung": "J18"},
    },
}  # fmt: skip
SHOP: dict[str, Any] = {
    "name": "shop", "type": "string", "other": "elsewhere", "constraints": {"required": True},
    "grouping": {"values": {"S01": "north", "S02": "north", "S77": "south"}},
}  # fmt: skip
AREA: dict[str, Any] = {
    "name": "area", "type": "string", "grouping": {"prefixLength": 2, "groups": ["10", "20", "75"]},
}  # fmt: skip


def declared(*fields: dict[str, Any]) -> Schema:
    return shop(privacyUnit={"kind": "row", "means": "x"}, fields=list(fields))


def code(field: dict[str, Any], text: str) -> tuple[int, ...]:
    return tuple(column.code(text) for column in declared(field).columns)


def test_each_part_is_a_column_of_its_own() -> None:
    found = declared(VISIT, OPENS, BORN)
    names = ("visit.year", "visit.month", "visit.weekday", "visit.hour", "opens.hour", "born.year", "born.quarter")
    assert found.domain.columns == names
    assert found.header == ("visit", "opens", "born")
    assert found.domain.sizes == (3, 5, 8, 25, 25, 91, 4)
    assert found.labels("visit.month") == ("January", "February", "November", "December", MISSING)
    assert found.labels("visit.hour")[9] == "09:00 to 09:59"
    assert found.labels("born.quarter") == ("Q1", "Q2", "Q3", "Q4")
    assert found.column("visit.year").title == "Visit (year)"


@pytest.mark.parametrize(
    ("field", "text", "codes"),
    [
        (VISIT, "2023-11-15T00:00:00", (0, 2, 2, 0)),
        (VISIT, " 2024-02-10 23:59 ", (1, 1, 5, 23)),
        (VISIT, "2024-02-10T23:59:59.123Z", (1, 1, 5, 23)),
        (VISIT, "2023-11-14T10:00:00", (OUTSIDE,) * 4),
        (VISIT, "2024-02-30T10:00:00", (OUTSIDE,) * 4),
        (VISIT, "2024-01-01T24:00:00", (OUTSIDE,) * 4),
        (VISIT, "2024-01-01T10:00:00+02:00", (OUTSIDE,) * 4),
        (VISIT, "2024-01-01", (OUTSIDE,) * 4),
        (VISIT, "NA", (2, 4, 7, 24)),
        (BORN, "29/2/2000", (80, 0)),
        (BORN, "31/12/1899", (0, 0)),
        (BORN, "01/01/2024", (90, 3)),
        (BORN, "2000-02-29", (OUTSIDE,) * 2),
        (BORN, "", (OUTSIDE,) * 2),
        (OPENS, "07:30", (7,)),
        (OPENS, "07:30:59", (7,)),
        (OPENS, "7:30", (OUTSIDE,)),
        (OPENS, "1\u0660:30", (OUTSIDE,)),
        (DISEASE, "I21.0", (0,)),
        (DISEASE, "I63.1", (1,)),
        (DISEASE, "J", (2,)),
        (DISEASE, "stroke", (1,)),
        (DISEASE, "K35", (OUTSIDE,)),
        (DISEASE, "", (3,)),
        (SHOP, "S02", (0,)),
        (SHOP, "S77", (1,)),
        (SHOP, "north", (0,)),
        (SHOP, "S78", (2,)),
        (AREA, "75011", (2,)),
        (AREA, "7", (OUTSIDE,)),
        (AREA, "99000", (OUTSIDE,)),
    ],
)
def test_a_cell_becomes_codes(field: dict[str, Any], text: str, codes: tuple[int, ...]) -> None:
    assert code(field, text) == codes


PART_NAMES = st.lists(st.sampled_from(("year", "month", "weekday", "hour")), min_size=1, unique=True)


@settings(max_examples=60, deadline=None)
@given(
    parts=PART_NAMES,
    start=st.dates(date(1950, 1, 1), date(2040, 1, 1)),
    days=st.integers(1, 900),
    form=st.sampled_from(["default", "%d.%m.%Y %H:%M", "%H|%M|%S %Y/%m/%d"]),
    seed=st.integers(0, 2**32),
)
def test_a_regenerated_moment_agrees_with_every_part(
    parts: list[str], start: date, days: int, form: str, seed: int
) -> None:
    """Real moments are coded, decoded and coded again: nothing that was declared is lost, and all stays in bounds."""
    rng = np.random.default_rng(seed)
    end = start + timedelta(days=days)
    found = declared({"name": "at", "type": "datetime", "parts": parts, "format": form,
                      "constraints": {"minimum": str(start), "maximum": str(end)}})  # fmt: skip
    calendar = found.columns[0].coding.calendar
    drawn = [np.datetime64(start) + int(rng.integers(days + 1)) for _ in range(40)]
    moments = [(day + np.timedelta64(int(rng.integers(86400)), "s")).astype(object) for day in drawn]
    texts = [*(calendar.spelling.write(moment) for moment in moments), ""]
    codes = np.array([[column.code(text) for column in found.columns] for text in texts])
    assert (codes >= 0).all()
    again = ["" if value is None else value for value in regenerated(found, codes, seed)]
    assert [[column.code(text) for column in found.columns] for text in again] == codes.tolist()
    assert all(start <= calendar.spelling.read(text).date() <= end for text in again[:-1])
    assert again == ["" if value is None else value for value in regenerated(found, codes, seed)]


def regenerated(found: Schema, codes: np.ndarray[Any, Any], seed: int) -> list[str | None]:
    table = found.decode(codes, np.random.default_rng(seed))
    assert list(table.columns) == ["at"]
    return [value if isinstance(value, str) else None for value in table["at"]]


def test_parts_that_no_day_has_together_keep_the_coarser_ones() -> None:
    short = {**VISIT, "constraints": {"minimum": "2024-01-30", "maximum": "2024-02-02"}}
    found = declared(short)
    codes = np.array([[0, 0, found.labels("visit.weekday").index("Friday"), 5]])  # there are two days, no Friday
    value = found.decode(codes, np.random.default_rng(0))["visit"][0]
    assert value.startswith("2024-01-3")
    assert value[11:13] == "05"


def test_the_first_part_decides_whether_a_value_is_missing() -> None:
    found = declared(VISIT)
    table = found.decode(np.array([[2, 0, 0, 0], [0, 4, 7, 24]]), np.random.default_rng(1))
    assert table["visit"].isna().tolist() == [True, False]
    assert table["visit"][1].startswith("2023-")
    assert found.decode(np.full((3, 4), 2), np.random.default_rng(1))["visit"].isna().all()
    assert len(found.decode(np.zeros((0, 4), dtype=int), np.random.default_rng(1))) == 0


def test_groups_come_back_as_label_or_representative_and_are_coded_alike() -> None:
    found = declared(DISEASE, SHOP, AREA)
    codes = np.array([[0, 0, 0], [1, 1, 1], [2, 2, 2], [3, 1, 3]])
    table = found.decode(codes, np.random.default_rng(0))
    assert table["disease"].fillna("").tolist() == ["heart", "I63.9", "J18", ""]
    assert table["shop"].tolist() == ["north", "south", "elsewhere", "south"]
    texts = [[("" if value != value else value) for value in row] for row in table.fillna("").to_numpy().tolist()]
    assert [[c.code(t) for c, t in zip(found.columns, row, strict=True)] for row in texts] == codes.tolist()


BAD: list[tuple[dict[str, Any], str]] = [
    (VISIT | {"parts": []}, "'parts' must be a list of texts"),
    ({k: v for k, v in VISIT.items() if k != "parts"}, "needs 'parts'"),
    (VISIT | {"parts": ["year", "day"]}, "must be among: year, quarter, month, weekday, hour"),
    (BORN | {"parts": ["hour"]}, "'parts' of a date must be among"),
    (OPENS | {"parts": ["year"]}, "'parts' of a time must be among"),
    (BORN | {"parts": ["quarter", "month"]}, "not both"),
    (BORN | {"format": "%d/%m/%y"}, "'format' must be"),
    (BORN | {"format": "%d%m%Y"}, "'format' must be"),
    (BORN | {"format": "any"}, "'format' must be"),
    (BORN | {"format": "%Y-%m-%d %H"}, "'format' must be"),
    (VISIT | {"constraints": {"minimum": "2023-11-15"}}, "needs 'maximum'"),
    (VISIT | {"constraints": {"minimum": "2023-13-15", "maximum": "2024-01-01"}}, "'minimum' must be a day"),
    (VISIT | {"constraints": {"minimum": "2024-01-01", "maximum": "2023-01-01"}}, "minimum must be before maximum"),
    (VISIT | {"constraints": {"minimum": "1024-01-01", "maximum": "2023-01-01"}}, "at most 200 years"),
    (VISIT | {"constraints": {"minimum": 2024, "maximum": "2025-01-01"}}, "'minimum' must be a text"),
    (VISIT | {"bins": {"equalWidth": 3}}, "does not apply here: 'bins'"),
    (OPENS | {"outside": "clamp"}, "does not apply here: 'outside'"),
    (DISEASE | {"grouping": {}}, "exactly one of: values, prefixes, prefixLength"),
    (DISEASE | {"grouping": "I"}, "'grouping' must be an object"),
    (DISEASE | {"grouping": {"prefixes": {"I": 3}}}, "must name a group for each entry"),
    (DISEASE | {"grouping": {"prefixes": {"I": ["x"]}}}, "must name a group for each entry"),
    (DISEASE | {"grouping": {"prefixes": {" I": "x"}}}, "must name a group for each entry"),
    (DISEASE | {"grouping": {"prefixes": {"": "x"}}}, "must name a group for each entry"),
    (DISEASE | {"grouping": {"prefixes": {}}}, "'prefixes' must be an object of 1"),
    (DISEASE | {"grouping": {"prefixes": {"I" * 41: "x"}}}, "at most 40 characters"),
    (DISEASE | {"grouping": {"values": {"a": "b", "b": "c"}}}, "must not be a value of another group"),
    (DISEASE | {"grouping": {"values": {"a": "b"}, "representatives": {"b": "z"}}}, "each with a value of that group"),
    (DISEASE | {"grouping": {"values": {"a": "b"}, "representatives": {"z": "a"}}}, "each with a value of that group"),
    (DISEASE | {"grouping": {"values": {"a": "b"}, "representatives": ["a"]}}, "'representatives' must give"),
    (DISEASE | {"grouping": {"values": {"a": "NA"}}}, "how a missing cell is written"),
    (DISEASE | {"grouping": {"prefixLength": 0, "groups": ["a"]}}, "'prefixLength' must be a whole number"),
    (DISEASE | {"grouping": {"prefixLength": 2, "groups": ["a"]}}, "exactly 2 characters"),
    (DISEASE | {"grouping": {"prefixLength": 1, "groups": ["a", "a"]}}, "distinct"),
    (DISEASE | {"categories": ["x"]}, "does not apply here: 'categories'"),
    (SHOP | {"other": "north"}, "'other' must be a label"),
    (AREA | {"type": "integer"}, "does not apply here: 'grouping'"),
]  # fmt: skip


@pytest.mark.parametrize(("field", "rule"), BAD, ids=[f"{f['name']}-{rule[:30]}" for f, rule in BAD])
def test_a_broken_rule_is_told_by_column(field: dict[str, Any], rule: str) -> None:
    with pytest.raises(SchemaError) as refused:
        declared(field)
    assert [p for p in refused.value.problems if p.column == field["name"] and rule in p.rule], str(refused.value)


def test_a_part_does_not_share_its_name_with_a_field() -> None:
    with pytest.raises(SchemaError, match="two columns are named"):
        declared(OPENS, {"name": "opens.hour", "type": "boolean"})


@given(text=st.text(max_size=30))
def test_coding_is_total(text: str) -> None:
    for column in declared(VISIT, BORN, OPENS, DISEASE, SHOP, AREA).columns:
        assert -1 <= column.code(text) < column.size


def test_the_documented_fields_parse() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "schema.md").read_text()
    blocks = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", page, re.DOTALL)]
    partial = next(block for block in blocks if "title" not in block and "fields" in block)
    found = shop(**partial)
    assert found.domain.columns == (
        "country", "price", "bought.year", "bought.month", "bought.weekday", "bought.hour", "product",
    )  # fmt: skip


def test_the_document_survives_parsing_again() -> None:
    found = declared(VISIT, DISEASE)
    assert Schema.parse(found.text) == found
    assert json.loads(found.text)["fields"][0] == VISIT
