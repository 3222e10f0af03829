"""One level of units with members: what is measured of it, and how its members are made again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from benchmarks.fidelity import rebuild
from benchmarks.kinds.declared import Table
from benchmarks.kinds.measuring import Measuring, Wanted
from privacy.accounting import rho_down
from privacy.dp.charging import MemoryLedger
from privacy.layouts import Layout
from privacy.values import Clique, HardRule, IntArray, NoisyTable, NoisyTied
from synthesis.loop import LoopSettings
from synthesis.members import MemberModel, MemberSettings, People, Rule

FOR_SIZES = Decimal("0.02")  # of a level's rho: how many units have how many members


@dataclass(frozen=True)
class Level:
    """``blocks``: attributes drawn together. ``wanted``: every table of the level, named from the declaration."""

    layout: Layout
    rules: Sequence[Rule]
    blocks: Sequence[Sequence[str]]
    wanted: Sequence[Wanted]

    def make(self, real: People, ledger: MemoryLedger | None, *, rho: Decimal, seed: int) -> tuple[People, int]:
        """Units as many as were released, their members, and how many instances of rules these break."""
        measuring = Measuring(self.layout, real.wide(), ledger)
        sizes = measuring.sizes(rho=rho_down(rho * FOR_SIZES))
        tables = measuring.measure(self.wanted, rho=rho_down(rho * (1 - FOR_SIZES)), units=sizes.counts.tolist())
        release = measuring.release([sizes, *tables])
        loop, _ = rebuild(release, settings=LoopSettings(), seed=seed)
        return self._fit(People(self.layout, loop.records(loop.total)), tables, seed)

    def fill(
        self, real: People, units: People, ledger: MemoryLedger | None, *, rho: Decimal, seed: int
    ) -> tuple[People, int]:
        """Members for units that were made before, which say how many members they have."""
        measuring = Measuring(self.layout, real.wide(), ledger)
        sizes = np.bincount(units.top[:, self.layout.top.index(self.layout.size)], minlength=len(self.layout.present))
        tables = measuring.measure(self.wanted, rho=rho, units=sizes.tolist())
        return self._fit(units, tables, seed)

    def _fit(self, people: People, tables: Iterable[NoisyTable], seed: int) -> tuple[People, int]:
        pooled = [table for table in tables if isinstance(table, NoisyTied)]
        model = MemberModel(
            people, pooled, rules=self.rules, blocks=self.blocks, settings=MemberSettings(), seed=seed
        )
        return model.fit(), model.violations()


def of_units(names: Sequence[str], pairs: Iterable[tuple[str, str]]) -> list[Clique]:
    return [Clique.of(name) for name in names] + [Clique.of(*pair) for pair in pairs]


def rules_of(table: Table, layout: Layout) -> list[Rule]:
    """The declared rules of one record, as rules of every member."""
    return [Rule(layout.each(*rule.clique.columns), _every_code(rule, layout)[None]) for rule in table.schema.rules]


def _every_code(rule: HardRule, layout: Layout) -> IntArray:
    """What the rule allows, code by code."""
    grids = np.indices([layout.members.size(name) for name in rule.clique.columns])
    seen = [
        np.asarray(axis.bins or range(layout.members.size(axis.column)))[grid]
        for axis, grid in zip(rule.clique.axes, grids, strict=True)
    ]
    return np.asarray(rule.allowed[tuple(seen)])
