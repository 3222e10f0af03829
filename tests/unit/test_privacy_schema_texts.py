"""Free text as it is declared: left out, or to be written, and in no coding either way."""

from __future__ import annotations

import json
from typing import Any

import pytest

from privacy.coding import Coder, Tally
from privacy.problems import SchemaError
from privacy.schema import Schema
from privacy.schema_texts import Written
from tests.privacy_site import FIELDS, declaration

WRITTEN = {"maxLength": 80, "language": "English", "instruction": "what they say of the shop"}


def parsed(free_text: Any, **changes: Any) -> Schema:
    fields = [{**FIELDS[0], "publicLabels": True}, {"name": "remark", "type": "string", "freeText": free_text}]
    return Schema.parse(declaration(**{"fields": fields, **changes}))


def problems(free_text: Any, **changes: Any) -> list[str]:
    with pytest.raises(SchemaError) as refused:
        parsed(free_text, **changes)
    return [f"{each.column}: {each.rule}" for each in refused.value.problems]


def test_a_column_to_be_written_is_known_and_still_not_measured() -> None:
    schema = parsed(WRITTEN)
    assert schema.written == (Written("remark", 80, "English", "what they say of the shop"),)
    assert schema.free_text == ()
    assert schema.domain.columns == schema.stored.columns == ("sex",)
    assert schema.header == ("sex", "remark")


def test_true_leaves_it_out_as_ever() -> None:
    assert (parsed(True).written, parsed(True).free_text) == ((), ("remark",))


def test_its_cells_are_never_looked_at() -> None:
    """What the vault seals is what the coder gives back: it has no place for the column."""
    coder = Coder(parsed(WRITTEN), ["sex", "remark"], Tally())
    assert [column.name for column, _ in coder._columns] == ["sex"]
    assert coder.texts == {}


@pytest.mark.parametrize(
    ("declared", "named"),
    [
        ({**WRITTEN, "maxLength": 0}, "'maxLength'"),
        ({**WRITTEN, "maxLength": 2001}, "'maxLength'"),
        ({**WRITTEN, "maxLength": "80"}, "'maxLength'"),
        ({**WRITTEN, "instruction": ""}, "'instruction'"),
        ({**WRITTEN, "instruction": "x" * 501}, "'instruction'"),
        ({**WRITTEN, "instruction": "a\u202eb"}, "'instruction'"),
        ({**WRITTEN, "more": 1}, "'more'"),
        ({"maxLength": 80, "language": "English"}, "'instruction'"),
        ({"maxLength": 80, "instruction": "x"}, "'language'"),
        ("yes", "'freeText' must be true or false"),
        ([], "'freeText' must be true or false"),
    ],
)
def test_what_is_not_as_it_should_be_is_named_with_its_column(declared: Any, named: str) -> None:
    assert any(each.startswith("remark: ") and named in each for each in problems(declared))


def test_there_must_be_something_to_write_from() -> None:
    fields = [FIELDS[0], {"name": "remark", "type": "string", "freeText": WRITTEN}]
    assert any("publicLabels" in each for each in problems(WRITTEN, fields=fields))


def test_only_a_string_is_free_text() -> None:
    fields = [{**FIELDS[0], "publicLabels": True}, {"name": "remark", "type": "integer", "freeText": WRITTEN}]
    assert any("type string" in each for each in problems(WRITTEN, fields=fields))
    assert json.loads(parsed(WRITTEN).text)["fields"][1]["freeText"] == WRITTEN
