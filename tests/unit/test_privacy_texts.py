"""Columns whose categories are unknown: declared strictly, coded totally, sealed as texts and settled per release."""

from __future__ import annotations

import io
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from privacy import ingest, mock, planning, sealing, tables, texts, wrapping
from privacy.chunks import unpack
from privacy.plans import all_pairs
from privacy.problems import SchemaError, UploadRefused
from privacy.schema import Schema
from privacy.schema_fields import MISSING, OUTSIDE
from privacy.texts import FIRST, NULL, OTHER

CODE: dict[str, Any] = {
    "name": "code", "type": "string", "other": "another", "discover": {"maxKeys": 2, "maxLength": 8, "delta": "1e-8"},
}  # fmt: skip
SEX = {"name": "sex", "type": "string", "categories": ["f", "m"], "constraints": {"required": True}}
DECLARED: dict[str, Any] = {
    "title": "Small", "population": "people", "privacyUnit": {"kind": "row", "means": "one person"},
    "cap": {"rho": 1, "delta": "1e-6", "discoveryDelta": "1e-7"}, "purposes": ["testing"], "fields": [SEX, CODE],
}  # fmt: skip
BY_PERSON = DECLARED | {
    "privacyUnit": {"kind": "identifier", "column": "who", "maxRows": 1, "nullIdentifiers": "drop", "means": "one"},
    "fields": [SEX, CODE, {"name": "who", "type": "string"}],
}
LIMITS = tables.Limits(rows=10_000, columns=4, cell_chars=400)


def declared(**changes: Any) -> Schema:
    """The declaration with changes to the searched field."""
    return Schema.parse(json.dumps(DECLARED | {"fields": [SEX, CODE | changes]}))


def discover(**changes: Any) -> dict[str, Any]:
    return {"discover": {key: value for key, value in (CODE["discover"] | changes).items() if value is not None}}


def test_a_declaration_says_how_far_a_search_may_go() -> None:
    schema = declared()
    (search,) = schema.searches
    assert (search.column, search.most, search.delta) == ("code", 2, Decimal("1e-8"))
    assert schema.domain.size("code") == 4
    assert schema.stored.size("code") == 10_002
    assert schema.stored.size("sex") == 2
    assert declared(**discover(maxValues=50)).stored.size("code") == 52


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        (discover(maxKeys=None), "'discover' needs 'maxKeys'"),
        (discover(maxKeys=0), "'maxKeys' must be a whole number from 1 to 1000"),
        (discover(maxKeys=1001), "'maxKeys' must be a whole number from 1 to 1000"),
        (discover(maxLength=101), "'maxLength' must be a whole number from 1 to 100"),
        (discover(maxValues=100_001), "'maxValues' must be a whole number from 1 to 100000"),
        (discover(delta=None), "'discover' needs 'delta'"),
        (discover(delta="1e-11"), "'delta' must be from 1E-10 to 0.001"),
        (discover(delta="0.01"), "'delta' must be from 1E-10 to 0.001"),
        (discover(delta="2e-7"), "spends more delta in one release than the cap's 'discoveryDelta'"),
        (discover(among=5), "unknown or does not apply here: 'among'"),
        ({"discover": "yes"}, "'discover' must be an object"),
        ({"other": ""}, "needs 'other'"),
        ({"other": 5}, "needs 'other'"),
        ({"categories": ["a"]}, "unknown or does not apply here: 'categories'"),
        ({"type": "integer"}, "unknown or does not apply here: 'discover'"),
        ({"freeText": True}, "unknown or does not apply here: 'discover'"),
        ({"other": MISSING}, "is also how a missing cell is written"),
    ],
)
def test_a_search_that_cannot_be_is_refused_by_column_and_rule(changes: dict[str, Any], rule: str) -> None:
    with pytest.raises(SchemaError) as refused:
        declared(**changes)
    assert any(problem.column == "code" and rule in problem.rule for problem in refused.value.problems)


def test_a_search_needs_a_cap_that_allows_it() -> None:
    with pytest.raises(SchemaError, match="column code: 'discover' spends more delta"):
        Schema.parse(json.dumps(DECLARED | {"cap": {"rho": 1, "delta": "1e-6"}}))


def test_every_text_has_a_number_by_itself_alone() -> None:
    schema = declared(**discover(maxValues=3))
    numbering = texts.numberings(schema)["code"]
    cells = ["b", " b ", "", "much too long", "a\tb", "a\u202eb", "another", MISSING, "a", "B"]
    assert [numbering.number(cell) for cell in cells] == [
        FIRST, FIRST, NULL, OTHER, OTHER, OTHER, OTHER, OTHER, FIRST + 1, FIRST + 2,
    ]  # fmt: skip
    assert numbering.number("one too many") == OTHER
    assert (numbering.number("more"), numbering.number("a")) == (OUTSIDE, FIRST + 1)
    assert numbering.texts() == {FIRST: "b", FIRST + 1: "a", FIRST + 2: "B"}
    strict = texts.numberings(declared(constraints={"required": True}))["code"]
    assert strict.number(" ") == OUTSIDE


def test_texts_survive_packing_in_many_records(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(texts, "RECORD", 2)
    kept = {"code": {2: "é", 3: '"quoted"', 4: "日本", 5: "=1+1", 6: "x"}}
    records = list(texts.packed(kept))
    assert len(records) == 3
    assert texts.unpacked(records) == kept


def test_numbers_become_the_codes_of_one_release() -> None:
    schema = declared()
    settled = schema.settled({"code": ("a", "b")})
    assert settled.domain.sizes == (2, 4)
    assert settled.labels("code") == ("a", "b", "another", MISSING)
    recoded = texts.recoder(schema, settled, {"code": {FIRST: "z", FIRST + 1: "b", FIRST + 2: "a"}})
    sex = np.array([0, 1, 0, 1, 0])
    first, second = recoded([sex, np.array([NULL, OTHER, FIRST, FIRST + 1, FIRST + 2])])
    assert first is sex
    assert second.tolist() == [3, 2, 2, 1, 0]
    table = settled.decode(np.stack([first, second], axis=1), np.random.default_rng(0))
    assert table["code"].fillna("").tolist() == ["", "another", "another", "b", "a"]


def test_a_release_that_found_nothing_has_other_and_null_alone() -> None:
    schema = declared()
    settled = schema.settled({"code": ()})
    assert settled.labels("code") == ("another", MISSING)
    recoded = texts.recoder(schema, settled, {"code": {FIRST: "z"}})
    (_, codes) = recoded([np.zeros(3, int), np.array([NULL, OTHER, FIRST])])
    assert codes.tolist() == [1, 0, 0]
    table = settled.decode(np.array([[0, 1], [1, 0]]), np.random.default_rng(0))
    assert table["code"].fillna("").tolist() == ["", "another"]


def sealed(folder: Path, schema: dict[str, Any], content: str) -> tuple[list[list[int]], texts.Numbered]:
    """What one file became: rows of codes, and the texts beside them."""
    sealing.make_keys(folder / "vault.key", folder / "vault.pub")
    (folder / "fingerprint.key").write_text("ab" * 32)
    order = ingest.Order(
        schema=json.dumps(schema), context="v1", limits=LIMITS, seconds=60, memory_bytes=2**33,
        public_key=str(folder / "vault.pub"), fingerprint_key=str(folder / "fingerprint.key"),
        wrapped_key=str(folder / "out.key"), out=str(folder / "out.sealed"),
    )  # fmt: skip
    ingest.run(order, io.BytesIO(content.encode()))
    key = wrapping.open_key(folder / "out.key", [sealing.private_key(folder / "vault.key")], context="v1")
    stored = Schema.parse(order.schema).stored
    with (folder / "out.sealed").open("rb") as file:
        chunks = [unpack(record, stored) for record in sealing.opened(file, key, context=b"v1")]
    with order.texts.open("rb") as file:
        return np.concatenate([np.stack(each, axis=1) for each in chunks]).tolist(), texts.unpacked(
            sealing.opened(file, key, context=texts.context("v1"))
        )


def test_a_file_is_sealed_as_numbers_and_texts_apart(tmp_path: Path) -> None:
    rows, kept = sealed(tmp_path, DECLARED, 'sex,code\nf,kilo\nm,"lima "\nf,kilo\nm,\n"f","a ""quoted"" long text"\n')
    assert rows == [[0, 2], [1, 3], [0, 2], [1, 0], [0, 1]]
    assert kept == {"code": {2: "kilo", 3: "lima"}}
    assert not any(b"kilo" in path.read_bytes() for path in tmp_path.iterdir())


def test_texts_of_rows_that_are_not_counted_are_not_kept(tmp_path: Path) -> None:
    rows, kept = sealed(tmp_path, BY_PERSON, "sex,code,who\nf,kilo,p1\nm,nameless,\nf,kilo,p2\n")
    assert rows == [[0, 2], [0, 2]]
    assert kept == {"code": {2: "kilo"}}


def test_too_many_different_values_are_refused_without_naming_one(tmp_path: Path) -> None:
    fields = [SEX, CODE | discover(maxValues=20)]
    lines = "\n".join(f"f,v{number}" for number in range(30))
    with pytest.raises(UploadRefused) as refused:
        sealed(tmp_path, DECLARED | {"fields": fields}, f"sex,code\n{lines}\n")
    assert str(refused.value) == (
        "column code: the column holds more than 20 different values (10 times, first in line 22)"
    )
    assert {path.name for path in tmp_path.iterdir()} == {"vault.key", "vault.pub", "fingerprint.key"}


def test_a_simulated_plan_pays_for_its_search() -> None:
    forecast = planning.simulate(declared(), rho=Decimal("0.5"), rows=2000, seed=1)
    assert Decimal("0.22") < forecast.spent <= Decimal("0.5")
    assert {table.cells for table in forecast.tables if table.columns == ("code",)} == {4}
    without = planning.simulate(declared(), rho=Decimal("0.5"), rows=2000, seed=1, plan=all_pairs(declared().domain))
    noise = [next(table.sigma for table in each.tables if table.columns == ("sex",)) for each in (forecast, without)]
    assert noise[0] > noise[1], "what the search costs is not there for the tables"


def test_mock_rows_hold_stand_ins_that_fit() -> None:
    schema = declared(**discover(maxKeys=5))
    table = mock.table(schema, rows=300, seed=1)
    assert set(table["code"]) <= {"", "another", *(f"key {place}" for place in range(1, 6))}
    numbering = texts.numberings(schema)["code"]
    assert OUTSIDE not in [numbering.number(text) for text in table["code"]]
