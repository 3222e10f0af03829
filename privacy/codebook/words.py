"""A few words an owner says of a column, or the column's name alone, read by rule."""

from __future__ import annotations

import re
from typing import Any

from privacy.codebook.draft import Drafting
from privacy.codebook.facts import KIND_OF, Facts, declare, is_day

LONGEST = 4000
_NUMBER = r"-?[0-9]+(?:\.[0-9]+)?"
_RANGE = re.compile(rf"({_NUMBER})\s*(?:to|and|up to|–|\.\.)\s*({_NUMBER})")
_DAYS = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})\D+([0-9]{4}-[0-9]{2}-[0-9]{2})")
_DECIMALS = re.compile(r"\b([0-9]) decimals?\b")
_LIST = re.compile(r"(?:one of|list|choices?|categories)\b\s*:?\s*(?P<values>.+)", re.DOTALL | re.IGNORECASE)
_PAIRS = {frozenset(pair): pair for pair in (("no", "yes"), ("n", "y"), ("false", "true"), ("0", "1"), ("f", "t"))}
_OTHER = re.compile(r",?\s*(?:or\s+)?(?:anything else|others?) (?:is|are|as) (?P<label>[^,;]{1,60})$", re.IGNORECASE)

# What a name usually means. Bounds are common knowledge; where there are none, the owner is asked.
BY_NAME = (
    (r"(.*_)?age(_years?)?", "whole number 0 to 110"),
    (r"(year_of_birth|birth_?year|yob)", "whole number 1900 to 2030"),
    (r".*(percent|pct|percentage).*", "number 0 to 100"),
    (r"(is|has|had|was)_.+|.+_(flag|yn)", "0/1"),
    (r".*(date|day|dob|birthday|_on)", "date"),
    (r".*(timestamp|datetime|_at)", "datetime"),
    (r".*time", "time"),
    (r"(.*_)?(id|uuid|key|number|nr|ssn|mrn)", "identifier"),
    (r".*(name|e_?mail|phone|address|street|iban).*", "free text"),
    (r".*(comment|remark|note|text|description|reason).*", "free text"),
    (r".*(zip|postcode|postal|icd|diagnosis|product_?code|sku|occupation_?code).*", "codes"),
    (r".*(price|amount|income|salary|cost|weight|height|length|duration|rate|score|balance).*", "number"),
    (r".*(count|visits|children|kids|quantity|qty|size|num_.+|n_.+)", "whole number"),
)


def field_of(name: str, words: str, drafting: Drafting) -> dict[str, Any]:
    """The field that the owner's words describe; without words, what the name suggests, with a note."""
    said = words.strip()[:LONGEST]
    if not said:
        said = by_name(name)
        if not said:
            drafting.note(name, "nothing is known of it but its name")
            return {"name": name, "type": "string"}
        drafting.note(name, "proposed from its name alone: look at type and bounds")
    field = _boolean(name, said) or _listed(name, said, drafting)
    return field if field is not None else declare(_facts(name, said, drafting), drafting)


def by_name(name: str) -> str:
    plain = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).casefold().replace(" ", "_").replace("-", "_")
    return next((words for pattern, words in BY_NAME if re.fullmatch(pattern, plain)), "")


def _boolean(name: str, said: str) -> dict[str, Any] | None:
    """``yes/no``, ``0/1`` and the like, in either order and case as written."""
    sides = [side.strip() for side in re.split(r"/|\bor\b", said)]
    pair = _PAIRS.get(frozenset(side.casefold() for side in sides)) if len(sides) == 2 else None
    if pair is None:
        return None
    false, true = sides if sides[0].casefold() == pair[0] else sides[::-1]
    return {"name": name, "type": "boolean", "trueValues": [true], "falseValues": [false]}


def _listed(name: str, said: str, drafting: Drafting) -> dict[str, Any] | None:
    """``one of: a, b, c``, with ``others are elsewhere`` at its end where there are more."""
    other = _OTHER.search(said)
    found = _LIST.fullmatch(said[: other.start()] if other else said)
    if found is None:
        return None
    values = re.sub(r"\s+or\s+(?=[^,]+$)", ", ", found["values"])
    field = declare(Facts(name=name, kind="string", values=values), drafting)
    return field | ({"other": other["label"].strip()} if other else {})


def _facts(name: str, said: str, drafting: Drafting) -> Facts:
    days, span, decimals = _DAYS.search(said), _RANGE.search(said), _DECIMALS.search(said)
    lowest, highest = days.groups() if days else span.groups() if span else ("", "")
    kind = _kind(said, lowest)
    if not kind:
        drafting.note(name, "the words were not understood; say for example 'whole number 0 to 10' or 'one of: a, b'")
    return Facts(
        name=name,
        kind=kind,
        minimum=lowest,
        maximum=highest,
        decimals=decimals[1] if decimals else "",
        required="never missing" in said.casefold(),
    )


def _kind(said: str, lowest: str) -> str:
    """The longest word for a kind among the words; bounds alone say a kind too."""
    words = said.casefold()
    known = sorted((word for word in KIND_OF if re.search(rf"\b{re.escape(word)}s?\b", words)), key=len, reverse=True)
    if known:
        return KIND_OF[known[0]]
    if is_day(lowest):
        return "date"
    return ("number" if "." in lowest else "integer") if lowest else ""
