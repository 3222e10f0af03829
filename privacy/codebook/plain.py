"""A codebook as people keep it: one line a variable, under headings that say what each cell is."""

from __future__ import annotations

import re
from collections.abc import Mapping

from privacy.codebook.draft import Draft, Drafting, name_of, refuse
from privacy.codebook.facts import KIND_OF, Facts, declare
from privacy.codebook.sheets import Rows

HEADINGS: Mapping[str, tuple[str, ...]] = {
    "name": ("name", "variable", "variable name", "column", "column name", "field", "field name"),
    "title": ("label", "title", "variable label", "question"),
    "description": ("description", "meaning", "definition", "notes", "unit"),
    "kind": ("type", "data type", "kind", "format"),
    "values": ("values", "categories", "codes", "value labels", "choices", "levels", "allowed values"),
    "minimum": ("minimum", "min", "from", "lower", "lowest"),
    "maximum": ("maximum", "max", "to", "upper", "highest"),
    "range": ("range",),
    "decimals": ("decimals", "decimal places"),
    "required": ("required", "mandatory", "never missing"),
    "missing": ("missing", "missing values", "missing codes"),
}
RANGE = re.compile(r"\s*(-?[0-9][0-9.]*|[0-9]{4}-[0-9]{2}-[0-9]{2})\s*(?:to|-|–|\.\.)\s*(\S+)\s*")
YES = {"yes", "y", "true", "1", "x", "required"}


def draft(rows: Rows) -> Draft:
    """A draft from a codebook's rows, headings first. CodebookRefused without a heading for names."""
    places = _places(rows[0])
    drafting, missing = Drafting(), dict[str, None]()
    for line, row in enumerate(rows[1:], start=2):
        cells = {key: row[place] if place < len(row) else "" for key, place in places.items()}
        name = name_of(cells["name"], line=line, problems=drafting.problems)
        if name is None:
            continue
        drafting.add(declare(_facts(name, cells, drafting), drafting), line=line)
        missing.update(dict.fromkeys(re.split(r"[;,|\s]+", cells.get("missing", ""))))
    missing.pop("", None)
    return drafting.finished(missingValues=[each for each in missing if each.isprintable()][:50])


def _places(headings: list[str]) -> dict[str, int]:
    said = [" ".join(re.split(r"[\s_]+", heading.casefold())).strip() for heading in headings]
    places = {
        key: said.index(word) for key, words in HEADINGS.items() for word in reversed(words) if word in said
    }  # fmt: skip
    if "name" not in places:
        raise refuse(
            "no heading names the variables: the first row needs one of: " + ", ".join(HEADINGS["name"]), line=1
        )
    return places


def _facts(name: str, cells: dict[str, str], drafting: Drafting) -> Facts:
    word = cells.get("kind", "").casefold().strip()
    kind = KIND_OF.get(re.sub(r"\s*\(.*\)$", "", word), "")
    if word and not kind:
        drafting.note(name, "the codebook's word for its type is not known; it was taken by its values and bounds")
    span = RANGE.fullmatch(cells.get("range", ""))
    return Facts(
        name=name,
        kind=kind,
        title=cells.get("title", ""),
        description=cells.get("description", ""),
        values=cells.get("values", ""),
        minimum=cells.get("minimum", "") or (span[1] if span else ""),
        maximum=cells.get("maximum", "") or (span[2] if span else ""),
        decimals=cells.get("decimals", ""),
        required=cells.get("required", "").casefold() in YES,
    )
