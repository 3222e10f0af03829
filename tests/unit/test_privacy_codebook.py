"""Drafts of declarations: what codebooks and answers say is kept, the rest is asked; no data is read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from privacy.codebook import QUESTIONS, Answers, CodebookRefused, Draft, draft_from, header_line, propose
from privacy.schema import Schema
from tests.codebooks import REDCAP_HEADINGS, REDCAP_ROWS, ROWS, TABLE_SCHEMA, csv_of, xlsx_of

AROUND: dict[str, Any] = {
    "title": "x", "population": "x", "purposes": ["x"], "privacyUnit": {"kind": "row", "means": "x"},
    "cap": {"epsilon": 1, "delta": "1e-6"},
}  # fmt: skip


def fields(draft: Draft) -> dict[str, dict[str, Any]]:
    return {field["name"]: field for field in draft.declaration["fields"]}


def asked(draft: Draft) -> set[tuple[str, str]]:
    return {(problem.column, problem.rule) for problem in draft.still_to_declare}


def completed(draft: Draft, **changes: dict[str, Any]) -> Schema:
    """What the owner adds makes the draft a declaration."""
    values = json.loads(draft.text) | AROUND
    for field in values["fields"]:
        field.update(changes.get(field["name"], {}))
    return Schema.parse(json.dumps(values))


@pytest.mark.parametrize("content", [csv_of(ROWS), csv_of(ROWS, ";"), xlsx_of(ROWS)], ids=["csv", "semicolons", "xlsx"])
def test_a_codebook_becomes_a_draft(content: bytes) -> None:
    draft = draft_from(content)
    found = fields(draft)
    assert list(found) == [row[0] for row in ROWS[1:]]
    assert found["sex"]["categories"] == [1, 2]
    assert found["sex"]["type"] == "integer"
    assert found["sex"]["description"] == "1 = male, 2 = female"
    assert found["sex"]["constraints"] == {"required": True}
    assert found["region"]["categories"] == ["north", "south", "east"]
    assert found["age"]["constraints"] == {"minimum": 0, "maximum": 110}
    assert found["pay"]["type"] == "number"
    assert found["seen"]["parts"] == ["year", "month"]
    assert found["works"]["type"] == "boolean"
    assert found["said"]["freeText"]
    assert draft.declaration["missingValues"] == ["-9", "NA"]
    whole = {"'population'", "'privacyUnit'", "'cap'", "'purposes'", "'title'"}
    assert {rule.rsplit(" ", 1)[1] for column, rule in asked(draft) if not column} == whole
    assert {column for column, _ in asked(draft) if column} == {"weight"}
    assert ("weight", "the maximum is not a number, so it was left out") in {(n.column, n.rule) for n in draft.notes}
    assert completed(draft, weight={"constraints": {"minimum": 0, "maximum": 300}}).domain.size("age") == 21


def test_numbers_in_a_spreadsheet_are_texts_again() -> None:
    draft = draft_from(xlsx_of([["name", "min", "max", "values"], ["x", 0, 10.0, ""], ["y", 0.5, 2, ""]]))
    found = fields(draft)
    assert found["x"]["constraints"] == {"minimum": 0, "maximum": 10}
    assert (found["y"]["type"], found["y"]["constraints"]["minimum"]) == ("number", 0.5)


def test_a_redcap_dictionary_becomes_a_draft() -> None:
    draft = draft_from(csv_of([REDCAP_HEADINGS, *REDCAP_ROWS]))
    found = fields(draft)
    assert "hello" not in found
    assert {"drugs___a", "drugs___b"} <= set(found)
    assert found["drugs___a"]["trueValues"] == ["1"]
    assert found["fullname"] == {"name": "fullname", "type": "string", "freeText": True}
    assert found["sex"]["categories"] == [1, 2]
    assert found["sex"]["constraints"]["required"]
    assert "constraints" not in found["packs"]  # its branch may not be shown
    assert found["weight"]["decimals"] == 1
    assert found["visit"]["type"] == "date"
    assert found["smokes"]["falseValues"] == ["0"]
    assert found["pain"]["constraints"] == {"minimum": 0, "maximum": 100}
    assert not [column for column, _ in asked(draft) if column]
    assert completed(draft).header == tuple(found)


def test_a_plain_table_schema_becomes_a_draft() -> None:
    draft = draft_from(json.dumps(TABLE_SCHEMA).encode())
    found = fields(draft)
    assert found["mode"]["categories"] == ["bus", "bike"]
    assert found["zone"]["categories"] == [1, 2]
    assert found["km"]["constraints"]["maximum"] == 80.5
    assert found["paid"]["trueValues"] == ["J"]
    assert found["born"]["type"] == "integer"
    assert found["where"]["freeText"]
    assert draft.declaration["missingValues"] == ["NA"]
    notes = {(note.column, note.rule) for note in draft.notes}
    assert ("trip", "'unique' has no counterpart here and was left out") in notes
    assert any(column == "trip" and "primary key" in rule for column, rule in notes)
    assert {column for column, _ in asked(draft) if column} == {"trip"}
    assert completed(draft, trip={"freeText": True}).domain.size("left.month") == 13


ANSWERS = Answers.from_json(
    {
        "title": "Visits", "population": "Patients of the clinic", "one_line": "one visit", "identifier": "patient_id",
        "protected": "one patient", "max_rows": "6", "no_identifier": "drop", "epsilon": "4", "delta": "1e-9",
        "purposes": "planning; teaching", "missing": "NA; -99",
        "columns": {
            "sex": "f/m", "ward": "one of: surgery, children or maternity, others are elsewhere",
            "stay": "whole number 0 to 60", "temp": "number from 34.0 to 43.0 with 1 decimal",
            "admitted": "date and time, 2020-01-01 to 2024-12-31", "smoker": "yes or no", "area": "one of a, b",
        },
    }
)  # fmt: skip
HEADER = "patient_id;age;sex;ward;stay;temp;admitted;smoker;area;remarks"


def test_answers_and_a_header_become_a_draft() -> None:
    draft = propose(ANSWERS, HEADER)
    found = fields(draft)
    assert list(found) == HEADER.split(";")
    assert draft.declaration["dialect"] == {"delimiter": ";"}
    assert draft.declaration["privacyUnit"] == {
        "kind": "identifier", "column": "patient_id", "means": "one patient", "maxRows": 6, "nullIdentifiers": "drop",
    }  # fmt: skip
    assert found["ward"]["categories"] == ["surgery", "children", "maternity"]
    assert found["ward"]["other"] == "elsewhere"
    assert found["stay"]["constraints"] == {"minimum": 0, "maximum": 60}
    assert (found["temp"]["type"], found["temp"]["decimals"]) == ("number", 1)
    assert found["admitted"]["type"] == "datetime"
    assert (found["smoker"]["trueValues"], found["smoker"]["falseValues"]) == (["yes"], ["no"])
    assert found["age"]["constraints"] == {"minimum": 0, "maximum": 110}
    assert found["remarks"]["freeText"]
    guessed = {note.column for note in draft.notes if "from its name alone" in note.rule}
    assert guessed == {"age", "remarks"}
    assert asked(draft) == {("sex", "the field needs 'categories'")}  # 'f/m' is no yes or no
    values = json.loads(draft.text)
    found_sex = next(field for field in values["fields"] if field["name"] == "sex")
    found_sex["categories"] = ["f", "m"]
    assert Schema.parse(json.dumps(values)).unit.k == 6


def test_without_answers_everything_is_asked() -> None:
    draft = propose(Answers(), "id,is_member,dateOfBirth,Gender,zip_code,visit_time,net income,x")
    found = fields(draft)
    assert found["is_member"]["type"] == "boolean"
    assert found["dateOfBirth"]["type"] == "string"  # a name that no rule knows is no guess
    assert found["zip_code"]["grouping"] == {}
    assert found["visit_time"]["type"] == "time"
    assert found["net income"]["type"] == "number"
    columns = {column for column, _ in asked(draft)}
    assert columns == {"", "dateOfBirth", "Gender", "zip_code", "net income", "x"}
    rules = {rule for column, rule in asked(draft) if not column}
    assert {"the schema needs 'privacyUnit'", "the schema needs 'cap'", "the schema needs 'population'"} <= rules


def test_every_question_has_an_answers_place() -> None:
    assert {question.name for question in QUESTIONS} == set(Answers.__slots__)


def test_only_the_header_line_of_a_data_file_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted at the system call: not a byte after the line's end leaves the file."""
    file = tmp_path / "data.csv"
    file.write_bytes(b"\xef\xbb\xbfname,age\r\nCANARY,17\r\n")
    taken = []
    real = Path.open

    class Watched:
        def __init__(self, handle: Any) -> None:
            self.handle = handle

        def __enter__(self) -> Watched:
            return self

        def __exit__(self, *_: object) -> None:
            taken.append(self.handle.tell())
            self.handle.close()

        def read(self, size: int) -> bytes:
            return self.handle.read(size)

    monkeypatch.setattr(Path, "open", lambda self, *a, **k: Watched(real(self, *a, **k)))
    assert header_line(file) == "name,age"
    assert taken == [len(b"\xef\xbb\xbfname,age\r\n")]


@pytest.mark.parametrize(
    ("header", "rule"),
    [
        ("", "no header line"),
        ("a" * 2**19, "no header line"),
        ("anna,41,x", "looks like data"),
        ("anna,a@b.org", "looks like data"),
        ("visit,2020-01-02", "looks like data"),
        ("a,,b", "a variable needs a name"),
        ("a,b,a", "repeats an earlier name"),
        ('a,"b', "not well formed"),
        (",".join(f"c{i}" for i in range(1001)), "more than 1000 columns"),
    ],
)
def test_what_is_no_header_is_refused_unquoted(header: str, rule: str) -> None:
    with pytest.raises(CodebookRefused, match=rule) as refused:
        propose(Answers(), header)
    assert "anna" not in str(refused.value)


def test_answers_must_fit(tmp_path: Path) -> None:
    with pytest.raises(CodebookRefused, match="columns that the header does not have"):
        propose(Answers(identifier="who"), "a,b")
    with pytest.raises(CodebookRefused, match="not asked"):
        Answers.from_json({"colour": "red"})
    with pytest.raises(CodebookRefused, match="'title' must be a text"):
        Answers.from_json({"title": 3})


def test_a_workbook_that_unfolds_beyond_memory_is_refused() -> None:
    with pytest.raises(CodebookRefused, match="cannot be read"):
        draft_from(xlsx_of([["name", "type"], ["x", "int"]], reference="XFD1048576"))


def test_the_command_writes_a_draft(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, answers, out = tmp_path / "d.csv", tmp_path / "a.json", tmp_path / "draft.json"
    data.write_text("age,remarks\nCANARY,CANARY\n")
    answers.write_text(json.dumps({"title": "T", "columns": {"age": "whole number 18 to 99"}}))
    call_command("propose_schema", header_of=data, answers=answers, out=out)
    told = capsys.readouterr()
    assert json.loads(out.read_text())["fields"][0]["constraints"] == {"minimum": 18, "maximum": 99}
    assert "Still to declare: 4" in told.err
    assert "CANARY" not in told.err + told.out + out.read_text()
    (tmp_path / "book.csv").write_bytes(csv_of(ROWS))
    call_command("propose_schema", codebook=tmp_path / "book.csv")
    assert json.loads(capsys.readouterr().out)["fields"][0]["name"] == "person"
    call_command("propose_schema", questions=True)
    assert "max_rows" in capsys.readouterr().out
    with pytest.raises(CommandError, match="looks like data"):
        data.write_text("1,2\n")
        call_command("propose_schema", header_of=data)
    with pytest.raises(CommandError, match="must be a JSON object"):
        answers.write_text("[" * 100_000)
        call_command("propose_schema", header_of=data, answers=answers)
