"""From an answer's text to validated proposals. Nothing in an answer is executed, followed or trusted.

Columns travel as c01, c02, ... and a column's codes as v01, v02, ..., in the domain's order; a column that a
proposal leaves out may take any value. Each proposal
stands alone: one that breaks a rule is rejected with the rule's name, and the others stay. Text that was cut
off in the middle yields its complete proposals. Reasons for rejection quote nothing of the answer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import islice
from typing import Any

from privacy.values import Domain
from synthesis.llm.base import Proposal, ProposalPlan

MOST_PROPOSALS = 50
MOST_RECORDS = 10**9
REASON_CHARS = 300
MOST_STARTS = 5  # of these the last that can be read counts: a model that thinks aloud drafts before it answers
CUT_OFF = "the answer was cut off"
KEYS = {"values", "records", "reason"}


class Rejected(ValueError):
    """The rule that a proposal breaks."""


def parse_completion(body: bytes, domain: Domain) -> tuple[ProposalPlan, tuple[str, ...]]:
    """The plan inside a chat completion's JSON, and why other proposals were rejected."""
    try:
        content, cut = spoken(body)
    except Rejected as rule:
        return ProposalPlan(), (str(rule),)
    plan, rejected = parse(content, domain)
    return plan, (CUT_OFF, *rejected) if cut else rejected


def spoken(body: bytes) -> tuple[str, bool]:
    """The text of a chat completion, and whether it was cut off; Rejected where there is none."""
    try:
        choice = json.loads(body)["choices"][0]
        message = choice["message"]
        content, refusal = message.get("content"), message.get("refusal")
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        raise Rejected("the answer is not a chat completion") from None
    if refusal:
        raise Rejected("the model refused to answer")
    if not isinstance(content, str):
        raise Rejected("the answer has no text")
    return content, choice.get("finish_reason") == "length"


def parse(content: str, domain: Domain) -> tuple[ProposalPlan, tuple[str, ...]]:
    """Every valid proposal of the answer's text, and one reason for each that is not."""
    found = members(content, "proposals", most=MOST_PROPOSALS)
    if found is None:
        return ProposalPlan(), ("the answer holds no proposal",)
    accepted, rejected = [], []
    for number, each in enumerate(found[:MOST_PROPOSALS], start=1):
        try:
            accepted.append(_proposal(each, domain))
        except Rejected as rule:
            rejected.append(f"proposal {number}: {rule}")
    if len(found) > MOST_PROPOSALS:
        rejected.append(f"only the first {MOST_PROPOSALS} proposals were read")
    return ProposalPlan(tuple(accepted)), tuple(rejected)


def members(content: str, key: str, *, most: int) -> list[Any] | None:
    """The members of the last readable array of this name, one more than ``most`` at most; None where there is none."""
    opening = re.compile(rf'"{re.escape(key)}"\s*:\s*\[')
    starts = [match.end() for match in opening.finditer(content)][-MOST_STARTS:]
    for start in reversed(starts):
        found = list(islice(_objects(content, start), most + 1))
        if found or content.startswith("]", _skip(content, start)):  # to have nothing to say is no fault
            return found
    return None


def _objects(content: str, at: int) -> Iterator[Any]:
    """The complete objects from here on, however the array ends."""
    decoder = json.JSONDecoder()
    while content.startswith("{", at := _skip(content, at)):
        try:
            value, at = decoder.raw_decode(content, at)
        except (ValueError, RecursionError):
            return
        yield value


def _skip(content: str, at: int) -> int:
    while at < len(content) and content[at] in " \t\r\n,":
        at += 1
    return at


def _proposal(found: Any, domain: Domain) -> Proposal:
    if not isinstance(found, dict) or set(found) != KEYS:
        raise Rejected("must have exactly the keys values, records and reason")
    if type(found["records"]) is not int or not 1 <= found["records"] <= MOST_RECORDS:
        raise Rejected("records must be a whole number of at least 1")
    if not isinstance(found["reason"], str):
        raise Rejected("reason must be text")
    return Proposal(_box(found["values"], domain), found["records"], readable(found["reason"]))


def _box(values: Any, domain: Domain) -> dict[str, tuple[int, ...]]:
    """The codes each column allows: all of them where it is not named."""
    if not isinstance(values, list) or not values:
        raise Rejected("values must be a list of at least one column")
    box: dict[str, tuple[int, ...]] = {}
    for each in values:
        if not isinstance(each, dict) or set(each) != {"column", "allow"}:
            raise Rejected("each of its values must have exactly the keys column and allow")
        place = number_of(each["column"], "c", len(domain.columns), "names a column that is not declared")
        if domain.columns[place] in box:
            raise Rejected("names a column twice")
        box[domain.columns[place]] = _codes(each["allow"], domain.sizes[place])
    return {column: box.get(column, tuple(range(domain.size(column)))) for column in domain.columns}


def _codes(allowed: Any, size: int) -> tuple[int, ...]:
    if not isinstance(allowed, list) or not allowed:
        raise Rejected("allow must be a list of at least one value")
    return tuple(sorted({number_of(value, "v", size, "allows a value that is not declared") for value in allowed}))


def number_of(name: Any, letter: str, size: int, rule: str) -> int:
    """The place behind a name such as c07, counted from 0."""
    digits = name[1:] if isinstance(name, str) and name[:1] == letter else ""
    if not (2 <= len(digits) <= 9 and digits.isascii() and digits.isdigit() and 1 <= int(digits) <= size):
        raise Rejected(rule)
    return int(digits) - 1


def readable(text: str) -> str:
    """The text on one line, without control or invisible characters."""
    return "".join(char for char in " ".join(text.split()) if char.isprintable())[:REASON_CHARS]
