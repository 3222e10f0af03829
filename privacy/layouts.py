"""A unit and its members as one row: the unit's own columns, then every member's attributes side by side.

Pure. The declaration alone says how many members a row has room for. Tables pooled over members are tied cliques
(``privacy.cliques``) over these columns, so that whoever measures and whoever fits name the same cells.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from privacy.cliques import AnyClique, Axis, Clique, Domain, TiedClique
from privacy.values import IntArray

AGAIN = " again"
Pair = tuple[int, int]
Bins = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Before:
    """The attribute ``name`` holds what ``repeats`` is of the member before. Of a member that none precedes it holds
    the unit's column ``start``, or where there is no such column a code of its own, the last.
    """

    name: str
    repeats: str
    start: str = ""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A table and what it matters beside others."""

    clique: AnyClique
    importance: float = 1.0


def together(cliques: Sequence[AnyClique], importance: float) -> list[Wanted]:
    """A group of tables that matter so much together."""
    return [Wanted(clique, importance / len(cliques)) for clique in cliques]


@dataclass(frozen=True)
class Layout:
    """``top``: the unit's own columns. A unit whose column ``size`` has code c has ``present[c]`` members, each with
    the attributes ``members``. ``given`` attributes are known before members are made, and ``before`` says which
    repeat the member before.
    """

    top: Domain
    size: str
    present: tuple[int, ...]
    members: Domain
    before: tuple[Before, ...] = ()
    given: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if len(self.present) != self.top.size(self.size) or min(self.present) < 0 or not any(self.present):
            raise ValueError("a layout says how many members each size has, and one size has some")
        if set(self.top.columns) & set(self.members.columns):
            raise ValueError("a unit's columns and those of its members need different names")
        for each in self.before:
            more = 0 if each.start else 1
            if self.members.size(each.name) != self.members.size(each.repeats) + more:
                raise ValueError("what repeats the member before has its codes, and one more where it starts from none")

    @property
    def most(self) -> int:
        """The most members a unit may have."""
        return max(self.present)

    @property
    def drawn(self) -> tuple[str, ...]:
        """The attributes that a model of members has to make."""
        known = {*self.given, *(each.name for each in self.before)}
        return tuple(name for name in self.members.columns if name not in known)

    @cached_property
    def domain(self) -> Domain:
        """The columns of the wide rows. The size is there twice: once more to be counted together with attributes."""
        sizes = dict(zip(self.top.columns, self.top.sizes, strict=True))
        sizes[self.size + AGAIN] = self.top.size(self.size)
        for position in range(1, self.most + 1):
            sizes |= {self.at(name, position): self.members.size(name) for name in self.members.columns}
        return Domain.from_mapping(sizes)

    @cached_property
    def places(self) -> dict[str, tuple[str, int]]:
        """What each wide column shows: a unit's column (position 0), or an attribute of the member at a position."""
        found = {name: (name, 0) for name in self.top.columns} | {self.size + AGAIN: (self.size, 0)}
        for position in range(1, self.most + 1):
            found |= {self.at(name, position): (name, position) for name in self.members.columns}
        return found

    def at(self, name: str, position: int) -> str:
        """The wide column of a member's attribute, or of a unit's column, which is the same at every position."""
        if name in self.top.columns:
            return name + AGAIN if name == self.size else name
        return f"{name}@{position}"

    def each(self, *names: str, votes: int = 1, roles: Sequence[int] = (0,), by_norm: bool = False) -> TiedClique:
        """Every member is counted once, in the block that ``roles`` says for its position, the last for all later."""
        slots = tuple(self._slot(names, (position,) * len(names)) for position in range(1, self.most + 1))
        blocks = tuple(roles[min(place, len(roles) - 1)] for place in range(self.most))
        return TiedClique(self.size, self.present, slots, _without_gaps(blocks), votes, by_norm)

    def pairs(
        self, names: tuple[str, str], positions: Sequence[Pair], *, votes: int = 1, by_norm: bool = False
    ) -> TiedClique:
        """Two members of a unit are counted together, for each of the pairs of positions that it has."""
        ordered = sorted((pair for pair in positions if max(pair) <= self.most), key=max)
        slots = tuple(self._slot(names, pair) for pair in ordered)
        present = tuple(sum(max(pair) <= count for pair in ordered) for count in self.present)
        return TiedClique(self.size, present, slots, (0,) * len(slots), votes, by_norm)

    def wide(self, top: IntArray, members: IntArray, owners: IntArray) -> IntArray:
        """Units x wide columns, of units x top columns and members x attributes in the order of their ``owners``.

        What a unit has no member for is 0 and never counted. ValueError when sizes and members disagree.
        """
        counts = np.array(self.present)[top[:, self.top.index(self.size)]]
        if (np.bincount(owners, minlength=len(top)) != counts).any() or (np.diff(owners) < 0).any():
            raise ValueError("the members of a unit follow each other, as many as its size says")
        found = np.zeros((len(top), len(self.domain.columns)), dtype=np.int64)
        width, fixed = len(self.members.columns), len(self.top.columns) + 1
        found[:, : fixed - 1], found[:, fixed - 1] = top, top[:, self.top.index(self.size)]
        position = np.arange(len(owners)) - (np.cumsum(counts) - counts)[owners]
        for place in range(width):
            found[owners, fixed + position * width + place] = members[:, place]
        return found

    def _slot(self, names: Sequence[str], positions: Sequence[int]) -> Clique:
        return Clique(tuple(Axis(self.at(name, each)) for name, each in zip(names, positions, strict=True)))


def first_two() -> tuple[Pair, ...]:
    return ((1, 2),)


def with_later(most: int) -> tuple[Pair, ...]:
    """Each of the first two with every later member."""
    return tuple((first, later) for later in range(3, most + 1) for first in (1, 2))


def among_later(most: int) -> tuple[Pair, ...]:
    return tuple((one, other) for other in range(4, most + 1) for one in range(3, other))


def viewed(clique: AnyClique, layout: Layout, bins: Mapping[str, Bins]) -> AnyClique:
    """The clique with each axis seen through its attribute's bins; what repeats another has its bins."""
    if isinstance(clique, TiedClique):
        return replace(clique, slots=tuple(_viewed(slot, layout, bins) for slot in clique.slots))
    return _viewed(clique, layout, bins)


def in_words(clique: TiedClique) -> list[str]:
    """What a table pooled over members holds: attributes of each, or one of a member and one of another.

    Of slots that are no members': every column by its own name.
    """
    columns = [column.removesuffix(AGAIN) for column in clique.slots[0].columns]
    parts = [(name, place) if name and place.isdecimal() else (column, "")
             for column in columns for name, _, place in [column.rpartition("@")]]  # fmt: skip
    positions = list(dict.fromkeys(place for _, place in parts if place))
    if not positions:
        return list(clique.columns)
    whose = dict(zip(positions, (" of one", " of another"), strict=False)) if len(positions) > 1 else {}
    return [name + whose.get(place, "") for name, place in parts]


def _viewed(clique: Clique, layout: Layout, bins: Mapping[str, Bins]) -> Clique:
    return Clique(tuple(Axis(axis.column, _bins(axis, layout, bins)) for axis in clique.axes))


def _bins(axis: Axis, layout: Layout, bins: Mapping[str, Bins]) -> Bins:
    name, _ = layout.places[axis.column]
    for each in layout.before:
        if each.name == name and each.repeats in bins:
            own = bins[each.repeats]
            return own if each.start else (*own, max(own) + 1)
    return bins.get(name, axis.bins)


def _without_gaps(blocks: tuple[int, ...]) -> tuple[int, ...]:
    order = sorted(set(blocks))
    return tuple(order.index(block) for block in blocks)
