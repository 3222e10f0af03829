"""Declarations of three related tables, and their files laid out: which leaves count, and how far one unit moves."""

from __future__ import annotations

import copy
import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from privacy import leaf_tables, member_tables, tables
from privacy.bundles import Bundle
from privacy.dp import tied
from privacy.dp.counting import NumpyCounter
from privacy.dp.sensitivity import l2_of
from privacy.gathering import Gathered, gather
from privacy.leaves import Leaves
from privacy.plans import MeasurementPlan
from privacy.problems import SchemaError, UploadRefused
from privacy.related import Related
from privacy.schema import Schema
from privacy.values import IntArray, PrivacyUnit
from tests import diary_site

LIMITS = tables.Limits(rows=10_000, columns=50, cell_chars=100)
Day = list[tuple[str, int, int]]
"""Purpose, hour and zone of every trip of a person."""


def schema(**changes: Any) -> Schema:
    return Schema.parse(diary_site.declaration(**changes))


def changed(table: int = 2, **changes: Any) -> dict[str, Any]:
    """The declaration with keys of one table replaced; None leaves one out."""
    found = copy.deepcopy(diary_site.TABLES)
    found[table] = {key: value for key, value in (found[table] | changes).items() if value is not None}
    return {"tables": found}


def related(declared: Schema) -> tuple[Related, Leaves]:
    assert declared.related is not None
    assert declared.related.leaves is not None
    return declared.related, declared.related.leaves


def gathered(declared: Schema, files: dict[str, bytes]) -> Gathered:
    source = io.BufferedReader(Bundle([(name, len(each), io.BytesIO(each)) for name, each in files.items()]))
    return gather(
        related(declared)[0], source, delimiter=",", missing=declared.missing_values, limits=LIMITS, most_bytes=10**8,
        key=b"k" * 32,
    )  # fmt: skip


def rows(declared: Schema, files: dict[str, bytes]) -> IntArray:
    """Units x wide columns, as the vault would hold them."""
    pieces = [np.stack(piece, axis=1) for piece in gathered(declared, files).pieces]
    return np.concatenate(pieces) if pieces else np.zeros((0, len(declared.stored.columns)), dtype=np.int64)


def written(homes: list[tuple[int, list[Day]]]) -> dict[str, bytes]:
    """Files of households: the zone of each, and the day of every person of it."""
    tops, people = ["household_id,home_zone,cars"], ["person_id,household_id,person_number,kind"]
    trips = ["trip_id,person_id,purpose,hour,origin,zone,mode"]
    for home, (zone, days) in enumerate(homes):
        tops.append(f"h{home},{zone},1")
        for number, day in enumerate(days):
            person = f"{home}-{number}"
            people.append(f"{person},h{home},{number},worker")
            trips += [f"{person}-{n},{person},{purpose},{hour},1,{to},bus" for n, (purpose, hour, to) in enumerate(day)]
    return {name: ("\n".join(lines) + "\n").encode() for name, lines in
            (("households.csv", tops), ("persons.csv", people), ("trips.csv", trips))}  # fmt: skip


def column(declared: Schema, found: IntArray, name: str) -> list[int]:
    return found[:, declared.stored.index(name)].tolist()


TRIP = st.tuples(st.sampled_from(["home", "work", "shop"]), st.integers(0, 23), st.integers(1, 40))
DAYS = st.lists(st.lists(TRIP, max_size=9), min_size=1, max_size=6)
HOME = st.tuples(st.integers(1, 40), DAYS)


def test_whoever_uploads_learns_what_counts_and_how_many_starts_were_moved() -> None:
    """All origins are 1: the second trip starts in the class of zones that the first one ended in, the third does not.
    A single trip counts as none, and so does what is beyond six.
    """
    on = [("work", 8, 2), ("shop", 9, 30), ("home", 17, 1)]
    files = written([(1, [on, [("work", 8, 1)]]), (40, [[("work", hour, 30) for hour in range(8)]])])
    found = gathered(schema(), files)
    assert found.tables == [
        {"name": "households", "read": 2, "kept": 2},
        {"name": "persons", "read": 3, "kept": 3},
        {"name": "trips", "read": 12, "kept": 9},
    ]
    assert found.closed == 1 + 6
    files["trips.csv"] = files["trips.csv"].replace(b"work,8,1,2,bus", b"work,8,beyond,2,bus")
    assert gathered(schema(), files).closed == 1 + 6 + 1


def test_without_a_journey_no_start_is_moved() -> None:
    plain = schema(**changed(journey=None, columns=None, sequenceRules=None))
    files = diary_site.files(20)
    files["trips.csv"] = b"\n".join(
        b",".join(cell for place, cell in enumerate(line.split(b",")) if place != 4)
        for line in files["trips.csv"].splitlines()
    )
    assert gathered(plain, files).closed is None


def test_a_declaration_of_three_tables_is_read() -> None:
    found = schema()
    assert found.unit_in_words == (
        "one row of households (one household), with up to 4 persons, and with up to 16 trips of these"
    )
    assert found.domain.columns == ("home_zone", "cars", "number of persons")
    assert list(found.told) == [
        "households.home_zone", "households.cars", "number of persons", "persons.kind", "number of trips",
        "trips.purpose", "trips.hour", "trips.zone", "trips.mode",
    ]  # fmt: skip
    assert found.labels("number of trips@1") == ("0", "2", "3", "4", "5", "6")
    assert found.labels("its place@3") == ("first", "between", "last", "only")
    assert found.labels("purpose before@2")[:2] == ("home", "work")
    assert found.labels("all trips again")[-1] == "16"


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        (changed(parent="households"), "'parent' must name the second table"),
        (changed(1, key=None), "table 2 needs 'key'"),
        (changed(most=None), "table 3 needs 'most'"),
        (changed(mostOfUnit=5), "'mostOfUnit' must be a whole number from 6"),
        (changed(orNone=None, mostOfUnit=7, least=2), "room for 'least' rows of as many members"),
        (changed(orderedBy="origin"), "'orderedBy' must name a measured column of trips"),
        (changed(seenWith=["colour"]), "'seenWith' names columns that no table above trips measures: \\['colour'\\]"),
        (changed(together=[["purpose", "colour"]]), "does not measure: \\['colour'\\]"),
        (changed(votes=0), "'votes' must be a whole number from 1"),
        (changed(surprise=1), "table 3 has a key that is unknown"),
        (changed(journey={"from": "origin", "to": "zone", "start": "cars"}), "that is declared alike"),
        (changed(journey={"from": "zone", "to": "zone", "start": "home_zone"}), "keys and the order of members"),
        (changed(journey={"from": "origin", "to": "zone", "start": "home_zone", "back": "zone == 3"}), "'back'"),
        (changed(orderedBy=None, sequenceRules=None), "'journey' needs an order"),
        (changed(sequenceRules=[{"rule": "colour == 1"}]), "sequence rule 1.*no measured column"),
        (changed(sequenceRules="x"), "'sequenceRules' must be a list"),
        (changed(sequenceRules=[{"rule": '`its place` in ["first", "last", "only"] implies purpose == "home"'},
                                {"rule": '`purpose before` is null implies purpose != "home"'}]),
         "no 2 trips in a row keep all rules"),
    ],
)  # fmt: skip
def test_a_declaration_that_does_not_hold_together_says_which_rule(changes: dict[str, Any], rule: str) -> None:
    with pytest.raises(SchemaError, match=rule):
        schema(**changes)


@pytest.mark.parametrize("place", range(2))
def test_the_declarations_in_the_documentation_are_accepted(place: int) -> None:
    page = (Path(__file__).parents[2] / "docs" / "related-tables.md").read_text()
    found = Schema.parse(re.findall(r"```json\n(.*?)```", page, re.DOTALL)[place])
    assert found.related is not None


def test_the_plan_goes_through_json_and_fits() -> None:
    found = schema()
    plan = member_tables.plan_for(related(found)[0])
    plan.check(found.measured)
    assert MeasurementPlan.from_json(json.loads(json.dumps(plan.to_json()))) == plan
    assert plan.stages is not None
    assert plan.stages.sizes == ("number of persons", "all trips")
    broken = plan.to_json() | {"stages": plan.to_json()["stages"] | {"leaves": {"size": "all trips"}}}
    with pytest.raises(ValueError, match="wrong kind"):
        MeasurementPlan.from_json(broken)


def test_what_is_counted_together_follows_from_the_declaration() -> None:
    """In an order: with the one before and the place; without: neither. With its members' columns, or those named."""
    ordered, plain = (related(schema(**each))[1] for each in ({}, changed(
        orderedBy=None, sequenceRules=None, journey=None, seenWith=None, columns=None,
    )))  # fmt: skip
    seen = [{name.partition("@")[0] for name in each.clique.columns[1:3]} for each in leaf_tables.wanted(ordered)]
    assert {"purpose before", "purpose"} in seen
    assert {"its place", "hour"} in seen
    assert {"zone before", "zone"} in seen
    assert [names for names in seen if "home_zone" in names] == [{"home_zone", "zone"}]
    assert {"kind of persons", "mode"} in seen
    other = [{name.partition("@")[0] for name in each.clique.columns[1:3]} for each in leaf_tables.wanted(plain)]
    assert {"number of trips of persons", "mode"} in other
    assert not any("before" in name or "place" in name for names in other for name in names)


def test_leaves_stand_beside_their_member_in_order_and_know_the_one_before() -> None:
    """The first starts at home, whatever its file says; a number of trips that may not be is none."""
    declared = schema()
    day = [("home", 20, 3), ("work", 8, 30), ("shop", 12, 11)]
    found = rows(declared, written([(5, [day, [("home", 9, 5)], []])]))
    zones = [declared.related.column("zone@1").code(str(zone)) for zone in (30, 11, 3, 5)]
    assert [column(declared, found, f"zone@{n}")[0] for n in (1, 2, 3)] == zones[:3]
    assert [column(declared, found, f"zone before@{n}")[0] for n in (1, 2, 3)] == [zones[3], *zones[:2]]
    assert [column(declared, found, f"purpose before@{n}")[0] for n in (1, 2)] == [4, 1]  # none, then work
    assert [column(declared, found, f"its place@{n}")[0] for n in (1, 2, 3)] == [0, 1, 2]
    assert [column(declared, found, f"number of trips@{n}")[0] for n in (1, 2, 3)] == [2, 0, 0]
    assert column(declared, found, "all trips") == [3]


@given(st.lists(HOME, max_size=5), st.randoms())
@settings(max_examples=40)
def test_what_counts_of_a_unit_follows_from_its_own_rows(homes: list[tuple[int, list[Day]]], chance: Any) -> None:
    declared = schema()
    homes = [*homes, (1, [[("shop", 3, 2), ("home", 4, 1)]])]
    files = written([(zone, [sorted(day, key=lambda trip: trip[1]) for day in days]) for zone, days in homes])
    found = rows(declared, files)
    for name in ("persons.csv", "households.csv"):
        header, *lines = files[name].decode().splitlines()
        shuffled = files | {name: "\n".join([header, *chance.sample(lines, len(lines)), ""]).encode()}
        other = rows(declared, shuffled)
        assert sorted(map(tuple, found.tolist())) == sorted(map(tuple, other.tolist()))
    stay = (9, [[("work", 3, 2)]])  # one trip is none, but a file needs a row
    alone = [rows(declared, written([(zone, [sorted(day, key=lambda trip: trip[1]) for day in days]), stay]))[:1]
             for zone, days in homes]  # fmt: skip
    assert (found == np.concatenate(alone)).all()
    assert (found[:, declared.stored.index("all trips")] <= 16).all()


@given(st.lists(HOME, max_size=4), HOME)
@settings(max_examples=30)
def test_one_unit_moves_every_table_by_no_more_than_is_charged(
    homes: list[tuple[int, list[Day]]], one: tuple[int, list[Day]]
) -> None:
    """Neighbouring files, through reading and laying out, counted as measuring counts them; numbers of leaves too."""
    declared, base = schema(), [*homes, (1, [[("shop", 3, 2)]])]
    with_it, without = (NumpyCounter(rows(declared, written(each)), declared.stored) for each in ([*base, one], base))
    both, leaves = related(declared)
    cliques = [*member_tables.plan_for(both).workload, leaf_tables.totals(leaves, leaf_tables.total_bins(leaves))]
    for clique, left, right in zip(cliques, tied.tables(with_it, cliques), tied.tables(without, cliques), strict=True):
        assert np.sqrt(float(((left - right).astype(float) ** 2).sum())) <= l2_of(PrivacyUnit(), clique)


@given(st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=4), min_size=1, max_size=6), st.booleans())
def test_members_have_as_many_leaves_as_are_declared_and_units_no_more_than_theirs(
    units: list[list[int]], or_none: bool
) -> None:
    changes = {"orNone": or_none or None, "mostOfUnit": 10, "sequenceRules": None}
    _, leaves = related(schema(**changed(**changes)))
    given_ = np.array([count if or_none else max(count, 2) for counts in units for count in counts])
    owners = np.repeat(np.arange(len(units)), [len(counts) for counts in units])
    kept = leaves.within(given_, owners)
    assert (np.bincount(owners, weights=kept) <= 10).all()
    assert ((kept == 0) & or_none | (kept >= 2) & (kept <= 6)).all()
    assert (kept <= given_).all()
    firsts, room = np.flatnonzero(np.diff(owners, prepend=-1)), 6 if or_none else 10 - 2 * (np.bincount(owners) - 1)
    assert (kept[firsts] == np.where(given_[firsts] < 2, 0, np.minimum(given_[firsts], np.minimum(room, 6)))).all()
    assert (leaves.starts[leaves.coded(kept)] == kept).all()


def test_rows_that_do_not_count_take_no_room_from_later_members() -> None:
    _, leaves = related(schema(**changed(mostOfUnit=6)))
    assert leaves.within(np.array([1, 1, 6]), np.zeros(3, dtype=int)).tolist() == [0, 0, 6]


def test_a_unit_one_of_whose_members_has_too_few_is_left_out_where_none_may() -> None:
    declared = schema(**changed(orNone=None))
    day = [("work", 8, 30), ("home", 20, 3)]
    assert len(rows(declared, written([(5, [day]), (6, [day, day[:1]]), (7, [day, []])]))) == 1


def test_leaves_without_a_member_are_refused_or_dropped() -> None:
    files = written([(5, [[("work", 8, 30), ("home", 20, 3)]])])
    lost = files | {"trips.csv": files["trips.csv"] + b"t,nobody,work,8,1,1,bus\n"}
    with pytest.raises(UploadRefused, match=r"trips\.person_id: a key names no row of persons \(line 4\)"):
        rows(schema(), lost)
    assert (rows(schema(**changed(orphans="drop")), lost) == rows(schema(), files)).all()


def test_numbers_of_leaves_are_seen_in_classes_where_there_may_be_many() -> None:
    _, leaves = related(schema(**changed(most=200, mostOfUnit=300, least=1, orNone=None, sequenceRules=None)))
    labels = leaves.number_column.labels
    assert labels[:3] == ("1", "2", "3")
    assert labels[-1].endswith(" to 200")
    assert len(labels) < 30
    spread = leaf_tables.spread(leaf_tables.total_bins(leaves), np.full(12, 7))
    assert len(spread) == 301
    assert sum(spread) == pytest.approx(7 * (max(leaf_tables.total_bins(leaves)) + 1))
