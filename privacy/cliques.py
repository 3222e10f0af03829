"""Which table of counts is asked for: the declared columns, a clique of them, or one tied over repeated slots.

Pure, as ``privacy.values`` is, which hands these names on.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Domain:
    """The declared columns and how many codes each has; code j of a column runs from 0 to size - 1."""

    columns: tuple[str, ...]
    sizes: tuple[int, ...]

    def __post_init__(self) -> None:
        if len(self.columns) != len(self.sizes) or len(set(self.columns)) != len(self.columns):
            raise ValueError("a domain needs one size per column and distinct column names")
        if any(size < 1 for size in self.sizes):
            raise ValueError("every column needs at least one code")

    @classmethod
    def from_mapping(cls, sizes: Mapping[str, int]) -> Domain:
        return cls(tuple(sizes), tuple(int(size) for size in sizes.values()))

    def index(self, column: str) -> int:
        return self.columns.index(column)

    def size(self, column: str) -> int:
        return self.sizes[self.columns.index(column)]


@dataclass(frozen=True, slots=True, order=True)
class Axis:
    """One column of a clique, seen through a public map code -> bin; an empty map keeps every code apart.

    ``bins[code]`` is that code's bin, and bins are numbered 0, 1, ... without gaps.
    """

    column: str
    bins: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.bins and set(self.bins) != set(range(max(self.bins) + 1)):
            raise ValueError(f"bins of {self.column} must be numbered from 0 without gaps")

    def size(self, domain: Domain) -> int:
        return max(self.bins) + 1 if self.bins else domain.size(self.column)


@dataclass(frozen=True, slots=True, order=True)
class Clique:
    """The columns of one table of counts, in the order of its axes."""

    axes: tuple[Axis, ...]

    def __post_init__(self) -> None:
        if not self.axes or len(set(self.columns)) != len(self.axes):
            raise ValueError("a clique needs at least one column, each at most once")

    @classmethod
    def of(cls, *columns: str) -> Clique:
        return cls(tuple(Axis(column) for column in columns))

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(axis.column for axis in self.axes)

    def shape(self, domain: Domain) -> tuple[int, ...]:
        return tuple(axis.size(domain) for axis in self.axes)

    def cells(self, domain: Domain) -> int:
        return math.prod(self.shape(domain))

    def to_json(self) -> list[dict[str, Any]]:
        return [{"column": axis.column, "bins": list(axis.bins)} for axis in self.axes]

    @classmethod
    def from_json(cls, axes: Iterable[Mapping[str, Any]]) -> Clique:
        return cls(tuple(Axis(axis["column"], tuple(axis["bins"])) for axis in axes))


MOST_VOTES = 2000
"""By norm: squares of votes in parts are whole numbers of 64 bits."""


@dataclass(frozen=True, slots=True)
class TiedClique:
    """One table pooled over repeated slots of a row, for example over the members of a household.

    Slots are cliques of one shape. ``present[code]`` says, for each code of the column ``size``, how many of the
    first slots a row of that size has. ``blocks[slot]`` is the part of the table that the slot counts in: roles
    that are to be kept apart. A row's slots in one block share at most ``votes`` votes: each has the weight
    ``min(1, votes / slots of the row in that block)``. With ``by_norm`` all of a row's slots have the one weight
    ``min(1, votes / L2 norm of the row's own table)``: slots that fall in different cells then weigh more than
    slots that all fall in one, at the same sensitivity.
    """

    size: str
    present: tuple[int, ...]
    slots: tuple[Clique, ...]
    blocks: tuple[int, ...]
    votes: int
    by_norm: bool = False

    def __post_init__(self) -> None:
        if not self.slots or len(self.blocks) != len(self.slots):
            raise ValueError("a tied clique needs slots, and one block for each")
        if set(self.blocks) != set(range(max(self.blocks) + 1)):
            raise ValueError("blocks must be numbered from 0 without gaps")
        if not all(0 <= count <= len(self.slots) for count in self.present) or self.votes < 1:
            raise ValueError("a row has between none and all of the slots, and at least one vote")
        if not any(self.present):
            raise ValueError("rows of at least one size have a slot")
        if self.by_norm and self.votes > MOST_VOTES:
            raise ValueError(f"votes by norm are at most {MOST_VOTES}")
        if any(self.size in slot.columns for slot in self.slots):
            raise ValueError("the column of sizes is not among a slot's columns")

    def check(self, domain: Domain) -> None:
        """ValueError where the slots' shapes differ or the sizes are not the declared ones."""
        for slot in self.slots[1:]:
            if slot.shape(domain) != self.slots[0].shape(domain):
                names = " x ".join(slot.columns)
                raise ValueError(f"the slots of a tied clique need one shape, and that of {names} differs")
        if len(self.present) != domain.size(self.size):
            raise ValueError(f"a tied clique must say how many slots each code of {self.size} has")

    @property
    def columns(self) -> tuple[str, ...]:
        """The column of sizes, then every slot's columns, each once."""
        return tuple(dict.fromkeys((self.size, *(name for slot in self.slots for name in slot.columns))))

    @property
    def counted(self) -> tuple[Clique, ...]:
        """What an engine is asked for: each slot together with the column of sizes."""
        return tuple(Clique((Axis(self.size), *slot.axes)) for slot in self.slots)

    def shape(self, domain: Domain) -> tuple[int, ...]:
        return (max(self.blocks) + 1, *self.slots[0].shape(domain))

    def cells(self, domain: Domain) -> int:
        return math.prod(self.shape(domain))

    def instances(self, code: int) -> tuple[int, ...]:
        """How many slots a row of this size has in each block."""
        there = self.blocks[: self.present[code]]
        return tuple(there.count(block) for block in range(max(self.blocks) + 1))

    def to_json(self) -> dict[str, Any]:
        return {
            "size_column": self.size,
            "present": list(self.present),
            "slots": [slot.to_json() for slot in self.slots],
            "blocks": list(self.blocks),
            "votes": self.votes,
            **({"by_norm": True} if self.by_norm else {}),
        }

    @classmethod
    def from_json(cls, tied: Mapping[str, Any]) -> TiedClique:
        slots = tuple(Clique.from_json(slot) for slot in tied["slots"])
        numbers = tuple(tied["present"]), slots, tuple(tied["blocks"]), tied["votes"]
        return cls(tied["size_column"], *numbers, by_norm=tied.get("by_norm", False))


AnyClique = Clique | TiedClique


def any_clique(stored: Any) -> AnyClique:
    """The clique that ``to_json`` wrote: a list of axes, or the object of a tied one."""
    return TiedClique.from_json(stored) if isinstance(stored, Mapping) else Clique.from_json(stored)
