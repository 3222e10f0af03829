"""Tables that are measured and kept from the model, so that how well it meets them does not flatter. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from itertools import combinations
from typing import Any

from privacy.values import Clique, Domain


@dataclass(frozen=True, slots=True)
class Held:
    """Tables of pairs that are measured last, at a share of rho, and kept from the model: its fit is judged by them.

    They are those the model was not given, in an order that ``seed`` settles; then, where there are too few, others.
    """

    share: Decimal
    tables: int
    seed: int

    def __post_init__(self) -> None:
        if not 0 < self.share < 1 or type(self.tables) is not int or self.tables < 1 or type(self.seed) is not int:
            raise ValueError("what is held back has a share of rho below 1, a number of tables and a seed")

    def chosen(self, domain: Domain, given: Iterable[frozenset[str]], *, max_cells: int) -> tuple[Clique, ...]:
        """From public facts alone; ``given`` are the columns of each table that the model has."""
        known = list(given)
        pairs = [Clique.of(*columns) for columns in combinations(domain.columns, 2)]
        fitting = [pair for pair in pairs if pair.cells(domain) <= max_cells]

        def order(pair: Clique) -> tuple[bool, str]:
            told = any(columns.issuperset(pair.columns) for columns in known)
            return told, hashlib.sha256(repr((self.seed, pair.columns)).encode()).hexdigest()

        return tuple(sorted(fitting, key=order)[: self.tables])

    def to_json(self) -> dict[str, Any]:
        return {"share": str(self.share), "tables": self.tables, "seed": str(self.seed)}

    @classmethod
    def from_json(cls, held: object) -> Held:
        if not isinstance(held, Mapping) or set(held) != {"share", "tables", "seed"}:
            raise TypeError("what is held back has a share, a number of tables and a seed")
        return cls(Decimal(held["share"]), held["tables"], int(held["seed"]))
