"""What data may be used for is declared in DUO's codes; what no one could follow is refused with its place."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from privacy.problems import SchemaError
from privacy.schema import Schema
from privacy.schema_uses import KNOWN, MODIFIERS, PERMISSIONS

DECLARED = {
    "title": "T", "population": "P", "privacyUnit": {"kind": "row", "means": "one person"},
    "cap": {"rho": "1", "delta": "1e-6"}, "purposes": ["x"],
    "fields": [{"name": "a", "type": "string", "categories": ["x", "y"], "constraints": {"required": True}}],
}  # fmt: skip


def parsed(**more: object) -> Schema:
    return Schema.parse(json.dumps(DECLARED | more))


def test_codes_are_kept_in_order_and_told_in_words() -> None:
    uses = parsed(dataUse=["DUO:0000006", "DUO:0000021"], catalogue=True).uses
    assert uses.catalogue
    assert [one["name"] for one in uses.in_words()] == ["HMB", "IRB"]
    assert uses.in_words()[1]["words"] == "an ethics committee must have approved"


def test_both_are_optional_and_nothing_is_catalogued_unless_asked_for() -> None:
    assert parsed().uses.codes == ()
    assert not parsed().uses.catalogue


@pytest.mark.parametrize(
    ("codes", "rule"),
    [
        (["GRU"], "code 1 is not written DUO: and seven digits"),
        (["DUO:0000042", "DUO:9999999"], "code 2 is not one this site knows"),
        (["DUO:0000021"], "must hold a code that permits a use"),
        (["DUO:0000042", "DUO:0000042"], "must hold distinct printable texts"),
        ([], "must be a list of texts that is not empty"),
    ],
)
def test_a_wrong_code_is_named_by_its_place(codes: list[str], rule: str) -> None:
    with pytest.raises(SchemaError, match=rule):
        parsed(dataUse=codes)


def test_no_code_is_both_and_the_page_about_declaring_lists_every_one() -> None:
    assert not PERMISSIONS.keys() & MODIFIERS.keys()
    page = (Path(__file__).resolve().parents[2] / "docs" / "schema.md").read_text()
    assert all(f"`{code}` | {name} | {words} |" in page for code, (name, words) in KNOWN.items())
