"""From an answer about a declared table to pairs of columns that may be dependent, and to the texts of rules.

As in every answer, nothing is executed, followed or trusted; each member stands alone, and text that was cut off yields
its complete members. Columns travel as c01, c02, ... in the declaration's order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from synthesis.llm.answers import CUT_OFF, Rejected, members, number_of, readable, spoken

MOST_PAIRS, MOST_TRIPLES, MOST_RULES = 40, 5, 10
"""What is read of one answer; more of it is left aside."""
LONGEST_RULE = 1000


@dataclass(frozen=True, slots=True)
class Suggested:
    """A rule as the model wrote it, and its reason on one line."""

    text: str
    reason: str


@dataclass(frozen=True, slots=True)
class Structure:
    """``hints``: two or three columns by name, most likely first. ``rejected``: why members are not among them."""

    hints: tuple[tuple[str, ...], ...] = ()
    rules: tuple[Suggested, ...] = ()
    rejected: tuple[str, ...] = ()


def pairs_asked(columns: int) -> int:
    """How many pairs a table of so many columns is asked for: as many as there are at most, and bounded."""
    return min(columns * (columns - 1) // 2, 2 * columns, MOST_PAIRS)


def parse_completion(body: bytes, columns: Sequence[str]) -> Structure:
    """Every valid hint and rule of a chat completion's text. Rejected where it holds nothing that can be read."""
    content, cut = spoken(body)
    told = members(content, "dependencies", most=MOST_PAIRS + MOST_TRIPLES)
    rules = members(content, "rules", most=MOST_RULES)
    if told is None and rules is None:
        raise Rejected("the answer holds neither dependencies nor rules")
    hints, why_not = _hints(told or [], columns)
    suggested, bad = _rules(rules or [])
    return Structure(hints, suggested, (*([CUT_OFF] if cut else []), *why_not, *bad))


def counted(rejected: Sequence[str]) -> list[str]:
    """Reasons with how often each was given, most frequent first."""
    return [f"{reason} ({times})" for reason, times in Counter(rejected).most_common()]


def _hints(told: list[Any], columns: Sequence[str]) -> tuple[tuple[tuple[str, ...], ...], list[str]]:
    found: dict[frozenset[str], tuple[str, ...]] = {}
    room, rejected = {2: pairs_asked(len(columns)), 3: MOST_TRIPLES}, []
    for each in told:
        try:
            hint = _hint(each, columns)
        except Rejected as rule:
            rejected.append(f"a dependency {rule}")
            continue
        if frozenset(hint) in found:
            continue
        if not room[len(hint)]:
            rejected.append("a dependency beyond as many as were asked for")
            continue
        room[len(hint)] -= 1
        found[frozenset(hint)] = hint
    return tuple(found.values()), rejected


def _hint(each: Any, columns: Sequence[str]) -> tuple[str, ...]:
    if set(each) != {"columns", "reason"} or not isinstance(each["reason"], str):
        raise Rejected("must have exactly the keys columns and reason")
    if not isinstance(each["columns"], list) or len(each["columns"]) not in (2, 3):
        raise Rejected("must name two or three columns")
    places = [number_of(name, "c", len(columns), "names a column that is not declared") for name in each["columns"]]
    if len(set(places)) != len(places):
        raise Rejected("names a column twice")
    return tuple(columns[place] for place in sorted(places))


def _rules(told: list[Any]) -> tuple[tuple[Suggested, ...], list[str]]:
    found: dict[str, Suggested] = {}
    rejected = ["a rule beyond as many as were asked for"] * (len(told) - MOST_RULES)
    for each in told[:MOST_RULES]:
        if set(each) != {"rule", "reason"} or not all(isinstance(text, str) for text in each.values()):
            rejected.append("a rule must have exactly the keys rule and reason")
        elif not 0 < len(each["rule"]) <= LONGEST_RULE:
            rejected.append(f"a rule has between 1 and {LONGEST_RULE} characters")
        else:
            found.setdefault(each["rule"], Suggested(each["rule"], readable(each["reason"])))
    return tuple(found.values()), rejected
