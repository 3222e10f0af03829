"""Parts of a measurement plan that stand for themselves: a search for categories, and measuring in stages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any


def share_of(text: object) -> Decimal:
    if not isinstance(text, str):
        raise TypeError("a share is stored as text")
    return Decimal(text)


@dataclass(frozen=True, slots=True)
class Search:
    """A column whose categories are looked for first: at most ``most`` are kept, and ``delta`` is spent on it."""

    column: str
    most: int
    delta: Decimal

    def __post_init__(self) -> None:
        if type(self.most) is not int or self.most < 1:
            raise ValueError("the most keys that a search keeps are a whole number from 1")
        if not self.delta.is_finite() or not 0 < self.delta < 1:
            raise ValueError("the delta of a search must be above 0 and below 1")

    def to_json(self) -> dict[str, Any]:
        return {"column": self.column, "most": self.most, "delta": f"{self.delta:f}"}

    @classmethod
    def from_json(cls, search: object) -> Search:
        if not isinstance(search, Mapping) or set(search) != {"column", "most", "delta"}:
            raise TypeError("a search has a column, the most keys to keep and a delta")
        if not isinstance(search["column"], str):
            raise TypeError("a search names its column")
        return cls(search["column"], search["most"], share_of(search["delta"]))


@dataclass(frozen=True, slots=True)
class LeafStage:
    """A third level: its column of sizes, whose bins are measured first, and the ``share`` of rho for all its tables.

    Of that share, ``one_way_share`` is for tables of one column.
    """

    size: str
    bins: tuple[int, ...]
    share: Decimal = Decimal("0.6")
    one_way_share: Decimal = Decimal("0.25")

    def __post_init__(self) -> None:
        if not 0 < self.share < 1 or not 0 < self.one_way_share < 1:
            raise ValueError("the shares of a level must be above 0 and below 1")

    def to_json(self) -> dict[str, Any]:
        shares = {"share": str(self.share), "one_way_share": str(self.one_way_share)}
        return {"size": self.size, "bins": list(self.bins), **shares}

    @classmethod
    def from_json(cls, stage: object) -> LeafStage:
        if not isinstance(stage, Mapping) or set(stage) != {"size", "bins", "share", "one_way_share"}:
            raise TypeError("a level has a column of sizes, their bins and two shares")
        if not isinstance(stage["size"], str) or not all(type(each) is int for each in stage["bins"]):
            raise TypeError("a level names its column of sizes, and its bins are whole numbers")
        return cls(
            stage["size"], tuple(stage["bins"]), share_of(stage["share"]), share_of(stage["one_way_share"])
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Stages:
    """A fixed workload measured in three steps, each deciding from what the ones before released.

    ``size``: first the table of this column, at ``size_share`` of rho, which says how many votes other tables will
    have. Then the workload's tables of one column, at ``one_way_share`` of the rest, which say how coarsely tables of
    several columns are seen. ``fixed_weights`` then say what tables matter, from which their shares of rho follow
    (privacy/workloads.py). ``leaves``: a level below members, measured in the same three steps.
    """

    size: str
    size_share: Decimal = Decimal("0.02")
    one_way_share: Decimal = Decimal("0.12")
    leaves: LeafStage | None = None

    def __post_init__(self) -> None:
        if not 0 < self.size_share < 1 or not 0 < self.one_way_share < 1:
            raise ValueError("the shares of stages must be above 0 and below 1")

    @property
    def sizes(self) -> tuple[str, ...]:
        """The columns of sizes."""
        return (self.size, *([self.leaves.size] if self.leaves else []))

    def to_json(self) -> dict[str, Any]:
        told = {"size": self.size, "size_share": str(self.size_share), "one_way_share": str(self.one_way_share)}
        return told | ({"leaves": self.leaves.to_json()} if self.leaves else {})

    @classmethod
    def from_json(cls, stages: object) -> Stages:
        if not isinstance(stages, Mapping) or set(stages) - {"leaves"} != {"size", "size_share", "one_way_share"}:
            raise TypeError("stages have a column of sizes and two shares")
        if not isinstance(stages["size"], str):
            raise TypeError("stages name their column of sizes")
        leaves = LeafStage.from_json(stages["leaves"]) if "leaves" in stages else None
        return cls(stages["size"], share_of(stages["size_share"]), share_of(stages["one_way_share"]), leaves)
