"""One level of units with members: what is measured of it, and how its members are made again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np

from benchmarks.fidelity import rebuild
from benchmarks.kinds import coherence
from benchmarks.kinds.declared import Table
from benchmarks.kinds.measuring import Measuring
from benchmarks.kinds.prior import resembling
from privacy.accounting import rho_down
from privacy.dp.charging import MemoryLedger
from privacy.layouts import Layout
from privacy.values import HardRule, NoisyTable, NoisyTied, TiedClique
from privacy.workloads import Wanted, affordable
from synthesis.loop import LoopSettings
from synthesis.members import MemberModel, MemberSettings, People, Rule

FOR_SIZES = "0.02"  # of a level's rho: how many units have how many members
FOR_ONE_WAY = "0.12"  # of the rest: tables of one column


@dataclass(frozen=True)
class Level:
    """``blocks``: attributes drawn together. ``wanted``: every table of the level, named from the declaration.
    ``unit_rules``: what holds of units by themselves. ``public``: a sample of others that all may see.

    Tables of one column are measured first; what they say decides how finely the others are seen.
    """

    layout: Layout
    rules: Sequence[Rule]
    blocks: Sequence[Sequence[str]]
    wanted: Sequence[Wanted]
    sizes_share: Decimal = Decimal(FOR_SIZES)
    one_way_share: Decimal = Decimal(FOR_ONE_WAY)
    unit_rules: Sequence[HardRule] = ()
    public: People | None = None

    def make(
        self, real: People, ledger: MemoryLedger | None, *, rho: Decimal, seed: int, units: int | None = None
    ) -> tuple[People, int]:
        """Units as many as were released, or ``units``; their members; how many instances of rules these break."""
        measuring = Measuring(self.layout, real.wide(), ledger)
        sizes = measuring.sizes(rho=rho_down(rho * self.sizes_share))
        tables = self._measure(measuring, rho=rho_down(rho * (1 - self.sizes_share)), units=sizes.counts.tolist())
        if self.public is not None:
            tables = resembling(tables, self.layout, self.public)
        release = measuring.release([sizes, *tables])
        loop, _ = rebuild(release, settings=LoopSettings(), seed=seed, rules=self.unit_rules)
        made = People(self.layout, loop.records(units or loop.total))
        found, broken = self._fit(made, tables, seed, scale=loop.total / len(made.top))
        return found, broken + coherence.broken(self.unit_rules, self.layout, found.top)

    def fill(
        self, real: People, units: People, ledger: MemoryLedger | None, *, rho: Decimal, seed: int
    ) -> tuple[People, int]:
        """Members for units that were made before, which say how many members they have."""
        measuring = Measuring(self.layout, real.wide(), ledger)
        sizes = np.bincount(units.top[:, self.layout.top.index(self.layout.size)], minlength=len(self.layout.present))
        return self._fit(units, self._measure(measuring, rho=rho, units=sizes.tolist()), seed)

    def _measure(self, measuring: Measuring, *, rho: Decimal, units: Sequence[float]) -> list[NoisyTable]:
        first = [each for each in self.wanted if _columns(each) == 1]
        rest = [each for each in self.wanted if _columns(each) > 1]
        share = rho_down(rho * self.one_way_share) if rest else rho
        found = list(measuring.measure(first, rho=share, units=units))
        if rest:
            left = rho_down(rho - share)
            if measuring.ledger is not None:
                rest = affordable(rest, self.layout, self._masses(found), rho=float(left), units=units)
            found += measuring.measure(rest, rho=left, units=units)
        return found

    def _masses(self, tables: Sequence[NoisyTable]) -> dict[str, list[float]]:
        """The released counts of every code of a column, in whatever block."""
        found: dict[str, list[float]] = {}
        for table in tables:
            axis = (table.clique.slots[0] if isinstance(table, NoisyTied) else table.clique).axes[0]
            counts = table.counts.reshape(-1, table.counts.shape[-1]).sum(axis=0)
            found[self.layout.places[axis.column][0]] = counts.astype(float).tolist()
        return found

    def _fit(
        self, people: People, tables: Iterable[NoisyTable], seed: int, *, scale: float = 1.0
    ) -> tuple[People, int]:
        pooled = [table for table in tables if isinstance(table, NoisyTied)]
        model = MemberModel(
            people, pooled, rules=self.rules, blocks=self.blocks, settings=MemberSettings(), seed=seed, scale=scale
        )
        return model.fit(), model.violations()


def shares(facts: Mapping[str, Any]) -> tuple[Decimal, Decimal]:
    """What a table declares of its level's rho: for sizes, and for tables of one column."""
    declared = facts.get("shares", {})
    return Decimal(declared.get("sizes", FOR_SIZES)), Decimal(declared.get("oneWay", FOR_ONE_WAY))


def votes_of(declared: Mapping[str, int], names: Sequence[str]) -> int:
    """The votes of a unit in a table: of one column its own or ``each``, of several ``pairs``.

    The fewer members of a unit fall in one cell, the fewer votes weigh them all alike, and noise follows the votes.
    """
    return declared.get(names[0], declared["each"]) if len(names) == 1 else declared["pairs"]


def _columns(wanted: Wanted) -> int:
    return len((wanted.clique.slots[0] if isinstance(wanted.clique, TiedClique) else wanted.clique).axes)


def rules_of(table: Table, layout: Layout) -> list[Rule]:
    """The declared rules of one record, as rules of every member."""
    return [
        Rule(layout.each(*rule.clique.columns), coherence.by_code(rule, layout)[None]) for rule in table.schema.rules
    ]
