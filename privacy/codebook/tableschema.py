"""A plain Frictionless Table Schema: what our declaration shares with it is kept, the rest is noted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from privacy.codebook.draft import Draft, Drafting, name_of, refuse
from privacy.codebook.facts import Facts, declare
from privacy.schema_columns import TYPES
from privacy.schema_reading import load

KEPT = ("title", "description")
SPELLINGS = ("trueValues", "falseValues")
KNOWN = {"name", "type", "format", "constraints", "categories", "categoriesOrdered", "example", "rdfType", *KEPT,
         *SPELLINGS}  # fmt: skip
AROUND = ("title", "description")
KIND_OF = {"year": "integer", "yearmonth": "string", "any": "string", "duration": "string", "list": "free text",
           "object": "free text", "array": "free text", "geopoint": "free text", "geojson": "free text"}  # fmt: skip


def draft(content: bytes) -> Draft:
    """A draft from the schema's JSON. CodebookRefused where it is no Table Schema."""
    top = load(content)
    fields = top.get("fields")
    if not isinstance(fields, list) or not fields:
        raise refuse("a Table Schema has a list of 'fields'")
    drafting = Drafting()
    for place, field in enumerate(fields, start=1):
        _add(field, place, drafting)
    _key(top.get("primaryKey"), drafting)
    around = {key: top[key] for key in AROUND if isinstance(top.get(key), str)}
    return drafting.finished(**around, missingValues=_missing(top.get("missingValues")))


def _missing(values: object) -> list[str]:
    """Spellings, which Table Schema 2 may give with a label each."""
    listed = values if isinstance(values, list) else []
    found = [each.get("value") if isinstance(each, dict) else each for each in listed]
    return [each for each in found if isinstance(each, str) and each.strip()]


def _key(key: object, drafting: Drafting) -> None:
    names = [key] if isinstance(key, str) else key
    for field in drafting.fields:
        if isinstance(names, list) and field["name"] in names:
            drafting.note(field["name"], "is part of the primary key: it may be, or lead to, the privacy unit's column")


def _add(field: object, place: int, drafting: Drafting) -> None:
    if not isinstance(field, dict) or not isinstance(field.get("name"), str):
        raise refuse(f"field {place} needs a name")
    name = name_of(field["name"], line=0, problems=drafting.problems)
    if name is None:
        return
    constraints = field.get("constraints") or {}
    if not isinstance(constraints, dict):
        raise refuse("'constraints' must be an object", column=name)
    _note_left_out(name, field, constraints, drafting)
    drafting.add(_field(name, field, constraints, drafting))


def _note_left_out(name: str, field: Mapping[str, Any], constraints: Mapping[str, Any], drafting: Drafting) -> None:
    unused = [key for key in field if key not in KNOWN]
    unused += [key for key in constraints if key not in ("required", "enum", "minimum", "maximum")]
    for key in unused:
        if key.isidentifier() and len(key) <= 40:
            drafting.note(name, f"'{key}' has no counterpart here and was left out")


def _field(name: str, field: Mapping[str, Any], constraints: Mapping[str, Any], drafting: Drafting) -> dict[str, Any]:
    kind = field.get("type", "string")
    if not isinstance(kind, str) or kind not in {*TYPES, *KIND_OF}:
        raise refuse("the field's type is none of Table Schema's", column=name)
    values = _values(field, constraints)
    facts = Facts(
        name=name,
        kind=KIND_OF.get(kind, kind),
        minimum=_text(constraints.get("minimum")),
        maximum=_text(constraints.get("maximum")),
        required=constraints.get("required") is True,
    )
    declared = declare(facts, drafting)
    if values and declared["type"] in ("string", "integer"):
        declared = _with_categories(declared, values, drafting)
    kept = {key: field[key] for key in KEPT if isinstance(field.get(key), str)}
    if declared["type"] == "boolean":
        kept |= {key: field[key] for key in SPELLINGS if _texts(field.get(key))}
    if declared["type"] in ("date", "datetime", "time") and isinstance(field.get("format"), str):
        kept["format"] = field["format"]
    return declared | kept


def _with_categories(declared: dict[str, Any], values: list[Any], drafting: Drafting) -> dict[str, Any]:
    drafting.note(
        declared["name"], "a file with a value that is not listed will be refused, unless 'other' is declared"
    )
    required = {"constraints": {"required": True}} if declared.get("constraints", {}).get("required") else {}
    whole = declared["type"] == "integer" and all(type(each) is int for each in values)
    return {
        "name": declared["name"],
        "type": "integer" if whole else "string",
        "categories": values if whole else [_text(each) for each in values],
    } | required


def _values(field: Mapping[str, Any], constraints: Mapping[str, Any]) -> list[Any]:
    listed = field.get("categories", constraints.get("enum"))
    found = (
        [each.get("value") if isinstance(each, dict) else each for each in listed] if isinstance(listed, list) else []
    )
    return [each for each in found if isinstance(each, str | int) and not isinstance(each, bool)]


def _texts(values: object) -> bool:
    return isinstance(values, list) and all(isinstance(each, str) for each in values)


def _text(value: object) -> str:
    return "" if value is None or isinstance(value, bool | list | dict) else str(value)
