"""A day's trips in order: real diaries brought into one, and synthetic ones spelled out with zones that connect."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from privacy.values import IntArray


def order(persons: IntArray, hours: IntArray, origins: IntArray, destinations: IntArray, homes: IntArray) -> IntArray:
    """Rows by person and hour; within an hour each next trip starts where the last one ended, if one does, and the
    first at home. A file's own order breaks hours, so it is not kept, except where nothing else decides.
    """
    rows = np.lexsort((np.arange(len(persons)), hours, persons))
    starts = np.flatnonzero(np.diff(persons[rows], prepend=-1) != 0)
    found = [_chained(each, hours, origins, destinations, homes) for each in np.split(rows, starts[1:]) if len(each)]
    return np.concatenate(found) if found else rows


def _chained(rows: IntArray, hours: IntArray, origins: IntArray, destinations: IntArray, homes: IntArray) -> IntArray:
    """One person's trips: of those of the earliest hour left, one that connects, or the first."""
    left, done, here = rows.tolist(), [], homes[rows[0]]
    while left:
        now = [row for row in left if hours[row] == hours[left[0]]]
        taken = next((row for row in now if origins[row] == here), now[0])
        left.remove(taken)
        done.append(taken)
        here = destinations[taken]
    return np.array(done)


def repaired(persons: IntArray, origins: IntArray, destinations: IntArray, homes: IntArray) -> dict[str, int]:
    """What a chain cannot hold of ordered real trips: origins that are not where the trip before ended, first trips
    that start elsewhere than at home, and days that do not end there.
    """
    first = np.diff(persons, prepend=-1) != 0
    last = np.append(first[1:], True)
    before = np.roll(destinations, 1)
    return {
        "trips": len(persons),
        "origin is not the last destination": int((~first & (origins != before)).sum()),
        "first trip starts away from home": int((first & (origins != homes)).sum()),
        "last trip ends away from home": int((last & (destinations != homes)).sum()),
    }


@dataclass(frozen=True)
class TourWords:
    """What trips are called that begin and end tours, and how tours are called and spelled.

    A tour goes from home to home. Within it, from ``leave`` to ``back``, lies one of its own, that begins and ends
    at work; what such a one is for no trip says, so that it is called ``within``.
    """

    home: str
    leave: str
    back: str
    within: tuple[str, str]
    mandatory: Mapping[str, str]
    others: Mapping[str, str]

    @classmethod
    def declared(cls, facts: Mapping[str, Any], home: str) -> TourWords:
        return cls(home, facts["leave"], facts["back"], tuple(facts["within"]), facts["mandatory"], facts["others"])


def tours(trips: pd.DataFrame, words: TourWords) -> tuple[IntArray, pd.DataFrame]:
    """Each trip's tour, numbered from 0, and a row for every tour, named after its main trip: the first with a
    mandatory purpose, or else the first.

    ``trips`` are in order and have purpose, destination, origin, depart, trip_mode, person_id and household_id.
    """
    number, parent = _numbered(trips, words)
    own = words.mandatory
    outer = trips["purpose"].isin(own).astype(int) * 2 - (trips["purpose"] == words.home)
    main = np.where(parent[number] >= 0, trips["purpose"] != words.back, outer).astype(int)
    rank = pd.DataFrame({"tour": number, "main": -main, "row": np.arange(len(trips))})
    chosen = rank.sort_values(["tour", "main", "row"]).groupby("tour")["row"].first().to_numpy()
    groups, named = trips.groupby(number), trips.iloc[chosen].reset_index(drop=True)
    found = named[["person_id", "household_id", "destination", "trip_mode"]].rename(columns={"trip_mode": "tour_mode"})
    found["tour_type"] = named["purpose"].replace({**own, **words.others})
    found["tour_category"] = np.where(named["purpose"].isin(own), "mandatory", "non_mandatory")
    found["origin"] = groups["origin"].first().to_numpy()
    found["start"], found["end"] = groups["depart"].first().to_numpy(), groups["depart"].last().to_numpy()
    found.loc[parent >= 0, ["tour_type", "tour_category"]] = words.within
    return number, found.assign(parent=parent, main=chosen)


def _numbered(trips: pd.DataFrame, words: TourWords) -> tuple[IntArray, IntArray]:
    """Each trip's tour, and each tour's parent or -1."""
    purposes, persons = trips["purpose"].to_numpy(), trips["person_id"].to_numpy()
    number, parent = np.zeros(len(trips), dtype=np.int64), list[int]()
    for row, inside in enumerate(_within(purposes, persons, words)):
        new_day = row == 0 or persons[row] != persons[row - 1]
        if new_day or purposes[row - 1] == words.home:
            outer = tour = _added(parent, -1)
        elif inside and purposes[row] == words.leave:
            tour = _added(parent, outer)
        elif not inside:
            tour = outer
        number[row] = tour
    return number, np.array(parent, dtype=np.int64)


def _added(parents: list[int], parent: int) -> int:
    parents.append(parent)
    return len(parents) - 1


def _within(purposes: Any, persons: Any, words: TourWords) -> NDArray[np.bool_]:
    """Trips of a tour from work to work: from one that leaves to the next that comes back, in one tour from home, and
    not as the first of a day.
    """
    inside, since = np.zeros(len(purposes), dtype=bool), -1
    for row, purpose in enumerate(purposes):
        started = row == 0 or persons[row] != persons[row - 1] or purposes[row - 1] == words.home
        since = -1 if started else since
        if purpose == words.leave and since < 0 and not started:
            since = row
        elif purpose == words.back and since >= 0:
            inside[since : row + 1], since = True, -1
    return inside
