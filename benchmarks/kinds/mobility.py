"""Households, persons and a day's trips of each: ordered, connected, at home in the end."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.kinds import diaries
from benchmarks.kinds.declared import BadData, Declaration
from benchmarks.kinds.extents import Spread
from benchmarks.kinds.figures import column, compared, distance
from benchmarks.kinds.households import Households, write
from benchmarks.kinds.trips import Trips
from privacy.accounting import rho_down
from privacy.dp.charging import MemoryLedger
from privacy.values import IntArray
from synthesis.members import People, Rule

COUNT = "trips"
FOR_PERSONS = Decimal("0.3")  # of rho


@dataclass(frozen=True)
class Days:
    """Persons of households, the trips of the same households, and what of real diaries a chain cannot hold."""

    persons: People
    trips: People
    repaired: dict[str, int]


class Mobility:
    """A declaration of three tables, of which the third hangs on the second, and a derived fourth."""

    delta = Decimal(0)  # nothing is searched

    def __init__(self, declared: Declaration) -> None:
        names = list(declared.tables)
        if len(names) != 3 or "chain" not in declared.tables[names[2]].facts:
            raise BadData("mobility has three tables: units, members, and trips with a chain")
        units, persons, self.table = (declared.tables[name] for name in names)
        self.most = self.table.facts["most"]
        self.pair = Households(units, persons, {COUNT: self.most + 1})
        self.chain, self.derived = self.table.facts["chain"], declared.facts["derived"]
        self.trips = Trips(self.table, units, persons)

    def spreads(self, folder: Path) -> list[Spread]:
        """What is sought first: how far zones go, by where units live."""
        name = self.chain["unit"]
        extent = self.pair.units.field(name).get("extent")
        return [Spread(name, extent, _numbers(self.pair.read(folder)[0][name]))] if extent else []

    def read(self, folder: Path) -> Days:
        """The real tables; trips beyond the declared most of a person, or of a household, are left out."""
        (units, persons), trips = self.pair.read(folder), self.table.read(folder)
        place = pd.Series(np.arange(len(persons)), index=persons[self.pair.members.facts["key"]])
        if not place.index.is_unique:
            raise BadData(f"{self.pair.members.file}: {place.index.name} is not unique")
        whose = trips[self.table.facts["parentKey"]].map(place)
        if whose.isna().any():
            raise BadData(f"{self.table.file}: a trip names no person")
        codes, whose = self.table.code(trips), whose.to_numpy(dtype=np.int64)
        zones = [_numbers(trips[self.chain[end]]) for end in ("origin", "zone")]
        hours = codes[:, self.table.names.index(self.chain["time"])]
        homes = _numbers(units[self.chain["unit"]])[self.pair.owners(units, persons)]
        rows = diaries.order(whose, hours, zones[0], zones[1], homes[whose])
        repaired = diaries.repaired(whose[rows], zones[0][rows], zones[1][rows], homes[whose[rows]])
        rows = rows[_rank(whose[rows]) < self.most]
        counts = np.bincount(whose[rows], minlength=len(persons))
        known = self.pair.people(units, persons, {COUNT: counts})
        new = np.full(len(persons), -1)
        new[self.pair.kept(units, persons)[0]] = np.arange(known.members)
        return Days(known, self._diaries(known, new[whose[rows]], codes[rows]), repaired)

    def _diaries(self, known: People, person: IntArray, codes: IntArray) -> People:
        """The trips of the persons that are kept, in their order."""
        order = np.argsort(person, kind="stable")[int((person < 0).sum()) :]
        return self.trips.people(known, person[order], codes[order])

    def make(
        self, real: Days, ledger: MemoryLedger | None, *, rho: Decimal, seed: int, independent: bool = False
    ) -> tuple[Days, int]:
        first = rho_down(rho * FOR_PERSONS)
        never = np.ones((1, self.most + 1), dtype=bool)
        never[0, 1 : self.table.facts["least"]] = False
        rules = [Rule(self.pair.layout.each(COUNT), never)]
        level = self.pair.level(independent=independent, rules=rules)
        persons, broken = level.make(real.persons, ledger, rho=first, seed=seed)
        units = self.trips.empty(persons, COUNT)
        trips, more = self.trips.level(independent=independent).fill(
            real.trips, units, ledger, rho=rho_down(rho - first), seed=seed
        )
        return Days(persons, trips, {}), broken + more

    def write(self, made: Days, folder: Path, *, seed: int) -> None:
        rng = np.random.default_rng([seed, 1])
        units, persons = self.pair.spelled(made.persons, rng)
        persons[self.pair.members.facts["key"]] = np.arange(1, len(persons) + 1)
        trips = self._connected(made, units, rng)
        number, tours = diaries.tours(trips, diaries.TourWords.declared(self.derived, self.chain["home"]))
        trips["tour_id"], tours["tour_id"] = number + 1, np.arange(1, len(tours) + 1)
        tours["parent_tour_id"] = (tours["parent"] + 1).where(tours["parent"] >= 0)
        trips["outbound"] = np.arange(len(trips)) <= tours["main"].to_numpy()[number]
        working = persons["pemploy"].isin([1, 2])
        units["hhsize"] = np.bincount(made.persons.owners, minlength=len(units))
        units["num_workers"] = np.bincount(made.persons.owners, weights=working, minlength=len(units)).astype(int)
        for name, purposes in (("workplace_zone_id", ["work"]), ("school_zone_id", ["school", "univ"])):
            persons[name] = _usual(trips, purposes, len(persons))
        for frame, table in ((units, self.pair.units), (persons, self.pair.members), (trips, self.table)):
            write(frame, table, folder)
        for name in self.derived["decimal"]:
            tours[name] = tours[name].astype(float)
        tours[self.derived["columns"]].to_csv(folder / self.derived["file"], index=False)

    def _connected(self, made: Days, units: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
        """Trips whose origin is where the one before ended; Home is the household's own zone."""
        trips = self.table.spell(made.trips.table()[:, : len(self.table.names)], rng)
        homes = units[self.chain["unit"]].to_numpy()[made.trips.owners]
        ends = np.where(trips[self.chain["purpose"]] == self.chain["home"], homes, trips[self.chain["zone"]])
        trips[self.chain["zone"]] = ends
        trips[self.chain["origin"]] = np.where(made.trips.earlier < 0, homes, ends[made.trips.earlier])
        trips["person_id"], trips["household_id"] = made.trips.groups + 1, made.trips.owners + 1
        trips[self.table.facts["key"]] = np.arange(1, len(trips) + 1)
        return trips

    def about(self, real: Days) -> dict[str, Any]:
        return {"units": len(real.persons.top), "members": real.persons.members, "repaired": real.repaired}

    def statistics(self, real: Days, made: Days) -> dict[str, float]:
        chain, both = self.chain, (real.trips, made.trips)
        purpose, mode, hour = (chain[name] for name in ("purpose", "mode", "time"))
        found = {name: distance(*compared(*both, chain[name])) for name in ("purpose", "mode", "time")}
        found["transitions"] = distance(*(_following(each, purpose) for each in both))
        found["mode transitions"] = distance(*(_following(each, mode) for each in both))
        found["trips per person"] = distance(*compared(real.persons, made.persons, COUNT))
        found["OD"] = distance(*compared(*both, "origin zone", chain["zone"]))
        coarse = [[code // 2 for code in pair] for pair in compared(*both, "origin zone", chain["zone"])]
        found["OD, coarse"] = distance(*coarse)
        found["time use"] = _time_use(real.trips, made.trips, purpose, hour)
        found["purpose by hour"] = distance(*compared(*both, purpose, hour))
        found["person 1-ways"] = float(np.mean([
            distance(*compared(real.persons, made.persons, name)) for name in self.pair.members.names
        ]))  # fmt: skip
        return {"hour" if name == "time" else name: value for name, value in found.items()}


def _following(trips: People, name: str) -> list[IntArray]:
    """What follows what within a day."""
    earlier = trips.earlier
    rows = np.flatnonzero(earlier >= 0)
    return [column(trips, name)[earlier[rows]], column(trips, name)[rows]]


def _time_use(real: People, made: People, purpose: str, hour: str) -> float:
    """Distance of the shares of hours between trips that go to each purpose."""
    shares = []
    for trips in (real, made):
        rows = np.flatnonzero(trips.earlier >= 0)
        spent = column(trips, hour)[rows] - column(trips, hour)[trips.earlier[rows]]
        counts = np.bincount(column(trips, purpose)[trips.earlier[rows]], weights=spent, minlength=99)
        shares.append(counts / max(counts.sum(), 1))
    return float(np.abs(shares[0] - shares[1]).sum() / 2)


def _numbers(zones: pd.Series) -> IntArray:
    """Zones as numbers; what is none connects with nothing."""
    return pd.to_numeric(zones, errors="coerce").fillna(-1).to_numpy(dtype=np.int64)


def _rank(groups: IntArray) -> IntArray:
    """Each row's place within its run of equal groups."""
    starts = np.flatnonzero(np.diff(groups, prepend=-1) != 0)
    return np.arange(len(groups)) - np.repeat(starts, np.diff(starts, append=len(groups)))


def _usual(trips: pd.DataFrame, purposes: list[str], persons: int) -> IntArray:
    """The zone of each person's first trip with such a purpose, -1 where there is none."""
    zones = trips[trips["purpose"].isin(purposes)].groupby("person_id")["destination"].first()
    return zones.reindex(np.arange(1, persons + 1), fill_value=-1).to_numpy()
