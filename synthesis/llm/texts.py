"""From an answer's text to the cells of a text column. A text is data: it is cleaned, measured, and never followed.

Characters that nobody sees are taken out, white space becomes single spaces, and a text that is then empty or longer
than declared is none. Reasons quote nothing of the answer.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from audit.rendering import visible
from synthesis.llm.answers import CUT_OFF, Rejected, members, spoken

KEYS = {"record", "text"}
MISSING = "no text for the record"
"""Where an answer says nothing of a record, and no other reason is known."""


@dataclass(slots=True)
class Texts:
    """``found``: text by record, from 1; ``lost``: why a record has none."""

    found: dict[int, str] = field(default_factory=dict)
    lost: dict[int, str] = field(default_factory=dict)


def parse_texts(body: bytes, *, records: int, most: int) -> Texts:
    """The usable texts of a chat completion for records 1 to ``records``, of at most ``most`` characters each."""
    try:
        content, cut = spoken(body)
    except Rejected as rule:
        return Texts(lost=dict.fromkeys(range(1, records + 1), str(rule)))
    made = Texts()
    for each in (members(content, "texts", most=records) or [])[:records]:
        _take(each, made, records, most)
    for record in range(1, records + 1):
        if record not in made.found:
            made.lost.setdefault(record, CUT_OFF if cut else MISSING)
    return made


def _take(each: Any, made: Texts, records: int, most: int) -> None:
    """One member of the answer: the first text for a record counts, and what is not about one says nothing."""
    if not isinstance(each, dict) or set(each) != KEYS or type(each["record"]) is not int:
        return
    record, text = each["record"], each["text"]
    if not 1 <= record <= records or record in made.found:
        return
    if not isinstance(text, str) or not (cleaned := clean(text)):
        made.lost[record] = "a text without anything to read"
    elif len(cleaned) > most:
        made.lost[record] = "a text longer than declared"
    else:
        made.found[record] = cleaned


def clean(text: str) -> str:
    """The text on one line, of characters that can be seen."""
    seen = visible(" ".join(text.split()))
    return " ".join("".join(char for char in seen if char.isprintable()).split())
