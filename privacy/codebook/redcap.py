"""A REDCap data dictionary (CSV), for the file that REDCap exports with raw values.

Field types and validations are those of REDCap's own dictionary; checkboxes export as one column of 0 and 1
a choice, named ``field___code``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from privacy.codebook.draft import Draft, Drafting, name_of, refuse
from privacy.codebook.facts import Facts, declare, listed
from privacy.codebook.sheets import Rows

NAME, TYPE, LABEL = "variable / field name", "field type", "field label"
CHOICES = "choices, calculations, or slider labels"
VALIDATION = "text validation type or show slider number"
LEAST, MOST = "text validation min", "text validation max"
IDENTIFIER, BRANCHING, REQUIRED = "identifier?", "branching logic (show field only if...)", "required field?"
CHOSEN = ("radio", "dropdown")
TRUTH = {"type": "boolean", "trueValues": ["1"], "falseValues": ["0"]}
UNMEASURED = ("notes", "file", "sql", "signature")


def is_dictionary(headings: list[str]) -> bool:
    return {NAME, TYPE} <= {heading.casefold() for heading in headings}


def draft(rows: Rows) -> Draft:
    """A draft from the dictionary's rows. CodebookRefused for a field type that REDCap does not know."""
    headings = [heading.casefold() for heading in rows[0]]
    drafting = Drafting()
    for line, row in enumerate(rows[1:], start=2):
        cells = dict(zip(headings, [*row, *[""] * len(headings)], strict=False))
        name = name_of(cells[NAME], line=line, problems=drafting.problems)
        if name is not None:
            _add(name, cells, drafting, line)
    if drafting.fields:
        rule = "REDCap's first field is the record: it is likely to be, or to lead to, the privacy unit's column"
        drafting.note(drafting.fields[0]["name"], rule)
    return drafting.finished()


def _add(name: str, cells: Mapping[str, str], drafting: Drafting, line: int) -> None:
    """The export's columns of one field: none, one, or one a choice."""
    kind = cells[TYPE].casefold()
    if kind == "descriptive":
        return
    if kind == "checkbox":
        for code, label in zip(*listed(cells.get(CHOICES, "")), strict=True):
            column = f"{name}___{code.casefold().replace('-', '_')}"
            drafting.add({"name": column, "title": f"{cells.get(LABEL, '')}: {label}"[:200], **TRUTH}, line=line)
        return
    facts = _facts(name, kind, cells)
    if facts is None:
        raise refuse("the field type is none of REDCap's", column=name, line=line)
    values = declare(facts, drafting)
    if cells.get(IDENTIFIER, "").casefold() == "y":
        drafting.note(name, "marked as an identifier: left out of what is measured")
        values = {"name": name, "type": "string", "freeText": True}
    drafting.add(values | _truth(kind, facts.required), line=line)


def _truth(kind: str, required: bool) -> dict[str, Any]:
    if kind not in ("yesno", "truefalse"):
        return {}
    return TRUTH | ({"constraints": {"required": True}} if required else {})


def _facts(name: str, kind: str, cells: Mapping[str, str]) -> Facts | None:
    found = _kind(kind, cells.get(VALIDATION, "").casefold())
    if found is None:
        return None
    slider = kind == "slider"
    conditional = bool(cells.get(BRANCHING, ""))  # such a field may be empty although it is required
    least, most = cells.get(LEAST, ""), cells.get(MOST, "")
    return Facts(
        name=name,
        kind=found,
        title=cells.get(LABEL, ""),
        description=cells.get("field note", ""),
        values=cells.get(CHOICES, "") if kind in CHOSEN else "",
        minimum=least or ("0" if slider else ""),
        maximum=most or ("100" if slider else ""),
        required=cells.get(REQUIRED, "").casefold() == "y" and not conditional,
        decimals=_decimals(cells.get(VALIDATION, "")),
    )


def _kind(kind: str, validation: str) -> str | None:
    fixed = {"yesno": "boolean", "truefalse": "boolean", "calc": "number", "slider": "integer"}
    if kind in fixed:
        return fixed[kind]
    if kind in CHOSEN:
        return "string"
    if kind in UNMEASURED:
        return "free text"
    return _validated(validation) if kind == "text" else None


def _validated(validation: str) -> str:
    for start, kind in (("datetime", "datetime"), ("date", "date"), ("time", "time"), ("integer", "integer")):
        if validation.startswith(start):
            return kind
    return "number" if validation.startswith("number") else "free text"


def _decimals(validation: str) -> str:
    found = re.search(r"number_([1-9])dp", validation.casefold())
    return found[1] if found else ""
