"""What a probe found, in words for pages, commands and lists of choices. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

UNCLEAR = "Not found out"
SCHEMA = {
    "enforced": "Kept to: an answer has the demanded form for certain",
    "ignored": "Accepted and not kept to: the form is asked for in words, and every answer is checked here",
    "refused": "Refused: the form is asked for in words alone, and every answer is checked here",
}
USAGE = {True: "Reported", False: "Not reported: every call counts as its bound"}
TAKEN = {True: "Accepted; prompts do without it", False: "Refused; prompts do without it"}


def in_words(found: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Each finding's name and what it is; nothing where nothing was found."""
    if not found:
        return ()
    return (
        ("Answers", "Yes" if found["answers"] else "No"),
        ("Model on its list", {True: "Yes", False: "No"}.get(found["listed"], "It tells no list")),
        ("Form of an answer (JSON schema)", SCHEMA.get(found["schema"], UNCLEAR)),
        ("Context", context(found)),
        ("Longest answer", f"{found['output']:,} tokens, as told" if found["output"] else "Not told"),
        ("Bound of an answer", bound(found)),
        ("temperature", TAKEN.get(found["temperature"], UNCLEAR)),
        ("seed", TAKEN.get(found["seed"], UNCLEAR)),
        ("Tokens used", USAGE.get(found["usage"], UNCLEAR)),
        ("Limits of rate", rates(found)),
    )  # fmt: skip


def context(found: Mapping[str, Any]) -> str:
    """How much is read, as told or as tried, and whether more is cut off without a word."""
    if found["cuts"]:
        return f"{found['context']:,} tokens were read of a longer text, the rest cut off without a word"
    told = f"{found['context']:,} tokens, as told" if found["context"] else "Not told"
    return f"{told}; a text of {found['fits']:,} bytes was read whole" if found["fits"] else told


def bound(found: Mapping[str, Any]) -> str:
    if found["limit"] is None:
        return UNCLEAR
    return f"{found['limit']}, {'kept to' if found['limit_kept'] else 'not kept to: time and size bound an answer'}"


def rates(found: Mapping[str, Any]) -> str:
    told = [f"{found[f'rate_{name}']:,} {name}" for name in ("requests", "tokens") if found.get(f"rate_{name}")]
    return f"{' and '.join(told)}, as told" if told else "Not told"


def in_short(found: Mapping[str, Any]) -> str:
    """One line for a list of choices."""
    if not found or not found["answers"]:
        return "gave no answer"
    form = {"enforced": "keeps to forms", "ignored": "ignores forms", "refused": "refuses forms"}
    size = f"context {found['context']:,} tokens" if found["context"] else "context not told"
    return f"{form.get(found['schema'], 'forms unclear')}, {size}"
