"""Value types that cross rooms: what was declared, what is asked of the data, what was released.

Nothing here imports Django or OpenDP, so the synthesis loop can use these types without being able to
reach a raw row. Every type is immutable; arrays inside them are made read-only.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]
Columns = Sequence[NDArray[np.integer[Any]]]
"""One array of codes for every column of a domain, all of one length."""
Neighbours = Literal["add-remove", "change-one"]
UnitKind = Literal["row", "identifier"]


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


@dataclass(frozen=True, slots=True)
class TiedClique:
    """One table pooled over repeated slots of a row, for example over the members of a household.

    Slots are cliques of one shape. ``present[code]`` says, for each code of the column ``size``, how many of the
    first slots a row of that size has. ``blocks[slot]`` is the part of the table that the slot counts in: roles
    that are to be kept apart. A row's slots in one block share at most ``votes`` votes: each has the weight
    ``min(1, votes / slots of the row in that block)``.
    """

    size: str
    present: tuple[int, ...]
    slots: tuple[Clique, ...]
    blocks: tuple[int, ...]
    votes: int

    def __post_init__(self) -> None:
        if not self.slots or len(self.blocks) != len(self.slots):
            raise ValueError("a tied clique needs slots, and one block for each")
        if set(self.blocks) != set(range(max(self.blocks) + 1)):
            raise ValueError("blocks must be numbered from 0 without gaps")
        if not all(0 <= count <= len(self.slots) for count in self.present) or self.votes < 1:
            raise ValueError("a row has between none and all of the slots, and at least one vote")
        if any(self.size in slot.columns for slot in self.slots):
            raise ValueError("the column of sizes is not among a slot's columns")

    def check(self, domain: Domain) -> None:
        """ValueError where the slots' shapes differ or the sizes are not the declared ones."""
        if len({slot.shape(domain) for slot in self.slots}) != 1:
            raise ValueError("the slots of a tied clique need one shape")
        if len(self.present) != domain.size(self.size):
            raise ValueError(f"a tied clique must say how many slots each code of {self.size} has")

    def shape(self, domain: Domain) -> tuple[int, ...]:
        return (max(self.blocks) + 1, *self.slots[0].shape(domain))

    def instances(self, code: int) -> tuple[int, ...]:
        """How many slots a row of this size has in each block."""
        there = self.blocks[: self.present[code]]
        return tuple(there.count(block) for block in range(max(self.blocks) + 1))


@dataclass(frozen=True, slots=True, eq=False)
class HardRule:
    """What the owner declared to hold for every record: ``allowed`` says which cells of ``clique`` may be filled.

    ``text`` and ``reason`` are the owner's words. Real rows that break a rule are measured as they are.
    """

    text: str
    reason: str
    clique: Clique
    allowed: NDArray[np.bool_]

    def __post_init__(self) -> None:
        if self.allowed.ndim != len(self.clique.axes):
            raise ValueError("a rule needs one dimension for each of its columns")
        self.allowed.setflags(write=False)


@dataclass(frozen=True, slots=True)
class PrivacyUnit:
    """Whose presence is hidden: a row, or everyone sharing an identifier, with at most ``k`` rows each."""

    kind: UnitKind = "row"
    k: int = 1
    column: str | None = None
    neighbours: Neighbours = "add-remove"

    def __post_init__(self) -> None:
        if self.k < 1 or (self.kind == "row" and self.k != 1):
            raise ValueError("k must be at least 1, and exactly 1 when the privacy unit is a row")
        if (self.kind == "identifier") != (self.column is not None):
            raise ValueError("an identifier unit names its column, and a row unit names none")

    def in_words(self) -> str:
        """A phrase for people who decide, for example 'one row' or 'one household_id, up to 5 rows'."""
        return "one row" if self.kind == "row" else f"one {self.column}, up to {self.k} rows"


@dataclass(frozen=True, slots=True)
class Measurement:
    """A step about to touch the data, as charged: what is asked, by which mechanism, at what price.

    ``scale`` is the standard deviation of Gaussian noise or the scale of a noisy-max selection;
    ``sensitivity`` is the bound it is calibrated to (L2 for tables, L-infinity for scores).
    """

    kind: Literal["table", "selection"]
    mechanism: str
    cliques: tuple[Clique, ...]
    sensitivity: float
    scale: float
    rho: Decimal
    delta: Decimal
    unit: PrivacyUnit
    library: str


@dataclass(frozen=True, slots=True, eq=False)
class NoisyMarginal:
    """A released table of integer counts with Gaussian noise of standard deviation ``sigma`` per cell.

    ``counts`` has the clique's shape; ``measurement`` is the ledger entry that paid for this table alone.
    """

    clique: Clique
    counts: IntArray
    sigma: float
    measurement: str

    def __post_init__(self) -> None:
        self.counts.setflags(write=False)


@dataclass(frozen=True, slots=True, eq=False)
class Release:
    """Everything one measuring run let out of the vault, and what it cost."""

    id: str
    domain: Domain
    marginals: tuple[NoisyMarginal, ...]
    unit: PrivacyUnit
    rho: Decimal
    delta: Decimal


class Model(Protocol):
    """What adaptive measuring needs of a model: its counts for a clique, and to be told what was released."""

    def expected(self, clique: Clique) -> IntArray: ...

    def observe(self, marginal: NoisyMarginal) -> None: ...


@dataclass(frozen=True, slots=True)
class Candidate:
    """A table that may be measured next, and the public integer taken off its score before choosing.

    Its score is ``sum |count - expected| - penalty`` over the table's cells.
    """

    clique: Clique
    penalty: int


class AdaptiveModel(Model, Protocol):
    """A model that also says which tables are worth considering; it decides from released facts alone.

    Both questions are asked only after every one-way table was observed.
    """

    def rounds(self, *, rho: float) -> tuple[int, int]:
        """How many rounds to run, and how many tables to choose and measure in each.

        ``rho`` is the whole plan's budget divided by the squared L2 sensitivity of one table.
        """
        ...

    def candidates(self, *, sigma: float, round: int, rounds: int) -> tuple[Candidate, ...]:
        """What to choose among in this round (counted from 0), were each measured with noise ``sigma``.

        Several candidates may share their columns and differ in their bins: once one is chosen, the
        others on the same columns leave the round. An empty tuple ends the measuring.
        """
        ...
