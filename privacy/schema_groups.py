"""Codes too many to count one by one (diagnoses, products, postcodes): a public rule puts them into groups.

The group is what is measured. A synthetic value is the group's label, or the one value the owner declared
to stand for it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from privacy.schema_fields import OUTSIDE
from privacy.schema_reading import Reader
from privacy.values import IntArray

MAX_VALUES = 200_000
LONGEST_PREFIX = 40


@dataclass(frozen=True, slots=True)
class Grouped:
    """Groups by exact value or by the longest known beginning; ``written`` is what each group decodes to.

    A cell that already holds a group's label counts as that group.
    """

    labels: tuple[str, ...]
    written: tuple[str, ...]
    values: dict[str, int] = field(hash=False)
    prefixes: dict[str, int] = field(hash=False)
    lengths: tuple[int, ...]

    @property
    def size(self) -> int:
        return len(self.labels)

    @property
    def rule(self) -> str:
        return "a value is in none of the declared groups"

    def code(self, text: str) -> int:
        found = self.values.get(text, OUTSIDE)
        for length in self.lengths:
            if found != OUTSIDE:
                break
            found = self.prefixes.get(text[:length], OUTSIDE) if len(text) >= length else OUTSIDE
        return found

    def decode(self, codes: IntArray, rng: np.random.Generator) -> np.ndarray[Any, Any]:
        return np.array(self.written, dtype=object)[codes]


def read_groups(field: Reader) -> Grouped | None:
    """What ``grouping`` declares, or None after noting its problems."""
    before = len(field.problems)
    grouping = Reader(field.get("grouping"), column=field.column, problems=field.problems, what="'grouping'")
    kind = grouping.one_of(("values", "prefixes", "prefixLength"))
    if kind == "prefixLength":
        labels, members = _by_length(grouping)
    else:
        labels, members = _by_table(grouping, kind) if kind else ((), {})
    grouped = _grouped(labels, members, exact=kind == "values")
    representatives = _representatives(grouping, grouped)
    grouping.done()
    if len(field.problems) > before:
        return None
    written = tuple(representatives.get(label, label) for label in labels)
    return Grouped(labels, written, grouped.values, grouped.prefixes, grouped.lengths)


def _by_length(grouping: Reader) -> tuple[tuple[str, ...], dict[str, int]]:
    """Groups are the values' first characters; which there may be is a public list."""
    length = grouping.whole("prefixLength", least=1, most=LONGEST_PREFIX)
    labels = grouping.texts("groups")
    if any(len(label) != length for label in labels):
        grouping.problem(f"'groups' must hold beginnings of exactly {length} characters")
    return labels, {label: code for code, label in enumerate(labels)}


def _by_table(grouping: Reader, key: str) -> tuple[tuple[str, ...], dict[str, int]]:
    """Groups in the order in which the public table first names them."""
    table = grouping.get(key)
    if not isinstance(table, dict) or not 1 <= len(table) <= MAX_VALUES:
        grouping.problem(f"'{key}' must be an object of 1 to {MAX_VALUES} entries")
        return (), {}
    if not all(_plain(text) for entry in table.items() for text in entry):
        grouping.problem(f"'{key}' must name a group for each entry, both printable and without space around them")
        return (), {}
    if key == "prefixes" and any(len(prefix) > LONGEST_PREFIX for prefix in table):
        grouping.problem(f"'prefixes' must be at most {LONGEST_PREFIX} characters long")
    labels = tuple(dict.fromkeys(table.values()))
    codes = {label: code for code, label in enumerate(labels)}
    members = {member: codes[label] for member, label in table.items()}
    lookup = _grouped((), members, exact=key == "values")
    if any(lookup.code(label) not in (OUTSIDE, code) for label, code in codes.items()):
        grouping.problem("a group's label must not be a value of another group")
    return labels, members


def _grouped(labels: tuple[str, ...], members: dict[str, int], *, exact: bool) -> Grouped:
    own = {label: code for code, label in enumerate(labels)}
    prefixes = {} if exact else members
    lengths = tuple(sorted({len(prefix) for prefix in prefixes}, reverse=True))
    return Grouped(labels, labels, members | own if exact else own, prefixes, lengths)


def _representatives(grouping: Reader, grouped: Grouped) -> dict[str, str]:
    """The value that stands for a group in the synthetic table, for the groups that have one."""
    declared = grouping.get("representatives")
    if declared is None:
        return {}
    if not isinstance(declared, dict) or not all(_plain(text) for text in declared.values()):
        grouping.problem("'representatives' must give a text for each group it names")
        return {}
    codes = {label: code for code, label in enumerate(grouped.labels)}
    if any(codes.get(label) != grouped.code(value) for label, value in declared.items()):
        grouping.problem("'representatives' must name declared groups, each with a value of that group")
    return {str(label): str(value) for label, value in declared.items()}


def _plain(text: object) -> bool:
    return isinstance(text, str) and bool(text) and text == text.strip() and text.isprintable()
