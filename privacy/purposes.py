"""What a request is about: the tables of its target columns are measured for certain, at public weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from math import isqrt
from typing import Any

from privacy.values import Axis, Clique, Domain

HEAVIEST = 100


@dataclass(frozen=True, slots=True)
class Purpose:
    """``targets``: the columns of interest, each measured with every other column.

    ``weights``: how much of the budget a column's tables get against the others, a whole number by column;
    columns that are not named weigh 1, and 0 leaves a column's tables to be chosen or not. Both are public
    choices, made before anything is measured.
    """

    targets: tuple[str, ...]
    weights: tuple[tuple[str, int], ...] = ()

    def __post_init__(self) -> None:
        if not self.targets or len(set(self.targets)) != len(self.targets):
            raise ValueError("a purpose names at least one target column, each once")
        named = [column for column, _ in self.weights]
        if len(set(named)) != len(named) or set(named) & set(self.targets):
            raise ValueError("a purpose weighs columns that are no targets, each once")
        if any(type(weight) is not int or not 0 <= weight <= HEAVIEST for _, weight in self.weights):
            raise ValueError(f"a purpose's weights are whole numbers from 0 to {HEAVIEST}")

    @property
    def columns(self) -> tuple[str, ...]:
        return (*self.targets, *(column for column, _ in self.weights))

    def weight(self, pair: tuple[str, str]) -> int:
        """What a pair's table weighs; 0 where it holds no target."""
        if not set(pair) & set(self.targets):
            return 0
        weights = dict(self.weights)
        return weights.get(pair[0], 1) * weights.get(pair[1], 1)

    def to_json(self) -> dict[str, Any]:
        return {"targets": list(self.targets), "weights": dict(self.weights)}

    @classmethod
    def from_json(cls, purpose: object) -> Purpose:
        """The purpose as stored; ValueError when a key is missing, unknown or of the wrong kind."""
        if not isinstance(purpose, Mapping) or set(purpose) != {"targets", "weights"}:
            raise ValueError("a purpose has exactly the keys ['targets', 'weights']")
        targets, weights = purpose["targets"], purpose["weights"]
        if not isinstance(targets, list) or not all(isinstance(each, str) for each in targets):
            raise ValueError("a purpose's targets are a list of column names")
        if not isinstance(weights, Mapping) or not all(isinstance(each, str) for each in weights):
            raise ValueError("a purpose's weights are whole numbers by column")
        return cls(tuple(targets), tuple(weights.items()))


def tables(domain: Domain, purpose: Purpose, *, max_cells: int) -> tuple[tuple[Clique, int], ...]:
    """Every pair with a target, and its weight; ValueError where the purpose names an undeclared column."""
    for column in purpose.columns:
        if column not in domain.columns:
            raise ValueError(f"column {column}: the purpose names it, and it is not declared")
    weighed = ((pair, purpose.weight(pair)) for pair in combinations(domain.columns, 2))
    return tuple((_fitting(domain, pair, max_cells), weight) for pair, weight in weighed if weight)


def _fitting(domain: Domain, pair: tuple[str, str], max_cells: int) -> Clique:
    """The pair's table; neighbouring codes of its larger column are counted together where it would be too large."""
    small, large = sorted(pair, key=domain.size)
    fewer = min(domain.size(small), max(isqrt(max_cells), 1))
    most = {small: fewer, large: max(max_cells // fewer, 1)}
    return Clique(tuple(Axis(column, _bins(domain.size(column), most[column])) for column in pair))


def _bins(size: int, most: int) -> tuple[int, ...]:
    return () if size <= most else tuple(code * most // size for code in range(size))
