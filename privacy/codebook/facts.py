"""What is said of one variable, in the words of a codebook, made into a declared field."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from privacy.codebook.draft import Drafting
from privacy.schema_reading import as_decimal

USUAL_BINS = 20
FEW_VALUES = 40
KINDS = {
    "integer": ("integer", "int", "whole number", "whole numbers", "count", "long", "bigint", "smallint", "year"),
    "number": ("number", "numeric", "float", "double", "decimal", "real", "continuous", "money", "amount"),
    "boolean": ("boolean", "bool", "logical", "binary", "yes/no", "true/false", "flag"),
    "date": ("date", "day"),
    "datetime": ("datetime", "timestamp", "date and time"),
    "time": ("time", "time of day"),
    "string": (
        "string",
        "char",
        "varchar",
        "categorical",
        "category",
        "factor",
        "nominal",
        "ordinal",
        "enum",
        "choice",
    ),
    "free text": ("free text", "freetext", "text", "memo", "notes", "open text", "comment"),
    "identifier": ("identifier", "id", "key"),
    "codes": ("codes", "code"),
}
KIND_OF = {word: kind for kind, words in KINDS.items() for word in words}
_CODED = re.compile(r"\s*(?P<code>[^=:,]{1,100}?)\s*[=:,]\s*(?P<label>.+?)\s*", re.DOTALL)
_WHOLE = re.compile(r"[+-]?[0-9]{1,18}")


@dataclass(frozen=True, slots=True)
class Facts:
    """Texts as found, empty where nothing is said; ``kind`` is one of KINDS or empty."""

    name: str
    kind: str = ""
    title: str = ""
    description: str = ""
    values: str = ""
    minimum: str = ""
    maximum: str = ""
    decimals: str = ""
    required: bool = False


def declare(facts: Facts, drafting: Drafting) -> dict[str, Any]:
    """The field as far as it is known; what was assumed is noted."""
    texts = {"title": tidy(facts.title, 200), "description": tidy(facts.description, 2000)}
    around = {"name": facts.name, **{key: text for key, text in texts.items() if text}}
    kind = facts.kind or _guessed(facts)
    required = {"constraints": {"required": True}} if facts.required else {}
    if kind in ("integer", "number") and not facts.values:
        return around | _numbers(facts, kind, drafting)
    if kind in ("date", "datetime"):
        return around | _moments(facts, kind, drafting)
    if kind in ("boolean", "time"):
        return around | {"type": kind} | required
    if kind == "free text" and not facts.values:
        return around | {"type": "string", "freeText": True}
    if kind == "identifier":
        drafting.note(
            facts.name, "may be the privacy unit's column; until the unit names it, it is left out as free text"
        )
        return around | {"type": "string", "freeText": True}
    if kind == "codes" and not facts.values:
        return around | {"type": "string", "grouping": {}} | required
    return around | _listed(facts, kind, drafting) | required


def _guessed(facts: Facts) -> str:
    if facts.values:
        return "string"
    if facts.minimum or facts.maximum:
        whole = all(_WHOLE.fullmatch(text) for text in (facts.minimum, facts.maximum) if text)
        return "integer" if whole else "number"
    return "string"


def _listed(facts: Facts, kind: str, drafting: Drafting) -> dict[str, Any]:
    """A list of values; without one the field waits for its owner."""
    if not facts.values:
        return {"type": "string"}
    codes, labels = listed(facts.values)
    meanings = ", ".join(f"{code} = {label}" for code, label in zip(codes, labels, strict=True) if label)
    said = {"description": tidy(f"{facts.description} {meanings}".strip(), 2000)} if meanings else {}
    if len(set(codes)) != len(codes):
        drafting.note(facts.name, "the list of values names one twice; it was taken once")
        codes = tuple(dict.fromkeys(codes))
    drafting.note(facts.name, "a file with a value that is not listed will be refused, unless 'other' is declared")
    numbers = all(_WHOLE.fullmatch(code) and str(int(code)) == code for code in codes)
    if numbers and kind != "free text":
        return said | {"type": "integer", "categories": [int(code) for code in codes]}
    return said | {"type": "string", "categories": list(codes)}


def listed(text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Values and their labels from ``1 = male; 2 = female``, ``1, male | 2, female`` or ``a, b, c``."""
    separator = next((each for each in ("|", "\n", ";") if each in text), "")
    pieces = [piece.strip() for piece in (text.split(separator) if separator else re.split(r",", text))]
    pieces = [piece for piece in pieces if piece]
    coded = [_CODED.fullmatch(piece) for piece in pieces]
    found = [(each["code"], each["label"]) for each in coded if each is not None]
    if len(found) < len(pieces) or not found:
        return tuple(tidy(piece, 200) for piece in pieces), ("",) * len(pieces)
    return tuple(tidy(code, 200) for code, _ in found), tuple(tidy(label, 200) for _, label in found)


def _numbers(facts: Facts, kind: str, drafting: Drafting) -> dict[str, Any]:
    """Bounds as given, and bins of equal width where there would be too many values."""
    bounds: dict[str, Any] = {}
    for key, text in (("minimum", facts.minimum), ("maximum", facts.maximum)):
        number = as_decimal(text)
        if number is not None:
            bounds[key] = int(number) if number == int(number) else float(number)
        elif text:
            drafting.note(facts.name, f"the {key} is not a number, so it was left out")
    values: dict[str, Any] = {"type": kind, "constraints": bounds | ({"required": True} if facts.required else {})}
    if kind == "number":
        values["decimals"] = int(facts.decimals) if re.fullmatch("[0-9]", facts.decimals) else 2
    if kind == "number" or Decimal(str(bounds.get("maximum", 0))) - Decimal(str(bounds.get("minimum", 0))) > FEW_VALUES:
        values["bins"] = {"equalWidth": USUAL_BINS}
        drafting.note(facts.name, f"{USUAL_BINS} bins of equal width are a proposal: cut where it matters")
    return values


def _moments(facts: Facts, kind: str, drafting: Drafting) -> dict[str, Any]:
    parts = ["year", "month"] + (["hour"] if kind == "datetime" else [])
    drafting.note(facts.name, f"the parts {', '.join(parts)} are a proposal: declare those that matter")
    bounds = {}
    for key, text in (("minimum", facts.minimum), ("maximum", facts.maximum)):
        if is_day(text):
            bounds[key] = text
        elif text:
            drafting.note(facts.name, f"the {key} is not a day written as YYYY-MM-DD, so it was left out")
    required = {"required": True} if facts.required else {}
    return {"type": kind, "parts": parts, "constraints": bounds | required}


def is_day(text: str) -> bool:
    try:
        return len(text) == 10 and bool(date.fromisoformat(text))
    except ValueError:
        return False


def tidy(text: str, most: int) -> str:
    """Printable text on one line."""
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())[:most].strip()
