"""Rows of a third table, made from released tables: they keep rules, lead on from each other, and repeat exactly."""

from __future__ import annotations

import io
from collections.abc import Iterator
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from privacy import member_tables, tables
from privacy.bundles import Bundle
from privacy.dp.charging import MemoryLedger
from privacy.dp.counting import NumpyCounter
from privacy.gathering import gather
from privacy.schema import Schema
from privacy.staging import Onlooker, carried_out
from privacy.values import IntArray, PrivacyUnit, Release
from synthesis import leafing, member_checks, packaging, relating
from synthesis.members import MemberSettings
from synthesis.relating import Made
from tests import diary_site

RHO = Decimal(200)
FAST = MemberSettings(sweeps=20, settle_sweeps=6)
LIMITS = tables.Limits(rows=10_000, columns=50, cell_chars=100)


@pytest.fixture(scope="module")
def declared() -> Schema:
    return Schema.parse(diary_site.declaration(cap={"rho": "500", "delta": "1e-6"}))


@pytest.fixture(scope="module")
def rows(declared: Schema) -> IntArray:
    """The real units, as the vault holds them."""
    files = diary_site.files(500, seed=3)
    source = io.BufferedReader(Bundle([(name, len(each), io.BytesIO(each)) for name, each in files.items()]))
    assert declared.related is not None
    found = gather(declared.related, source, delimiter=",", missing=declared.missing_values, limits=LIMITS,
                   most_bytes=10**8, key=b"k" * 32)  # fmt: skip
    return np.concatenate([np.stack(piece, axis=1) for piece in found.pieces])


@pytest.fixture(scope="module")
def ledger() -> MemoryLedger:
    return MemoryLedger(RHO)


@pytest.fixture(scope="module")
def release(declared: Schema, rows: IntArray, ledger: MemoryLedger) -> Release:
    """What measuring lets out of them."""
    assert declared.related is not None
    found = carried_out(
        member_tables.plan_for(declared.related), declared, counter=NumpyCounter(rows, declared.stored), charge=ledger,
        modelled=lambda _: Onlooker(), rho=RHO, spent=Decimal(0),
    )  # fmt: skip
    return Release.of("test", declared.domain, found, PrivacyUnit(), RHO, Decimal(0))


def make(declared: Schema, release: Release, rows: IntArray, *, seed: int = 5) -> Made:
    """Members and trips for the real units, so that what is compared is theirs alone."""
    assert declared.related is not None
    top = rows[:, : len(declared.domain.columns)]
    return relating.made(release, declared.related, top, FAST, seed=seed, total=len(rows), beat=lambda: None)


@pytest.fixture(scope="module")
def made(declared: Schema, release: Release, rows: IntArray) -> Made:
    return make(declared, release, rows)


def frames(made: Made, seed: int = 1) -> Iterator[pd.DataFrame]:
    for table in made.related.tables:
        yield pd.concat(list(relating.spelled(made, table, seed=seed)))


def test_all_that_is_charged_is_what_was_asked_for(release: Release, ledger: MemoryLedger) -> None:
    assert 0 < RHO - ledger.spent < Decimal("1e-6")
    assert {table.clique.size for table in release.tied} == {"number of persons", "all trips"}


def test_trips_keep_every_rule_and_lead_on_from_each_other(made: Made) -> None:
    homes, people, trips = frames(made)
    assert list(trips.columns) == ["trip_id", "person_id", "purpose", "hour", "origin", "zone", "mode"]
    assert trips["trip_id"].tolist() == list(range(1, len(trips) + 1))
    whole = trips.merge(people, on="person_id").merge(homes, on="household_id")
    assert len(whole) == len(trips)  # every trip has a person, every person a household
    first = whole["person_id"] != whole["person_id"].shift()
    assert (whole["origin"] == whole["zone"].shift().where(~first, whole["home_zone"])).all()
    assert (whole["zone"] == whole["home_zone"])[whole["purpose"] == "home"].all()
    assert (whole["purpose"] == "home")[first.shift(-1, fill_value=True)].all()
    assert (whole["hour"].diff()[~first] >= 0).all()
    assert not ((whole["kind"] == "child") & (whole["purpose"] == "work")).any()
    sizes = trips.groupby("person_id").size()
    assert sizes.between(2, 6).all()
    assert len(sizes) < len(people)  # some stay at home
    assert whole.groupby("household_id").size().max() <= 16


def test_trips_hang_together_as_the_real_ones_do(made: Made) -> None:
    """Who goes where, how, and how far: with little noise the tables are met, and the written ones say the same."""
    homes, people, trips = frames(made)
    whole = trips.merge(people, on="person_id").merge(homes, on="household_id")
    outward = whole[whole["purpose"].isin(["work", "school", "shop"]) & (whole["origin"] == whole["home_zone"])]
    assert (outward["mode"] == "foot")[outward["kind"] == "child"].mean() > 0.9
    assert (outward["purpose"] == "school")[outward["kind"] == "child"].mean() > 0.85
    near = (outward["zone"] - outward["home_zone"]) % 40
    assert (near <= 20).mean() > 0.7  # of zones by chance, half
    share = 1 - trips["person_id"].nunique() / len(people)
    assert share == pytest.approx(0.2, abs=0.06)


def test_the_report_judges_trips_by_their_released_tables(made: Made, release: Release) -> None:
    assert made.leaves is not None
    layout = made.leaves.layout
    found = member_checks.checks(made.leaves, made.related.of_layout(layout, release.tied), scale=1.0)
    told = {(*each["columns"], each["of"]): each for each in found}
    assert told[("all trips", "each unit")]["tvd_vs_noised"] < 0.1
    assert told[("zone before", "zone", "each")]["tvd_vs_noised"] < 0.2
    assert told[("purpose before", "purpose", "each")]["tvd_vs_noised"] < 0.1
    assert max(each["tvd_vs_noised"] for each in found) < 0.25


def test_the_same_seed_gives_the_same_tables_and_another_one_others(
    made: Made, declared: Schema, release: Release, rows: IntArray
) -> None:
    again, other = (make(declared, release, rows, seed=seed) for seed in (5, 6))
    assert all(one.equals(two) for one, two in zip(frames(made), frames(again), strict=True))
    assert not list(frames(made))[2].equals(list(frames(other))[2])


@pytest.mark.parametrize("most", [1, 2, 7, 10**6])
def test_parts_cut_no_persons_day_and_are_the_table(made: Made, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """However small parts are, what leads from row to row is whole in each, and none is empty."""
    assert made.leaves is not None
    assert made.related.leaves is not None
    monkeypatch.setattr(packaging, "PART_ROWS", most)
    found = list(leafing.parts_of(made.leaves))
    assert all(part.start < part.stop for part in found)
    assert [part.start for part in found[1:]] == [part.stop for part in found[:-1]]
    assert (found[0].start, found[-1].stop) == (0, made.leaves.members)
    assert (made.leaves.earlier[[part.start for part in found]] < 0).all()
    homes, people, trips = frames(made)
    whole = trips.merge(people, on="person_id").merge(homes, on="household_id")
    first = whole["person_id"] != whole["person_id"].shift()
    assert (whole["origin"] == whole["zone"].shift().where(~first, whole["home_zone"])).all()


def test_numbers_within_a_class_are_all_drawn_and_smaller_ones_more_often() -> None:
    changes = {"most": 60, "mostOfUnit": 60, "least": 1, "orNone": False, "sequenceRules": []}
    tables_ = [*diary_site.TABLES[:2], diary_site.TABLES[2] | changes]
    related = Schema.parse(diary_site.declaration(tables=tables_)).related
    assert related is not None
    assert related.leaves is not None
    last = len(related.leaves.starts) - 1
    found = leafing.drawn(related.leaves, np.full(20_000, last), np.random.default_rng(0))
    low, high = int(related.leaves.starts[last]), int(related.leaves.ends[last])
    assert set(found.tolist()) == set(range(low, high + 1))
    assert (found == low).sum() > (found == high).sum()
    assert (related.leaves.coded(found) == last).all()


def test_members_who_may_have_no_trips_have_none(release: Release, rows: IntArray) -> None:
    """Whatever the released tables say: the real ones have some."""
    stay = {"unitRules": [{"rule": 'kind == "other" implies `number of trips` == 0'}]}
    persons = diary_site.TABLES[1] | stay
    declared = Schema.parse(diary_site.declaration(tables=[diary_site.TABLES[0], persons, diary_site.TABLES[2]]))
    _, people, trips = frames(make(declared, release, rows))
    travel = people["person_id"].isin(trips["person_id"])
    assert not travel[people["kind"] == "other"].any()
    assert travel[people["kind"] != "other"].mean() > 0.5
    assert (people["kind"] == "other").any()


def test_where_nobody_has_a_trip_there_is_none(declared: Schema, release: Release, rows: IntArray) -> None:
    related = declared.related
    assert related is not None
    assert related.leaves is not None
    people = make(declared, release, rows[:20]).people
    people.codes[related.leaves.number][:] = 0
    found = leafing.made(related, related.leaves, people, [], FAST, seed=1, scale=1.0, beat=lambda: None)
    assert found.members == 0
    (part,) = relating.spelled(Made(related, people, found), related.leaves.table, seed=1)
    assert (len(part), tuple(part.columns)) == (0, related.leaves.table.columns)
