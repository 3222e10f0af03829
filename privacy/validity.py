"""Records that keep every hard rule: telling them from others, and drawing them.

Everything here is about codes, or about bins of codes that no rule tells apart; nothing of it is data.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from privacy.values import Domain, HardRule, IntArray

FloatArray = NDArray[np.float64]
Codes = NDArray[np.integer[Any]]
"""Columns x records."""

MOST_CELLS = 2**16  # cells of rules that are drawn together
MOST_STEPS = 5_000  # values tried before a record that keeps all rules is given up
ROUNDS = 30  # attempts to mend a record before a good one takes its place


class Contradiction(Exception):
    """No record that keeps all rules exists, or none was found in MOST_STEPS steps."""


@dataclass(frozen=True, slots=True, eq=False)
class Zero:
    """One rule over columns by number: ``views`` map each column's codes to the axes of ``allowed``."""

    columns: tuple[int, ...]
    views: tuple[IntArray, ...]
    allowed: NDArray[np.bool_]

    @classmethod
    def of(cls, rule: HardRule, domain: Domain) -> Zero:
        axes = rule.clique.axes
        views = [np.asarray(axis.bins) if axis.bins else np.arange(domain.size(axis.column)) for axis in axes]
        return cls(tuple(domain.index(axis.column) for axis in axes), tuple(views), rule.allowed)

    def keeps(self, codes: Codes) -> NDArray[np.bool_]:
        """Which records (columns x records) keep the rule."""
        cells = tuple(view[codes[column]] for column, view in zip(self.columns, self.views, strict=True))
        return np.asarray(self.allowed[cells])


class Block:
    """Rules whose columns are drawn together: every allowed cell of their joint bins, with its share.

    A draw's probability is proportional to the product of ``masses`` at its values.

    ``falls_apart``: some allowed cells cannot be reached from others by changing one column at a time.
    """

    def __init__(self, rules: Sequence[Zero], masses: Sequence[FloatArray]) -> None:
        self.rules = tuple(rules)
        self.columns = tuple(dict.fromkeys(column for rule in rules for column in rule.columns))
        self.views = [_joint_view(column, rules, len(masses[column])) for column in self.columns]
        allowed = self._allowed()
        if not allowed.any():
            raise Contradiction
        self.falls_apart = _falls_apart(allowed)
        # k columns that are tied together are as likely as one of them, not as their product
        self.masses = [masses[c] ** (1 / len(self.columns) if self.falls_apart else 1.0) for c in self.columns]
        shares: FloatArray = np.ones(())
        for view, mass in zip(self.views, self.masses, strict=True):
            shares = np.multiply.outer(shares, np.bincount(view, mass))
        shares = np.where(allowed, shares, 0.0)
        self._shape, self._edges = shares.shape, np.cumsum(shares.ravel())

    def draw(self, records: int, rng: np.random.Generator) -> IntArray:
        """The block's columns x records: independent draws that keep its rules."""
        mark = (1 - rng.random(records)) * self._edges[-1]  # above 0: no cell without share is drawn
        cells = np.unravel_index(np.searchsorted(self._edges, mark), self._shape)
        parts = zip(cells, self.views, self.masses, strict=True)
        return np.stack([_within(cell, view, mass, rng) for cell, view, mass in parts])

    def _allowed(self) -> NDArray[np.bool_]:
        """Joint bins in which every rule holds."""
        firsts = [np.unique(view, return_index=True)[1] for view in self.views]
        found = np.ones([len(first) for first in firsts], bool)
        for rule in self.rules:
            places = [self.columns.index(column) for column in rule.columns]
            seen = [view[firsts[place]] for place, view in zip(places, rule.views, strict=True)]
            table = np.transpose(rule.allowed[np.ix_(*seen)], np.argsort(places))
            found &= table.reshape([len(f) if place in places else 1 for place, f in enumerate(firsts)])
        return found


class Validity:
    """All rules over one table. ``masses``: how likely each code of each column is taken to be, all above 0.

    Contradiction where no record can keep the rules.
    """

    def __init__(self, rules: Sequence[Zero], masses: Sequence[FloatArray]) -> None:
        self.rules = tuple(rules)
        self.blocks = [Block(part, masses) for part in _blocks(self.rules)]
        self._example = None if self._apart() else _example(self.rules, [len(mass) for mass in masses])

    def keeps(self, codes: Codes) -> NDArray[np.bool_]:
        """Which records (columns x records) keep every rule."""
        kept = np.ones(codes.shape[1], bool)
        for rule in self.rules:
            kept &= rule.keeps(codes)
        return kept

    def mend(self, codes: Codes, rng: np.random.Generator) -> None:
        """Make every record keep every rule, in place; records that do already stay as they are."""
        for _ in range(ROUNDS):
            broken = np.flatnonzero(~self.keeps(codes))
            if not len(broken):
                return
            for block in self.blocks:
                wrong = broken[~_keep_all(block.rules, codes[:, broken])]
                codes[np.array(block.columns)[:, None], wrong] = block.draw(len(wrong), rng)
        self._replace(codes, rng)

    def _replace(self, codes: Codes, rng: np.random.Generator) -> None:
        """Records that could not be mended take the ruled columns of one that could, or of the example."""
        kept = self.keeps(codes)
        columns = np.array(sorted({column for rule in self.rules for column in rule.columns}))[:, None]
        broken, good = np.flatnonzero(~kept), np.flatnonzero(kept)
        if len(good):
            codes[columns, broken] = codes[columns, rng.choice(good, len(broken))]
        elif self._example is not None:
            codes[columns, broken] = self._example[columns]

    def _apart(self) -> bool:
        """Whether no column is in two blocks: then drawing each block is enough."""
        columns = [column for block in self.blocks for column in block.columns]
        return len(set(columns)) == len(columns)


def _keep_all(rules: Sequence[Zero], codes: Codes) -> NDArray[np.bool_]:
    return np.asarray(np.logical_and.reduce([rule.keeps(codes) for rule in rules]))


def _falls_apart(allowed: NDArray[np.bool_]) -> bool:
    """Whether the allowed cells are more than one group; cells that differ in one column are neighbours."""
    group = np.where(allowed, np.arange(allowed.size).reshape(allowed.shape), allowed.size)
    while True:
        before = group.copy()
        for axis in range(group.ndim):
            group = np.where(allowed, group.min(axis=axis, keepdims=True), allowed.size)
        if np.array_equal(group, before):
            return len(np.unique(group[allowed])) > 1


def _joint_view(column: int, rules: Sequence[Zero], size: int) -> IntArray:
    """Code -> bin: codes that no rule tells apart share a bin."""
    told = [np.zeros(size, np.int64)]
    told += [rule.views[rule.columns.index(column)] for rule in rules if column in rule.columns]
    _, label = np.unique(np.stack(told), axis=1, return_inverse=True)
    return np.asarray(label, np.int64).ravel()


def _blocks(rules: Sequence[Zero]) -> list[list[Zero]]:
    """Rules that share columns, together as far as their joint bins stay few."""
    found: list[list[Zero]] = []
    for rule in rules:
        near = [block for block in found if {c for each in block for c in each.columns} & set(rule.columns)]
        merged = [rule]
        for block in near:
            if _cells([*block, *merged]) <= MOST_CELLS:
                merged = [*block, *merged]
                found.remove(block)
        found.append(merged)
    return found


def _cells(rules: Sequence[Zero]) -> int:
    columns = dict.fromkeys(column for rule in rules for column in rule.columns)
    sizes = {c: len(view) for rule in rules for c, view in zip(rule.columns, rule.views, strict=True)}
    return prod(int(_joint_view(column, rules, sizes[column]).max()) + 1 for column in columns)


def _within(bins: IntArray, view: IntArray, mass: FloatArray, rng: np.random.Generator) -> IntArray:
    """A code of each bin, by mass."""
    by_bin = np.argsort(view, kind="stable")
    edges = np.concatenate([[0.0], np.cumsum(mass[by_bin])])
    starts = np.searchsorted(view[by_bin], np.arange(int(view.max()) + 2))
    low, high = edges[starts[bins]], edges[starts[bins + 1]]
    place = np.searchsorted(edges, low + rng.random(len(bins)) * (high - low), side="right") - 1
    return np.asarray(by_bin[np.clip(place, starts[bins], starts[bins + 1] - 1)], np.int64)


def _example(rules: Sequence[Zero], sizes: Sequence[int]) -> IntArray:
    """One record that keeps every rule, found by trying values column by column and stepping back."""
    record = np.full(len(sizes), -1, np.int64)
    columns = list(dict.fromkeys(column for rule in rules for column in rule.columns))
    views = [_joint_view(column, rules, sizes[column]) for column in columns]
    options = [np.unique(view, return_index=True)[1].tolist() for view in views]
    waiting = [iter(options[0])]
    for _ in range(MOST_STEPS):
        column, code = columns[len(waiting) - 1], next(waiting[-1], -1)
        record[column] = code
        if code == -1:
            waiting.pop()
            if not waiting:
                raise Contradiction
        elif all(_can_keep(rule, record) for rule in rules if column in rule.columns):
            if len(waiting) == len(columns):
                return record
            waiting.append(iter(options[len(waiting)]))
    raise Contradiction


def _can_keep(rule: Zero, record: IntArray) -> bool:
    """Whether the values so far (-1: none yet) leave a way to keep the rule."""
    known = zip(rule.columns, rule.views, strict=True)
    cell = tuple(slice(None) if record[c] < 0 else view[record[c]] for c, view in known)
    return bool(np.any(rule.allowed[cell]))
