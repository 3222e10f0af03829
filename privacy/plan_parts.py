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
class Stages:
    """A fixed workload measured in three steps, each deciding from what the ones before released.

    ``size``: first the table of this column, at ``size_share`` of rho, which says how many votes other tables will
    have. Then the workload's tables of one column, at ``one_way_share`` of the rest, which say how coarsely tables of
    several columns are seen. ``fixed_weights`` then say what tables matter, from which their shares of rho follow
    (privacy/workloads.py).
    """

    size: str
    size_share: Decimal = Decimal("0.02")
    one_way_share: Decimal = Decimal("0.12")

    def __post_init__(self) -> None:
        if not 0 < self.size_share < 1 or not 0 < self.one_way_share < 1:
            raise ValueError("the shares of stages must be above 0 and below 1")

    def to_json(self) -> dict[str, str]:
        return {
            "size": self.size, "size_share": str(self.size_share), "one_way_share": str(self.one_way_share)
        }  # fmt: skip

    @classmethod
    def from_json(cls, stages: object) -> Stages:
        if not isinstance(stages, Mapping) or set(stages) != {"size", "size_share", "one_way_share"}:
            raise TypeError("stages have a column of sizes and two shares")
        if not isinstance(stages["size"], str):
            raise TypeError("stages name their column of sizes")
        return cls(stages["size"], share_of(stages["size_share"]), share_of(stages["one_way_share"]))
