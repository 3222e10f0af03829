"""What a plan was told before any data was touched: columns that whoever saw the declaration alone thinks dependent.

A hint is worth a fixed, public number of rows in the first choice of tables and nothing anywhere else. It follows from
the declaration and the noise alone, so that what a choice costs, and how noisy it is, stays as it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import combinations

from privacy.values import Candidate

Hint = tuple[str, ...]
"""The names of two or three columns."""

MOST_HINTS = 64
BONUS = 8.0
"""How many standard deviations of a table's noise a hinted pair is given beside its score, in rows."""


def checked(hints: Sequence[Hint]) -> None:
    """ValueError where these are no hints: each names two or three columns, no two the same ones."""
    if len(hints) > MOST_HINTS:
        raise ValueError(f"a plan holds at most {MOST_HINTS} hints")
    if any(len(hint) not in (2, 3) or len(set(hint)) != len(hint) for hint in hints):
        raise ValueError("a hint names two or three different columns")
    if len({frozenset(hint) for hint in hints}) != len(hints):
        raise ValueError("a plan is given each of its hints once")


def read(stored: object) -> tuple[Hint, ...]:
    """Stored hints; TypeError where they are not lists of names."""
    if not isinstance(stored, list) or not all(isinstance(hint, list) for hint in stored):
        raise TypeError("hints are lists of columns")
    if not all(isinstance(column, str) for hint in stored for column in hint):
        raise TypeError("a hint names columns")
    return tuple(tuple(hint) for hint in stored)


def pairs(hints: Iterable[Hint]) -> frozenset[frozenset[str]]:
    """The pairs of columns that hints speak of; three columns stand for their three pairs."""
    return frozenset(frozenset(pair) for hint in hints for pair in combinations(hint, 2))


def favoured(candidates: tuple[Candidate, ...], hints: Sequence[Hint], *, sigma: float) -> tuple[Candidate, ...]:
    """The same candidates, those on hinted pairs with less taken off their scores.

    Where a model foresees what chance brings, to buy no table is a choice of its own, and the right one for many
    columns: there a hint counts for nothing.
    """
    hinted, bonus = pairs(hints), round(BONUS * sigma)
    return tuple(
        replace(each, penalty=each.penalty - bonus)
        if each.chance is None and frozenset(each.clique.columns) in hinted
        else each
        for each in candidates
    )
