"""How stand-ins write the texts of synthetic records: usefully, at random, and as badly as a form lets them."""

from __future__ import annotations

import random
from typing import Any

from tests.fakes.protocol import proposing

WORDS = ("sturdy", "plain", "blue", "handy", "light", "large")
FORMULA = '=HYPERLINK("http://127.0.0.1:9/?"&A1,"open")'


def sensible(guidance: dict[str, Any]) -> tuple[int, bytes]:
    """A text for every record, made of its values and within the length."""
    told = [(one["record"], ", ".join(f"{name} {value}" for name, value in one["values"].items()))
            for one in guidance["records"]]  # fmt: skip
    return proposing(*({"record": record, "text": f"With {text}."[: guidance["longest"]]} for record, text in told))


def at_random(guidance: dict[str, Any], rng: random.Random) -> tuple[int, bytes]:
    return proposing(*({"record": one["record"], "text": rng.choice(WORDS)} for one in guidance["records"]))


def malicious(guidance: dict[str, Any]) -> tuple[int, bytes]:
    """A formula, characters that nobody sees, too long a text, and texts for records that were not asked about."""
    bad = [FORMULA, "seen\u200b\u202e\x07\U000e0041\nonly", "x" * 5000, "\u200b\u2060", 17]
    made = [{"record": one["record"], "text": bad[at % len(bad)]} for at, one in enumerate(guidance["records"])]
    return proposing(*made, {"record": 10**6, "text": "for nobody"}, {"record": 1, "text": "once more"})


def contrary(guidance: dict[str, Any]) -> tuple[int, bytes]:
    """The same text for every record, and in the wrong order."""
    records = reversed([one["record"] for one in guidance["records"]])
    return proposing(*({"record": record, "text": "Nothing of the kind."} for record in records))
