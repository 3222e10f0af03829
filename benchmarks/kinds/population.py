"""Households with persons: what is measured, how it is made again, and how near it comes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.fidelity import rebuild
from benchmarks.kinds import figures
from benchmarks.kinds.declared import BadData, Declaration, Table
from benchmarks.kinds.measuring import Measuring, Wanted
from privacy.accounting import rho_down
from privacy.dp.charging import MemoryLedger
from privacy.layouts import Layout, first_and_later, first_two, neighbours
from privacy.values import Clique, Domain, HardRule, IntArray, NoisyTied, TiedClique
from synthesis.loop import LoopSettings
from synthesis.members import MemberModel, MemberSettings, People, Rule

SIZE = "members"
ROLES = (0, 1, 2)
FOR_SIZES = Decimal("0.04")
AMONG_MEMBERS, WITH_UNIT, OF_MEMBERS, OF_UNITS = 2.0, 1.0, 1.0, 1.0  # what tables matter beside each other


class Population:
    """One declaration of two tables: a unit's, and its members'."""

    def __init__(self, declared: Declaration) -> None:
        names = list(declared.tables)
        if len(names) != 2 or declared.tables[names[1]].facts.get("parent") != names[0]:
            raise BadData("a population has two tables, and the second names the first as its parent")
        self.units, self.members = (declared.tables[name] for name in names)
        self.least, self.most = self.members.facts["least"], self.members.facts["most"]
        sizes = dict(zip(self.units.names, self.units.schema.domain.sizes, strict=True))
        present = tuple(range(self.least, self.most + 1))
        top = Domain.from_mapping(sizes | {SIZE: len(present)})
        self.layout = Layout(top, SIZE, present, self.members.schema.domain)

    def read(self, folder: Path) -> People:
        """The real tables, each unit with its first ``most`` members in their order."""
        units, members = self.units.read(folder), self.members.read(folder)
        key, link = self.units.facts["key"], self.members.facts["parentKey"]
        if units[key].duplicated().any():
            raise BadData(f"{self.units.file}: {key} is not unique")
        place = pd.Series(np.arange(len(units)), index=units[key])
        owners = members[link].map(place)
        if owners.isna().any():
            raise BadData(f"{self.members.file}: {link} names no row of {self.units.file}")
        return self._people(units, members, owners.to_numpy(dtype=np.int64))

    def _people(self, units: pd.DataFrame, members: pd.DataFrame, owners: IntArray) -> People:
        codes = self.members.code(members)
        order = np.lexsort((pd.to_numeric(members[self.members.facts["number"]]), owners))
        owners, codes = owners[order], codes[order]
        first = np.searchsorted(owners, owners)
        kept = np.arange(len(owners)) - first < self.most
        owners, codes = owners[kept], codes[kept]
        counts = np.bincount(owners, minlength=len(units))
        enough = counts >= self.least
        codes, counts = codes[enough[owners]], counts[enough]
        top = np.column_stack([self.units.code(units)[enough], counts - self.least])
        return People.of(self.layout, top, dict(zip(self.members.names, codes.T, strict=True)))

    def wanted(self, *, independent: bool) -> list[Wanted]:
        """Every table, by rule from the declaration. Independent members: each by itself, none with another."""
        layout, own = self.layout, self.members.names
        found = [Wanted(Clique.of(name), OF_UNITS) for name in layout.top.columns]
        found += [Wanted(Clique.of(*pair), OF_UNITS) for pair in combinations(layout.top.columns, 2)]
        found += [Wanted(layout.each(name), OF_MEMBERS) for name in own]
        found += [Wanted(layout.each(*pair), OF_MEMBERS) for pair in combinations(own, 2)]
        found += [Wanted(layout.each(SIZE, name), WITH_UNIT) for name in own]
        if independent:
            return found
        found += [Wanted(layout.each(top, name), WITH_UNIT) for top in self.units.names for name in own]
        found += [Wanted(layout.each(name, roles=ROLES), OF_MEMBERS) for name in own]
        return found + [Wanted(layout.pairs((name, name), which), AMONG_MEMBERS)
                        for name in own for which in self._meetings() if any(max(p) <= self.most for p in which)]  # fmt: skip

    def _meetings(self) -> list[tuple[tuple[int, int], ...]]:
        return [first_two(), first_and_later(self.most), neighbours(self.most)]

    def make(
        self, real: People, ledger: MemoryLedger | None, *, rho: Decimal, seed: int, independent: bool = False
    ) -> tuple[People, int]:
        """Synthetic households and how many instances of rules they break."""
        measuring = Measuring(self.layout, real.wide(), ledger)
        sizes = measuring.sizes(rho=rho_down(rho * FOR_SIZES))
        tables = measuring.measure(
            self.wanted(independent=independent), rho=rho_down(rho * (1 - FOR_SIZES)), units=sizes.counts.tolist()
        )
        top = units_of(measuring, [sizes, *tables], seed=seed)
        model = MemberModel(
            People(self.layout, top), [table for table in tables if isinstance(table, NoisyTied)],
            rules=rules_of(self.members, self.layout), blocks=self.members.facts.get("together", ()),
            settings=MemberSettings(), seed=seed,
        )  # fmt: skip
        made = model.fit()
        return made, model.violations()

    def write(self, made: People, folder: Path, *, seed: int) -> None:
        """The same tables, columns and spelling as the input, with keys of their own: 1, 2, 3 and so on."""
        rng = np.random.default_rng([seed, 1])
        units = self.units.spell(made.top[:, :-1], rng)
        units[self.units.facts["key"]] = np.arange(1, len(units) + 1)
        members = self.members.spell(made.table(), rng)
        members[self.members.facts["parentKey"]] = made.owners + 1
        members[self.members.facts["number"]] = made.position + 1
        folder.mkdir(parents=True, exist_ok=True)
        for table, frame in ((self.units, units), (self.members, members)):
            frame[list(table.columns)].to_csv(folder / table.file, index=False)

    def statistics(self, real: People, made: People) -> dict[str, float]:
        return figures.of_population(self, real, made)


def units_of(measuring: Measuring, tables: Sequence[Any], *, seed: int) -> IntArray:
    """Units x columns, as many as were released, by the loop of the product."""
    release = measuring.release(tables)
    loop, _ = rebuild(release, settings=LoopSettings(), seed=seed)
    return loop.records(loop.total)


def rules_of(table: Table, layout: Layout) -> list[Rule]:
    """The declared rules of one member, as rules of every member."""
    return [Rule(clique, allowed[None]) for clique, allowed in map(lambda rule: _each(rule, layout), table.schema.rules)]


def _each(rule: HardRule, layout: Layout) -> tuple[TiedClique, Any]:
    if any(axis.bins for axis in rule.clique.axes):
        shape = rule.clique.shape(layout.members)
        grids = np.indices([layout.members.size(name) for name in rule.clique.columns])
        seen = tuple(
            np.asarray(axis.bins or range(size))[grid] for axis, size, grid in zip(rule.clique.axes, shape, grids, strict=True)
        )
        return layout.each(*rule.clique.columns), rule.allowed[seen]
    return layout.each(*rule.clique.columns), rule.allowed


def as_json(statistics: Mapping[str, float]) -> dict[str, float]:
    return {name: round(float(value), 5) for name, value in statistics.items()}
