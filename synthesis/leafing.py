"""From members to the third of three related tables: how many rows each member has, what they hold, where they lead.

The same release, settings and seed give the same rows, as for members (synthesis/relating.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from privacy.leaves import PLACE, Leaves
from privacy.related import Related
from privacy.values import HardRule, IntArray, NoisyTied
from synthesis.checks import RuleBroken
from synthesis.members import MemberModel, MemberSettings, People, of_each
from synthesis.packaging import parts

COUNTS, LEAVES = 2, 3
"""Streams of randomness beside those of the loop and of members."""


def made(
    related: Related, leaves: Leaves, people: People, released: list[NoisyTied], settings: MemberSettings, *, seed: int,
    scale: float, beat: Callable[[], None],
) -> People:  # fmt: skip
    """Leaves for these members, whose numbers of leaves become those made. RuleBroken where one breaks a rule. Pure."""
    counts = drawn(leaves, people.codes[leaves.number], np.random.default_rng([seed, COUNTS]))
    counts = leaves.within(counts, people.owners)
    people.codes[leaves.number][:] = leaves.coded(counts)
    found = _empty(related, leaves, people, counts)
    if not found.members:
        return found
    model = MemberModel(found, released, rules=of_each(leaves.rules, leaves.layout), blocks=leaves.blocks,
                        settings=settings, seed=seed + LEAVES, scale=scale)  # fmt: skip
    found = model.fit(beat)
    if model.violations():
        raise RuleBroken
    return found


def drawn(leaves: Leaves, codes: NDArray[np.integer[Any]], rng: np.random.Generator) -> IntArray:
    """A number of leaves within each bin: smaller ones are likelier, as 1 / n."""
    low, high = leaves.starts[codes], leaves.ends[codes]
    ratio = (high + 1) / np.maximum(low, 1)
    found = np.floor(low * ratio ** rng.random(len(low))).astype(np.int64)
    return np.clip(found, low, high)


def _empty(related: Related, leaves: Leaves, people: People, counts: IntArray) -> People:
    """So many leaves of every member, with what is known of them beforehand."""
    whose = np.repeat(np.arange(people.members), counts)
    totals = np.bincount(people.owners, weights=counts, minlength=len(people.top)).astype(np.int64)
    tops = [people.top[:, related.layout.top.index(name)] for name in leaves.tops]
    sources = zip(leaves.given, leaves.sources, strict=True)
    given = {name: people.codes[source][whose].astype(np.int64) for name, source in sources}
    if leaves.is_ordered:
        given[PLACE] = leaves.places(counts)
    return People(leaves.layout, np.column_stack([*tops, totals]), given=given, groups=whose)


def parts_of(people: People) -> Iterator[slice]:
    """Slices of leaves of about the size of parts (``packaging.parts``), none of which cuts the leaves of a member."""
    starts = np.append(np.flatnonzero(people.earlier < 0), people.members)
    edges = np.unique(starts[np.searchsorted(starts, [each.start for each in parts(people.members)])]).tolist()
    # The last member's leaves may be cut by several, which all move to the end.
    edges = [edge for edge in edges if edge < people.members]
    yield from map(slice, edges, [*edges[1:], people.members])


@dataclass(frozen=True)
class Walk:
    """What of leaves follows from row to row, written into parts of whole members: they go on in the order that is
    declared, and with a journey each starts where the one before ended, the first of a member at home.

    ``homes``: what each row of the first table has in the column where journeys start.
    """

    leaves: Leaves
    people: People
    homes: NDArray[Any] | None

    def walked(self, part: pd.DataFrame, rows: IntArray) -> pd.DataFrame:
        first = self.people.earlier[rows] < 0
        if self.leaves.ordered_by:
            part = self._onward(part, rows, first)
        if self.homes is None or self.leaves.journey is None:
            return part
        homes, to = self.homes[self.people.owners[rows]], self.leaves.journey.to
        ends = np.where(self._back(self.leaves.journey.back, rows), homes, part[to].to_numpy())
        return part.assign(**{to: ends, self.leaves.table.origin: np.where(first, homes, np.roll(ends, 1))})

    def _onward(self, part: pd.DataFrame, rows: IntArray, first: NDArray[np.bool_]) -> pd.DataFrame:
        """Numbers of one bin that follow each other, in order."""
        name = self.leaves.ordered_by
        codes = self.people.codes[self.leaves.names[name]][rows]
        runs = np.cumsum(first | (codes != np.roll(codes, 1)))
        values = part[name].to_numpy()
        return part.assign(**{name: values[np.lexsort((pd.to_numeric(values, errors="coerce"), runs))]})

    def _back(self, rule: HardRule | None, rows: IntArray) -> NDArray[np.bool_]:
        """Which rows lead home."""
        if rule is None:
            return np.zeros(len(rows), dtype=bool)
        cell = [np.asarray(axis.bins)[codes] if axis.bins else codes for axis in rule.clique.axes
                for codes in [self.people.codes[self.leaves.names[axis.column]][rows]]]  # fmt: skip
        return np.asarray(rule.allowed[tuple(cell)])
