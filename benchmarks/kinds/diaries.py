"""A day's trips in order: real diaries brought into one, and synthetic ones spelled out with zones that connect."""

from __future__ import annotations

import numpy as np
import pandas as pd

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


def tours(trips: pd.DataFrame, *, home: str, mandatory: list[str]) -> tuple[IntArray, pd.DataFrame]:
    """Each trip's tour, numbered from 0, and a row for every tour: from home to home, named after its main trip.

    ``trips`` are in order and have purpose, destination, origin, depart, trip_mode, person_id and household_id. The
    main trip is the first with a mandatory purpose, or else the first.
    """
    starts = (trips["person_id"] != trips["person_id"].shift()) | (trips["purpose"].shift() == home)
    number = starts.cumsum().to_numpy() - 1
    main = trips["purpose"].isin(mandatory).astype(int) * 2 - (trips["purpose"] == home)
    rank = pd.DataFrame({"tour": number, "main": -main.to_numpy(), "row": np.arange(len(trips))})
    chosen = rank.sort_values(["tour", "main", "row"]).groupby("tour")["row"].first().to_numpy()
    groups = trips.groupby(number)
    named = trips.iloc[chosen].reset_index(drop=True)
    found = named[["person_id", "household_id", "destination", "trip_mode"]].rename(columns={"trip_mode": "tour_mode"})
    found["tour_type"] = named["purpose"]
    found["tour_category"] = np.where(named["purpose"].isin(mandatory), "mandatory", "non_mandatory")
    found["origin"] = groups["origin"].first().to_numpy()
    found["start"], found["end"] = groups["depart"].first().to_numpy(), groups["depart"].last().to_numpy()
    found["parent_tour_id"] = ""
    return number, found.assign(main=chosen)
