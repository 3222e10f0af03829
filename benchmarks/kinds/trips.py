"""The level of trips: what is known of a trip beforehand, which tables are measured, and the rules of a day."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.kinds.declared import Table
from benchmarks.kinds.levels import Level, shares, votes_of
from privacy.layouts import Before, Layout, together
from privacy.values import Domain, IntArray
from privacy.workloads import Wanted
from synthesis.members import People, Rule

STAGES = 3  # the first trip of a day, those between, the last
TOTAL, STAGE, ORIGIN = "all trips", "stage", "origin zone"
ONE_WAY, WITHIN, CHAINS, PLACES = 3.0, 2.0, 6.0, 0.6


class Trips:
    """``table`` declares the most trips of a person and of a household, the votes, and its chain; and what single
    columns matter, where not all matter alike.
    """

    def __init__(self, table: Table, units: Table, persons: Table) -> None:
        self.table, self.chain, self.votes = table, table.facts["chain"], table.facts["votes"]
        self.home = self.chain["unit"]
        self.purpose, self.time = self.chain["purpose"], self.chain["time"]
        self.mode, self.zone = self.chain["mode"], self.chain["zone"]
        most, sizes = table.facts["mostOfUnit"], table.schema.domain.size
        self.traveller = self.chain["traveller"]
        top = {self.home: units.schema.domain.size(self.home), TOTAL: most + 1}
        own = dict(zip(table.names, table.schema.domain.sizes, strict=True))
        own |= {self.traveller: persons.schema.domain.size(self.traveller), STAGE: STAGES}
        own |= {_before(name): sizes(name) + 1 for name in (self.purpose, self.time, self.mode)}
        own[ORIGIN] = sizes(self.zone)
        befores = [Before(_before(name), name) for name in (self.purpose, self.time, self.mode)]
        self.layout = Layout(
            Domain.from_mapping(top), TOTAL, tuple(range(most + 1)), Domain.from_mapping(own),
            (*befores, Before(ORIGIN, self.zone, self.home)), (self.traveller, STAGE),
        )  # fmt: skip

    def people(self, persons: People, whose: IntArray, codes: IntArray) -> People:
        """Known trips, in the order of persons, of each household its first ``mostOfUnit``."""
        owner = persons.owners[whose]
        kept = np.arange(len(whose)) - np.searchsorted(owner, owner) < self.layout.most
        whose, codes = whose[kept], codes[kept]
        counts = np.bincount(whose, minlength=persons.members)
        given = self._given(persons, whose, counts)
        drawn = dict(zip(self.table.names, codes.T, strict=True))
        return People.of(self.layout, self._top(persons, counts), given | drawn, whose)

    def empty(self, persons: People, count: str) -> People:
        """As many trips as the persons make; where a household makes too many, its last persons make none."""
        counts = persons.codes[count].astype(np.int64)
        so_far = np.cumsum(counts) - (np.cumsum(counts) - counts)[persons.starts][persons.owners]
        counts = np.where(so_far > self.layout.most, 0, counts)
        persons.codes[count][:] = counts
        whose = np.repeat(np.arange(persons.members), counts)
        return People(self.layout, self._top(persons, counts), given=self._given(persons, whose, counts), groups=whose)

    def _given(self, persons: People, whose: IntArray, counts: IntArray) -> dict[str, IntArray]:
        return {self.traveller: persons.codes[self.traveller][whose].astype(np.int64), STAGE: stages(counts)}

    def _top(self, persons: People, counts: IntArray) -> IntArray:
        total = np.bincount(persons.owners, weights=counts, minlength=len(persons.top)).astype(np.int64)
        return np.column_stack([persons.top[:, persons.layout.top.index(self.home)], total])

    def level(self, *, independent: bool) -> Level:
        blocks = [(self.purpose, self.zone)]
        wanted = self._wanted(independent=independent)
        return Level(self.layout, self._rules(), blocks, wanted, *shares(self.table.facts))

    def _wanted(self, *, independent: bool) -> list[Wanted]:
        own = (self.purpose, self.time, self.mode, self.zone)
        matters = self.table.facts.get("matters", {})
        found = [Wanted(self._each(name), ONE_WAY / len(own) * matters.get(name, 1)) for name in own]
        pairs = [(self.purpose, self.time), (self.purpose, self.mode), (self.traveller, self.purpose)]
        if independent:
            return found + together([self._each(*pair) for pair in pairs], WITHIN)
        pairs += [(STAGE, self.time), (_before(self.time), self.time)]
        chains = [(_before(self.purpose), self.purpose), (_before(self.mode), self.mode)]
        found += together([self._each(*pair) for pair in pairs], WITHIN)
        found += together([self._each(*pair) for pair in chains], CHAINS)
        return found + together([self._each(ORIGIN, self.zone)], PLACES)

    def _each(self, *names: str) -> Any:
        return self.layout.each(*names, votes=votes_of(self.votes, names), by_norm=True)

    def _rules(self) -> Sequence[Rule]:
        """A day ends at home; Home is where the household lives, and no trip leads there from there, nor to where
        one is only sent from elsewhere; time goes on.
        """
        sizes = self.layout.members.size
        home = self.table.schema.labels(self.purpose).index(self.chain["home"])
        purposes, hours, zones = (np.arange(sizes(name)) for name in (self.purpose, self.time, self.zone))
        ends = (purposes == home)[None] | (np.arange(STAGES)[:, None] < STAGES - 1)
        there = (purposes != home)[None, :, None] | (zones[:, None, None] == zones[None, None])
        before = np.arange(sizes(_before(self.purpose)))
        away = np.isin(purposes, [home, *map(self.table.schema.labels(self.purpose).index, self.chain["notFromHome"])])
        leaves = ~away[None] | ~np.isin(before, (home, len(purposes)))[:, None]
        later = (np.arange(len(hours) + 1)[:, None] <= hours[None]) | (np.arange(len(hours) + 1)[:, None] == len(hours))
        return [
            Rule(self.layout.each(STAGE, self.purpose), ends[None]),
            Rule(self.layout.each(self.home, self.purpose, self.zone), there[None]),
            Rule(self.layout.each(_before(self.purpose), self.purpose), leaves[None]),
            Rule(self.layout.each(_before(self.time), self.time), later[None]),
        ]


def stages(counts: IntArray) -> IntArray:
    """The stage of every trip, of persons who make so many; a day's only trip is its last."""
    ends = np.cumsum(counts)
    found = np.ones(int(ends[-1]) if len(ends) else 0, dtype=np.int64)
    made = counts > 0
    found[(ends - counts)[made]] = 0
    found[ends[made] - 1] = STAGES - 1
    return found


def _before(name: str) -> str:
    return f"{name} before"
