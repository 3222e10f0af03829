"""Which entries of a log are about one request, one dataset or one span of time. Pure: the log alone decides."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from audit.leaves import Leaf

BELOW: dict[str, tuple[str, ...]] = {
    "dataset": ("request", "reference"),
    "request": ("run", "release", "package", "grant"),
    "run": ("intent", "package"),
    "package": ("grant",),
}
"""What belongs to what: an entry that names both ties the lower thing to the higher one, never the other way round.

A release that two requests use belongs to both, and ties neither to the other.
"""
KINDS = frozenset({*BELOW, *(name for names in BELOW.values() for name in names)})
Named = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Scope:
    """What evidence is wanted of: a request or dataset by its id, or a period (UTC, both ends included)."""

    kind: str
    about: str = ""
    since: str = ""
    until: str = ""

    def __str__(self) -> str:
        return f"{self.since} to {self.until}" if self.kind == "period" else f"{self.kind} {self.about}"


@dataclass(frozen=True, slots=True)
class Selection:
    """The entries in scope, by index, and everything they are about: pairs of kind and id."""

    entries: tuple[int, ...]
    names: frozenset[Named]

    def of(self, kind: str) -> list[str]:
        return sorted(name for each, name in self.names if each == kind)


def select(leaves: Sequence[Leaf], scope: Scope) -> Selection:
    """The part of a log within a scope."""
    if scope.kind == "period":
        inside = [leaf for leaf in leaves if scope.since <= leaf.time <= scope.until]
        return Selection(tuple(leaf.index for leaf in inside), frozenset(_all_named(inside)))
    named = [(leaf.index, frozenset(_named(leaf))) for leaf in leaves]
    names = _closed({(scope.kind, scope.about)}, [mentioned for _, mentioned in named])
    return Selection(tuple(index for index, mentioned in named if mentioned & names), frozenset(names))


def _closed(names: set[Named], entries: Sequence[frozenset[Named]]) -> set[Named]:
    """Everything below the names, found through entries that name both; an entry may come before what ties it."""
    while True:
        found = {
            lower
            for mentioned in entries
            for kind, _ in mentioned & names
            for lower in mentioned
            if lower[0] in BELOW.get(kind, ())
        }
        if found <= names:
            return names
        names |= found


def _all_named(leaves: Iterable[Leaf]) -> Iterator[Named]:
    for leaf in leaves:
        yield from _named(leaf)


def _named(leaf: Leaf) -> Iterator[Named]:
    kind, _, name = leaf.subject.partition(":")
    if kind in KINDS:
        yield kind, name
    for kind in KINDS & leaf.facts.keys():
        if isinstance(leaf.facts[kind], str):
            yield kind, leaf.facts[kind]
