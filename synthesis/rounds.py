"""What changed between two submissions of a request, word by word. Pure: it compares two frozen snapshots."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

LABELS = {
    "title": "Title", "purpose": "Purpose", "context": "Context", "targets": "Columns of interest",
    "rows": "Synthetic rows", "epsilon": "Epsilon", "delta": "Delta", "rho": "ρ", "proposer": "Proposer",
    "endpoint": "Endpoint", "takeover": "The embedded proposer takes over", "reference": "Public reference table",
    "declaration": "Declaration of the dataset", "plan": "Measurement plan", "disclosure": "Disclosure check",
    "use": "Kind of use", "rules": "Rules", "waiver": "Waiver of the second steward",
}  # fmt: skip
SAME, GONE, NEW = "same", "gone", "new"


@dataclass(frozen=True, slots=True)
class Change:
    """One field that differs; ``parts`` are (same, gone or new; text) in reading order."""

    label: str
    parts: tuple[tuple[str, str], ...]


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    """Every field whose text differs, in the order in which the gate shows them; round and seed aside."""
    told = [(label, text_of(before.get(name)), text_of(after.get(name))) for name, label in LABELS.items()]
    return [Change(label, parts(old, new)) for label, old, new in told if old != new]


def text_of(value: Any) -> str:
    """A value as it is compared: words as they are, lists and tables in one line."""
    if isinstance(value, list | tuple):
        return ", ".join(text_of(one) for one in value)
    if isinstance(value, Mapping):
        return "; ".join(f"{name}: {text_of(one)}" for name, one in value.items())
    return "" if value is None else str(value)


def parts(old: str, new: str) -> tuple[tuple[str, str], ...]:
    """Both texts as one, with what is gone and what is new marked, by whole words."""
    left, right = re.findall(r"\S+\s*", old), re.findall(r"\S+\s*", new)
    found: list[tuple[str, str]] = []
    for kind, a, b, c, d in SequenceMatcher(None, left, right, autojunk=False).get_opcodes():
        if kind == "equal":
            found.append((SAME, "".join(right[c:d])))
            continue
        found += [(mark, "".join(words)) for mark, words in ((GONE, left[a:b]), (NEW, right[c:d])) if words]
    return tuple(found)
