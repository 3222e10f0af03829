"""Households with persons: what is measured, how it is made again, and how near it comes."""

from __future__ import annotations

from decimal import Decimal
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.kinds.declared import BadData, Declaration
from benchmarks.kinds.extents import Spread
from benchmarks.kinds.figures import all_pairs, compared, distance, mean, meeting
from benchmarks.kinds.households import SIZE, Households, write
from privacy.dp.charging import MemoryLedger
from synthesis.members import People


class Population:
    """A declaration of two tables: households, and their persons."""

    delta = Decimal(0)  # nothing is searched

    def __init__(self, declared: Declaration) -> None:
        names = list(declared.tables)
        if len(names) != 2:
            raise BadData("a population has two tables: units, and their members")
        self.pair = Households(declared.tables[names[0]], declared.tables[names[1]])

    def spreads(self, folder: Path) -> list[Spread]:
        """What is sought first: nothing."""
        return []

    def read(self, folder: Path) -> People:
        return self.pair.people(*self.pair.read(folder))

    def make(
        self, real: People, ledger: MemoryLedger | None, *, rho: Decimal, seed: int, independent: bool = False,
        units: int | None = None, public: People | None = None,
    ) -> tuple[People, int]:  # fmt: skip
        """Synthetic households, and how many instances of rules they break."""
        level = self.pair.level(independent=independent, public=public)
        return level.make(real, ledger, rho=rho, seed=seed, units=units)

    def write(self, made: People, folder: Path, *, seed: int) -> None:
        units, members = self.pair.spelled(made, np.random.default_rng([seed, 1]))
        write(units, self.pair.units, folder)
        write(members, self.pair.members, folder)

    def about(self, real: People) -> dict[str, Any]:
        return {"units": len(real.top), "members": real.members}

    def statistics(self, real: People, made: People) -> dict[str, float]:
        """Of persons that are units by themselves, nothing that their household's members say together."""
        own, tops = self.pair.members.names, self.pair.units.names
        alone = bool(self.pair.members.facts.get("alone"))
        found = {
            "household 1-ways": mean(distance(*compared(real, made, name, of_units=True)) for name in tops),
            "household pairs": mean(
                distance(*compared(real, made, *pair, of_units=True)) for pair in combinations(tops, 2)
            ),
            **({} if alone else {"size": distance(*compared(real, made, SIZE, of_units=True))}),
            "person 1-ways": mean(distance(*compared(real, made, name)) for name in own),
            "person pairs": mean(distance(*compared(real, made, *pair)) for pair in combinations(own, 2)),
            "household x person": mean(distance(*compared(real, made, t, name)) for t in tops for name in own),
        }
        return found if alone else found | self._within(real, made)

    def _within(self, real: People, made: People) -> dict[str, float]:
        """The same attribute of two members of one household."""
        own = self.pair.members.names
        first = {f"{name} of persons 1 and 2": distance(meeting(real, name), meeting(made, name)) for name in own}
        every = {f"{n} of all pairs in a household": distance(all_pairs(real, n), all_pairs(made, n)) for n in own}
        return first | every
