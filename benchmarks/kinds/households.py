"""Two related tables, units and their members, as a declaration names them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.kinds import coherence
from benchmarks.kinds.declared import BadData, Table
from benchmarks.kinds.levels import Level, rules_of, shares
from privacy import member_tables
from privacy.layouts import Layout
from privacy.values import Domain, HardRule, IntArray
from privacy.workloads import Wanted
from synthesis.members import People, Rule

SIZE = "members"


class Households:
    """``extra``: attributes of members, and their sizes, that come from elsewhere than the members' own table.

    The members' table declares ``least`` and ``most`` members of a unit, ``together`` (attributes drawn together)
    and, where not all tables are worth measuring, what ``privacy.member_tables.wanted`` takes as facts. The units'
    table may name its ``pairs``.
    """

    def __init__(self, units: Table, members: Table, extra: Mapping[str, int] | None = None) -> None:
        if members.facts.get("parent") != units.name:
            raise BadData(f"{members.name}: its parent must be {units.name}")
        self.units, self.members, self.extra = units, members, dict(extra or {})
        self.least, self.most = members.facts["least"], members.facts["most"]
        present = tuple(range(self.least, self.most + 1))
        sizes = dict(zip(units.names, units.schema.domain.sizes, strict=True)) | {SIZE: len(present)}
        own = dict(zip(members.names, members.schema.domain.sizes, strict=True)) | self.extra
        self.layout = Layout(Domain.from_mapping(sizes), SIZE, present, Domain.from_mapping(own))

    def people(self, units: pd.DataFrame, members: pd.DataFrame, extra: Mapping[str, IntArray] | None = None) -> People:
        """The real tables. ``extra`` has a code for each row of ``members``."""
        rows, enough = self.kept(units, members)
        counts = np.bincount(self.owners(units, members)[rows], minlength=len(units))
        codes = np.column_stack([self.members.code(members), *(extra or {}).values()])[rows]
        top = np.column_stack([self.units.code(units), counts - self.least])[enough]
        return People.of(self.layout, top, dict(zip(self.layout.members.columns, codes.T, strict=True)))

    def kept(self, units: pd.DataFrame, members: pd.DataFrame) -> tuple[IntArray, IntArray]:
        """Which members count, unit by unit, and which units: each its first ``most`` in their order; units with too
        few are left out.
        """
        owners = self.owners(units, members)
        enough = np.bincount(owners, minlength=len(units)) >= self.least
        numbers = pd.to_numeric(members[self.members.facts["number"]], errors="coerce").fillna(np.inf)
        order = np.lexsort((numbers, owners))
        sorted_owners = owners[order]
        first = np.arange(len(order)) - np.searchsorted(sorted_owners, sorted_owners) < self.most
        return order[first & enough[sorted_owners]], np.flatnonzero(enough)

    def read(self, folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Both files; where each member is a unit by itself, with a copy of what it shared."""
        units, members = self.units.read(folder), self.members.read(folder)
        if not self.members.facts.get("alone"):
            return units, members
        rows, own = self.owners(units, members), np.arange(len(members)).astype(str)
        names: dict[str, Any] = {self.members.facts["parentKey"]: own, self.members.facts["number"]: "1"}
        return units.iloc[rows].assign(**{self.units.facts["key"]: own}), members.assign(**names)

    def owners(self, units: pd.DataFrame, members: pd.DataFrame) -> IntArray:
        """The row of each member's unit. BadData where keys are not keys."""
        key, link = self.units.facts["key"], self.members.facts["parentKey"]
        if units[key].duplicated().any():
            raise BadData(f"{self.units.file}: {key} is not unique")
        found = members[link].map(pd.Series(np.arange(len(units)), index=units[key]))
        if found.isna().any():
            raise BadData(f"{self.members.file}: {link} names no row of {self.units.file}")
        return found.to_numpy(dtype=np.int64)

    def level(
        self, *, independent: bool, rules: Sequence[Rule] = (), unit_rules: Sequence[HardRule] = (),
        public: People | None = None,
    ) -> Level:  # fmt: skip
        declared = (*rules_of(self.members, self.layout), *coherence.of_members(self.members, self.layout), *rules)
        own = (*coherence.of_units(self.units, self.layout), *unit_rules)
        blocks = self.members.facts.get("together", ())
        return Level(self.layout, declared, blocks, self.wanted(independent=independent), *shares(self.members.facts),
                     own, public)  # fmt: skip

    def wanted(self, *, independent: bool) -> list[Wanted]:
        """Every table, by rule from the declaration. Independent members: each by itself, none with another."""
        pairs = {"unitPairs": self.units.facts["pairs"]} if "pairs" in self.units.facts else {}
        return member_tables.wanted(self.layout, dict(self.members.facts) | pairs, independent=independent)

    def spelled(self, made: People, rng: np.random.Generator) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Both tables as the input spells them, with keys of their own: 1, 2, 3 and so on."""
        units = self.units.spell(made.top[:, :-1], rng)
        units[self.units.facts["key"]] = np.arange(1, len(units) + 1)
        members = self.members.spell(made.table()[:, : len(self.members.names)], rng)
        members[self.members.facts["parentKey"]] = made.owners + 1
        members[self.members.facts["number"]] = made.position + 1
        return units, members


def write(frame: pd.DataFrame, table: Table, folder: Path) -> None:
    """The file that the declaration names, with its columns in their order."""
    folder.mkdir(parents=True, exist_ok=True)
    frame[list(table.columns)].to_csv(folder / table.file, index=False)
