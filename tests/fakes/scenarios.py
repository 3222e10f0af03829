"""How a stand-in reads a what-if sentence: it knows a few words of size, and the labels it was told."""

from __future__ import annotations

from typing import Any

from tests.fakes.protocol import proposal

SIZES = {"twice": 2.0, "three times": 3.0, "half": 0.5, "no ": 0.0}


def supposed(guidance: dict[str, Any], *, contrary: bool = False) -> list[dict[str, Any]]:
    """Every value whose label the sentence names, in the size that it names; ``contrary``: the other way round."""
    sentence = guidance["assumption"].casefold()
    size = next((size for word, size in SIZES.items() if word in sentence), 2.0)
    factor = 1 / max(size, 0.1) if contrary else size
    found = [
        proposal(guidance, {column["name"]: [value]}, max(1, round(factor * count)), f"The sentence speaks of {label}.")
        for column in guidance["columns"]
        for value, label, count in zip(column["values"], column["labels"], column["records"], strict=True)
        if label.casefold() in sentence.split() or f'"{label.casefold()}"' in sentence
    ]
    return found[: guidance["proposals"]]
