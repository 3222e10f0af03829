"""How many stewards decided at each gate of a package, in words. Pure."""

from __future__ import annotations

from typing import Any

Facts = dict[str, Any]

TWO, ONE = "two data stewards, blind to each other", "one data steward"
WAIVED = f"{ONE} (the data owner waived the second)"
INSIDE = f"{ONE} (nothing leaves the organisation)"


def measuring(facts: Facts) -> str:
    """Who approved that the statistics were measured; of statistics used again, when they were."""
    return WAIVED if facts.get("one_steward") or facts.get("measured_under") else TWO


def leaving(facts: Facts, entry: Facts) -> str:
    """Who approved what might be told to a proposer."""
    if facts.get("one_steward"):
        return WAIVED
    return INSIDE if entry["endpoint"] is None or entry["endpoint"]["local"] else TWO


def table(facts: Facts) -> str:
    """Who approved that the table is handed over."""
    return WAIVED if facts.get("one_steward") else TWO


def in_words(facts: Facts, entry: Facts) -> str:
    return (
        f"{measuring(facts)} approved the measuring; {leaving(facts, entry)} what may be told to a proposer; and "
        f"{table(facts)} the table"
    )
