"""Whether rows of a third table can follow each other as declared: of every kind of member, in every number of them.

Decided from the declaration alone, before anything is measured, and exactly: what the last row may hold is worked out
row by row, over bins of codes that no rule tells apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from itertools import product
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from privacy.across_rules import kept, only
from privacy.layouts import Before
from privacy.leaves import PLACE, PLACES, Leaves
from privacy.related import Related
from privacy.schema_reading import Reader
from privacy.values import Axis, Domain, HardRule

MOST_CELLS = 2**22
"""Cells of a rule, code by code."""
MOST_KINDS = 2**12
"""Kinds of members, as far as rules tell them apart, that are tried one by one."""
MOST_ATTRIBUTES, MOST_STATES = 24, 2**30
"""Of attributes in rules, and of what two rows in a row may hold as far as rules tell it apart."""
FIRST, BETWEEN, LAST, ONLY = range(len(PLACES))
Kind = dict[str, int]
"""A code of each column of units and members that rules name."""
Reached = NDArray[np.bool_]
"""Which bins of the attributes that the next row's rules look at a row may hold, one axis for each."""


def check(top: Reader, related: Related) -> None:
    """Notes a problem where some member's rows could not keep their rules."""
    leaves = related.leaves
    if leaves is None:
        return
    size = {name: _size(name, leaves) for rule in leaves.rules for name in rule.clique.columns}
    if any(prod(size[name] for name in rule.clique.columns) > MOST_CELLS for rule in leaves.rules):
        top.problem(f"a rule of {leaves.table.name} has more than {MOST_CELLS} cells: use coarser bins")
        return
    chains = Chains(leaves)
    if chains.is_beyond:
        top.problem(f"'sequenceRules' of {leaves.table.name} tell too much apart to be tried: name fewer columns")
        return
    for kind in chains.kinds():
        lengths = chains.lengths(kind)
        lacking = [n for n in range(max(leaves.least, 1), leaves.most + 1) if not lengths[n - 1]]
        if lacking and _may_have(related, leaves, kind, lacking[0]):
            of = " and ".join(f"{name} is {_label(name, code, leaves)}" for name, code in kind.items())
            rows = f"{lacking[0]} {leaves.table.name} in a row"
            top.problem(f"no {rows} keep all rules" + (f", for example where {of}" if of else ""))
            return


def _may_have(related: Related, leaves: Leaves, kind: Kind, count: int) -> bool:
    """Whether rules above allow such a member so many rows, or more of the same class."""
    top, members = related.layout.top, related.layout.members
    both = Domain(top.columns + members.columns, top.sizes + members.sizes)
    called = dict(zip(leaves.given, leaves.sources, strict=True)) | {name: name for name in leaves.tops}
    fixed = {called[name]: code for name, code in kind.items()}
    number = int(leaves.coded(np.array([count]))[0])
    if fixed.get(leaves.number, number) != number:
        return False
    rules = [only(name, code, both.size(name)) for name, code in (fixed | {leaves.number: number}).items()]
    units = (*related.units.schema.rules, *related.unit_rules)
    return kept([*units, *related.rules[0][1], *rules], both)


class Chains:
    """The rules of leaves over bins: ``codes`` has one code of every bin that they tell apart, of each attribute."""

    def __init__(self, leaves: Leaves) -> None:
        self.leaves, self.befores = leaves, {each.name: each for each in leaves.befores}
        named = {name for rule in leaves.rules for name in rule.clique.columns}
        looked_at = {each.repeats for name, each in self.befores.items() if name in named}
        self.own = [name for name in leaves.names.values() if name in named or name in looked_at]
        self.linked = [name for name in self.own if name in looked_at]
        self.codes = {name: self._apart(name) for name in self.own}
        starts = {each.start for name, each in self.befores.items() if name in named and each.start}
        above = [name for name in (*leaves.tops, *leaves.given) if name in named or name in starts]
        self.above = {name: self._apart(name) for name in above}

    @property
    def is_beyond(self) -> bool:
        """Whether there is too much to be tried."""
        states = prod(len(each) for each in self.codes.values()) * prod(len(self.codes[name]) for name in self.linked)
        kinds = prod(len(each) for each in self.above.values())
        return len(self.own) > MOST_ATTRIBUTES or states > MOST_STATES or kinds > MOST_KINDS

    def kinds(self) -> Iterator[Kind]:
        for codes in product(*(each.tolist() for each in self.above.values())):
            yield dict(zip(self.above, codes, strict=True))

    def lengths(self, kind: Kind) -> Reached:
        """For 1, 2 and so on rows, whether some keep all rules."""
        found = np.zeros(self.leaves.most, dtype=bool)
        found[0] = self._followed(None, kind, ONLY).any()
        known, reached = dict[bytes, int](), self._followed(None, kind, FIRST)
        for count in range(2, self.leaves.most + 1):
            if (again := known.setdefault(reached.tobytes(), count)) < count:  # from here on it goes round
                found[count - 1 :] = np.resize(found[again - 1 : count - 1], self.leaves.most - count + 1)
                return found
            found[count - 1] = self._followed(reached, kind, LAST).any()
            reached = self._followed(reached, kind, BETWEEN)
        return found

    def _followed(self, reached: Reached | None, kind: Kind, place: int) -> Reached:
        """What a row at this place may hold after one that may hold ``reached``, or as the first."""
        operands: list[Any] = []
        ids = {name: number for number, name in enumerate(self.own)}
        if reached is not None:
            operands += [reached.astype(float), [ids[name] + len(ids) for name in self.linked]]
        for rule in self.leaves.rules:
            allowed, names = self._seen(rule, kind, place, first=reached is None)
            operands += [allowed.astype(float), [ids[name] + len(ids) * earlier for name, earlier in names]]
        for name in self.own:  # also what no rule says anything of here
            operands += [np.ones(len(self.codes[name])), [ids[name]]]
        ways = np.einsum(*operands, [ids[name] for name in self.linked], optimize=True) if operands else np.ones(())
        return np.asarray(ways > 0)

    def _seen(
        self, rule: HardRule, kind: Kind, place: int, *, first: bool
    ) -> tuple[NDArray[np.bool_], list[tuple[str, bool]]]:
        """What a rule allows, over bins of attributes of this row and of the one before (True)."""
        allowed, names = np.asarray(rule.allowed), list[tuple[str, bool]]()
        for axis in rule.clique.axes:
            each = self.befores.get(axis.column)
            bins = self._bins(axis)
            known = self._known(axis.column, each, kind, place, first=first)
            if known is not None:
                allowed = np.take(allowed, bins[known], axis=len(names))
                continue
            name = each.repeats if each else axis.column
            allowed = np.take(allowed, bins[self.codes[name]], axis=len(names))
            names.append((name, each is not None))
        return allowed, names

    def _known(self, column: str, each: Before | None, kind: Kind, place: int, *, first: bool) -> int | None:
        """The code of what is known beforehand; None of what a row, or the one before, holds."""
        if column == PLACE:
            return place
        if each is not None and first:
            return kind[each.start] if each.start else self.leaves.layout.members.size(each.repeats)
        return kind.get(column)

    @cached_property
    def _axes(self) -> list[Axis]:
        return [axis for rule in self.leaves.rules for axis in rule.clique.axes]

    def _bins(self, axis: Axis) -> NDArray[np.int64]:
        return np.asarray(axis.bins or range(_size(axis.column, self.leaves)), dtype=np.int64)

    def _apart(self, name: str) -> NDArray[np.int64]:
        """One code of every bin of a column, as seen of a row, of the one before it, or as where a journey starts."""
        seen = {name, *(each.name for each in self.befores.values() if name in (each.repeats, each.start))}
        size = _size(name, self.leaves)
        told = [
            np.zeros(size, dtype=np.int64),
            *(self._bins(axis)[:size] for axis in self._axes if axis.column in seen),
        ]
        return np.asarray(np.unique(np.array(told), axis=1, return_index=True)[1])


def _size(name: str, leaves: Leaves) -> int:
    return (leaves.layout.top if name in leaves.tops else leaves.layout.members).size(name)


def _label(name: str, code: int, leaves: Leaves) -> str:
    return (leaves.tops if name in leaves.tops else leaves.given)[name].labels[code]
