"""Advice to stewards: whether a stated kind of use fits a dataset's codes of permitted uses. Pure, and a table.

It decides nothing. A code that only somebody can judge (a stated disease, a place, an ethics vote) makes it say so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from privacy.schema_uses import KNOWN

Verdict = Literal["match", "no match", "needs a person"]
RESEARCH = frozenset({"research", "health", "disease", "origins", "methods"})
ANYTHING = RESEARCH | {"clinical", "other"}

# What each permission covers; a use in the second set may be covered, which a person has to judge.
PERMITTED: dict[str, tuple[frozenset[str], frozenset[str]]] = {
    "NRES": (ANYTHING, frozenset()),
    "GRU": (RESEARCH, frozenset()),
    "HMB": (frozenset({"health", "disease"}), frozenset({"methods"})),
    "DS": (frozenset(), frozenset({"disease", "health"})),
    "POA": (frozenset({"origins"}), frozenset()),
    "CC": (frozenset({"clinical"}), frozenset()),
}
# Kinds of use, and of whom, that a modifier shuts out.
SHUT_OUT: dict[str, frozenset[str]] = {
    "NMDS": frozenset({"methods"}),
    "NPOA": frozenset({"origins"}),
    "NCU": frozenset({"commercial"}),
    "NPU": frozenset({"company", "commercial"}),
    "NPUNCU": frozenset({"company", "commercial"}),
}
# What only a person can tell.
TO_ASK: dict[str, str] = {
    "DS": "which disease the owner's permission names, and whether the purpose is about it",
    "GSO": "whether the purpose is a genetic study",
    "PUB": "whether results will be published",
    "COL": "whether those who collected the data take part",
    "IRB": "whether an ethics committee approved",
    "GS": "where the table will be used",
    "MOR": "whether anything is published before the stated day",
    "TS": "whether the stated day has passed",
    "US": "whether the requester is one of the stated persons",
    "PS": "whether it is one of the stated projects",
    "IS": "whether the institution is one of those stated",
    "RTN": "whether results come back to the data's owner",
}
IN_WORDS: dict[Verdict, str] = {
    "match": "It fits the codes",
    "no match": "It does not fit the codes",
    "needs a person": "The codes alone cannot tell: somebody has to judge",
}


@dataclass(frozen=True, slots=True)
class Advice:
    """``reasons`` are sentences, of every code that speaks against it or has to be judged."""

    verdict: Verdict
    reasons: tuple[str, ...] = ()

    @property
    def in_words(self) -> str:
        return IN_WORDS[self.verdict]


def advise(codes: Sequence[str], use: str, by: str) -> Advice:
    """``use``: a kind of use, ``by``: "neither", "company" or "commercial"; both "" where it was not stated."""
    names = [KNOWN[code][0] for code in codes]
    if not names:
        return Advice("needs a person", ("The owner declared no codes of permitted uses.",))
    against = [*_not_permitted(names, use), *_shut_out(names, use, by)]
    if against:
        return Advice("no match", tuple(against))
    unclear = [*_unstated(names, use, by), *_to_judge(names, use)]
    return Advice("needs a person", tuple(unclear)) if unclear else Advice("match")


def _not_permitted(names: Sequence[str], use: str) -> list[str]:
    """One permission is enough."""
    granted = [PERMITTED[name] for name in names if name in PERMITTED]
    if not use or any(use in sure or use in perhaps for sure, perhaps in granted):
        return []
    return [f"No permission covers this kind of use: {', '.join(name for name in names if name in PERMITTED)}."]


def _shut_out(names: Sequence[str], use: str, by: str) -> list[str]:
    return [f"{name} shuts it out." for name in names if {use, by} & SHUT_OUT.get(name, frozenset())]


def _unstated(names: Sequence[str], use: str, by: str) -> list[str]:
    found = [] if use or "NRES" in names else ["The request does not state its kind of use."]
    asked = [name for name in names if {"company", "commercial"} & SHUT_OUT.get(name, frozenset())]
    if asked and not by:
        found.append(f"The request does not state whose use it is, which {', '.join(asked)} asks.")
    return found


def _to_judge(names: Sequence[str], use: str) -> list[str]:
    sure = any(use in PERMITTED[name][0] for name in names if name in PERMITTED)
    found = [f"{name}: {TO_ASK[name]}." for name in names if name in TO_ASK and not (name == "DS" and sure)]
    perhaps = [name for name in names if name in PERMITTED and use in PERMITTED[name][1] and name not in TO_ASK]
    return found if sure else found + [f"{name}: whether it covers this purpose." for name in perhaps]
