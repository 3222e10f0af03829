"""Related tables made again: keys lead somewhere, rules hold, days connect, and the page says what was recorded."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from benchmarks import report
from benchmarks.kinds import __main__ as kinds
from benchmarks.kinds import diaries, population, queries, site
from benchmarks.kinds.declared import SCHEMAS, BadData, Declaration
from benchmarks.kinds.levels import votes_of
from privacy.accounting import rho_for
from synthesis.members import MemberSettings

SMALL = 250


def run(kind: str, data: Path, out: Path, capsys: pytest.CaptureFixture[str], *more: str) -> dict[str, Any]:
    kinds.main([kind, "--data", str(data), "--out", str(out), "--epsilon", "4", "--seed", "1", *more])
    found: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
    return found


@pytest.fixture
def town(tmp_path: Path) -> Path:
    """Households of a few persons, under keys that must not come out again."""
    rng = np.random.default_rng(0)
    keys = rng.choice(10**6, SMALL, replace=False) + 10**7
    households = pd.DataFrame({"household_id": keys, "subregion": rng.integers(1, 45, SMALL),
                               "cluster": rng.integers(1, 5, SMALL), "income_band": rng.integers(1, 4, SMALL),
                               "dwelling": rng.integers(1, 3, SMALL)})  # fmt: skip
    counts = rng.integers(1, 11, SMALL)  # some have more persons than are declared
    owners, age = np.repeat(keys, counts), rng.integers(0, 11, counts.sum())
    job = np.where(age == 0, "", rng.choice(["1.0", "2.0", "3.0"], len(age)))
    works = np.isin(job, ["1.0", "2.0"])
    numbers = np.concatenate([np.arange(count) + 1 for count in counts])
    persons = pd.DataFrame({"household_id": owners, "person_number": numbers,
                            "age_band": age, "gender": rng.integers(1, 3, len(age)), "employment": job,
                            "occupation": np.where(works, "4.0", ""),
                            "commute": np.where(works, "auto", "")})  # fmt: skip
    folder = tmp_path / "town"
    folder.mkdir()
    households.to_csv(folder / "households.csv", index=False)
    persons.sample(frac=1, random_state=0).to_csv(folder / "persons.csv", index=False)
    return folder


def texts(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, dtype=str, keep_default_na=False)


def test_a_population_is_written_as_it_was_spelled_with_keys_of_its_own(
    town: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = run("population", town, tmp_path / "out", capsys)
    promised = ("kind", "epsilon", "delta", "unit", "k", "seconds", "peak_rss_mib", "statistics", "rule_violations")
    assert set(promised) <= set(line)
    assert line["rule_violations"] == 0
    allowed = rho_for(epsilon=Decimal(4), delta=Decimal("1e-6"))
    assert 0.99 < line["rho"] / float(allowed) <= 1
    real, made = ({name: texts(folder / f"{name}.csv") for name in ("households", "persons")}
                  for folder in (town, tmp_path / "out"))  # fmt: skip
    for name in real:
        assert list(made[name].columns) == list(real[name].columns)
    households, persons = made["households"], made["persons"]
    assert households["household_id"].is_unique
    assert not set(households["household_id"]) & set(real["households"]["household_id"])
    assert set(persons["household_id"]) == set(households["household_id"])
    assert not persons.duplicated(["household_id", "person_number"]).any()
    numbers = persons["person_number"].astype(int).groupby(persons["household_id"])
    assert (numbers.max() == numbers.size()).all()
    assert numbers.size().max() <= 8
    for name in ("employment", "occupation", "commute", "age_band", "gender"):
        assert set(persons[name]) <= {*real["persons"][name], *(["1.0", "2.0", "3.0"]), *known(name)}
    works = persons["employment"].isin(["1.0", "2.0"])
    assert ((persons["occupation"] != "") == works).all()
    assert ((persons["commute"] != "") == works).all()
    assert ((persons["employment"] == "") == (persons["age_band"] == "0")).all()
    assert (persons["employment"][persons["age_band"] == "1"] == "3.0").all(), "no child is employed"
    assert (persons["age_band"].astype(int).groupby(persons["household_id"]).max() > 2).all(), "no children alone"


def known(name: str) -> list[str]:
    """What is declared of a column."""
    table = Declaration.read(SCHEMAS / "population.json").tables["persons"]
    return [*table.schema.labels(name), ""]


def test_members_are_read_in_their_order_and_no_more_than_declared(town: Path) -> None:
    kind = population.Population(Declaration.read(SCHEMAS / "population.json"))
    people, persons = kind.read(town), texts(town / "persons.csv")
    persons["person_number"] = persons["person_number"].astype(int)
    kept = persons[persons["person_number"] <= 8].sort_values(["household_id", "person_number"])
    assert people.members == len(kept)
    first = kept[kept["person_number"] == 1].set_index("household_id")["age_band"].astype(int)
    order = texts(town / "households.csv")["household_id"]
    assert (people.codes["age_band"][people.starts] == first.loc[order].to_numpy()).all()


@pytest.mark.parametrize(
    ("file", "change", "said"),
    [
        ("persons.csv", lambda frame: frame.assign(household_id="9"), "names no row of households"),
        ("households.csv", lambda frame: pd.concat([frame, frame[:1]]), "is not unique"),
        ("persons.csv", lambda frame: frame.drop(columns="gender"), r"has no columns \['gender'\]"),
        ("persons.csv", lambda frame: frame[:0], r"persons\.csv: has no rows"),
    ],
)
def test_files_that_do_not_fit_are_refused_without_a_value(town: Path, file: str, change: Any, said: str) -> None:
    change(texts(town / file)).to_csv(town / file, index=False)
    with pytest.raises(BadData, match=said) as refused:
        population.Population(Declaration.read(SCHEMAS / "population.json")).read(town)
    assert "1000" not in str(refused.value)


def test_a_declaration_that_is_none_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "none.json"
    path.write_text('{"kind": "population"}')
    with pytest.raises(BadData, match=r"none\.json: not a declaration"):
        Declaration.read(path)


@pytest.fixture
def city(tmp_path: Path) -> Path:
    """Persons who leave home, go somewhere, and come back."""
    rng, folder = np.random.default_rng(1), tmp_path / "city"
    zones, keys = rng.integers(1, 1455, SMALL), np.arange(SMALL) + 5000
    households = pd.DataFrame({"household_id": keys, "home_zone_id": zones, "income": 40000, "hhsize": 2, "HHT": 1,
                               "auto_ownership": 1, "num_workers": 2})  # fmt: skip
    persons = pd.DataFrame({"person_id": np.arange(2 * SMALL) + 70_000, "household_id": np.repeat(keys, 2), "age": 40,
                            "PNUM": [1, 2] * SMALL, "sex": [1, 2] * SMALL, "pemploy": 1, "pstudent": 3, "ptype": 1,
                            "school_zone_id": -1, "workplace_zone_id": 5, "free_parking_at_work": False})  # fmt: skip
    home, there = np.repeat(zones, 2), rng.integers(1, 1455, 2 * SMALL)
    legs = [("work", home, there, 8.0), ("Home", there, home, 17.0)]
    trips = pd.concat([
        pd.DataFrame({"person_id": persons["person_id"], "household_id": persons["household_id"], "tour_id": 1,
                      "outbound": purpose != "Home", "purpose": purpose, "destination": end, "origin": start,
                      "depart": hour, "trip_mode": "WALK"})
        for purpose, start, end, hour in legs
    ])  # fmt: skip
    trips.insert(0, "trip_id", np.arange(len(trips)))
    folder.mkdir()
    for name, frame in (("households", households), ("persons", persons), ("trips", trips)):
        frame.to_csv(folder / f"{name}.csv", index=False)
    return folder


def test_days_connect_begin_and_end_at_home_and_hours_do_not_fall(
    city: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = run("mobility", city, tmp_path / "out", capsys)
    assert line["rule_violations"] == 0
    assert line["repaired"]["origin is not the last destination"] == 0
    made = {name: pd.read_csv(tmp_path / "out" / f"{name}.csv") for name in ("households", "persons", "trips", "tours")}
    trips, persons = made["trips"], made["persons"]
    assert list(texts(city / "trips.csv").columns) == list(trips.columns)
    homes = made["households"].set_index("household_id")["home_zone_id"].loc[trips["household_id"]].to_numpy()
    days = trips.groupby("person_id")
    assert (days["depart"].diff().dropna() >= 0).all()
    later = days.cumcount() > 0
    assert (trips["origin"][later] == trips["destination"].shift()[later]).all()
    assert (trips["origin"][~later] == homes[~later]).all()
    last = days.cumcount(ascending=False) == 0
    assert (trips["purpose"][last] == "Home").all()
    assert (trips["destination"][trips["purpose"] == "Home"] == homes[trips["purpose"] == "Home"]).all()
    assert set(trips["person_id"]) <= set(persons["person_id"])
    assert set(trips["tour_id"]) == set(made["tours"]["tour_id"])
    assert set(persons["household_id"]) <= set(made["households"]["household_id"])
    alone = made["households"]["HHT"].isin([0, 4, 6])
    assert (alone == (made["households"]["hhsize"] == 1)).all()
    assert texts(tmp_path / "out" / "tours.csv")["destination"].str.endswith(".0").all(), "as the input spells them"
    assert (made["households"]["hhsize"].to_numpy() == persons.groupby("household_id").size().to_numpy()).all()


def test_what_a_site_does_is_measured_with_the_same_words(
    city: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own plan and rules alone: trips lead on, and nobody who is alone is of a household type of more."""
    monkeypatch.setattr(site, "MemberSettings", lambda: MemberSettings(sweeps=8, settle_sweeps=3))
    line = run("mobility", city, tmp_path / "out", capsys, "--site")
    assert (line["method"], line["rule_violations"]) == ("site", 0)
    assert line["rho"] == pytest.approx(float(rho_for(epsilon=Decimal(4), delta=Decimal("1e-6"))))
    again = {name: pd.read_csv(tmp_path / "out" / f"{name}.csv") for name in ("households", "persons", "trips")}
    later = again["trips"].groupby("person_id").cumcount() > 0
    assert (again["trips"]["origin"][later] == again["trips"]["destination"].shift()[later]).all()
    sizes = again["persons"].groupby("household_id").size()
    assert ((sizes == 1).to_numpy() == again["households"]["HHT"].isin([0, 4, 6]).to_numpy()).all()
    with pytest.raises(SystemExit, match="not one flat file"):
        run("retail", city, tmp_path / "no", capsys, "--site")


def test_a_diary_is_ordered_by_hour_and_then_by_what_connects() -> None:
    #        person 1: home 5 -> 7 -> 9 -> 5, all at ten; person 2 has one trip
    persons, hours = np.array([1, 1, 2, 1, 1]), np.array([10, 10, 6, 10, 18])
    origins, ends = np.array([9, 5, 1, 7, 5]), np.array([5, 7, 2, 9, 5])
    homes = np.array([5, 5, 1, 5, 5])
    assert diaries.order(persons, hours, origins, ends, homes).tolist() == [1, 3, 0, 4, 2]


def test_what_a_chain_cannot_hold_is_told() -> None:
    persons, origins, ends = np.array([1, 1, 2]), np.array([5, 8, 3]), np.array([7, 5, 4])
    homes = np.array([5, 5, 6])
    assert list(diaries.repaired(persons, origins, ends, homes).values()) == [3, 1, 1, 1]


def test_the_page_holds_means_of_what_was_recorded_and_is_checked(tmp_path: Path) -> None:
    def line(method: str, seed: int, distance: float, epsilon: float = 1.0) -> dict[str, Any]:
        return {"kind": "population", "method": method, "epsilon": epsilon, "delta": 1e-6, "rho": 0.01, "seed": seed,
                "unit": "one household", "cpu_seconds": 3.0, "peak_rss_mib": 99, "statistics": {"size": distance},
                "rule_violations": 0, "units": 10, "members": 20}  # fmt: skip

    lines = [line("ours", 0, 0.1), line("ours", 1, 0.3), line("floor", 0, 0.05), line("ours", 0, 0.02, epsilon=4.0)]
    (tmp_path / "all.jsonl").write_text("".join(json.dumps(each) + "\n" for each in lines))
    options = ["--results", str(tmp_path), "--docs", str(tmp_path / "docs")]
    report.main(options)
    page = tmp_path / "docs" / "kinds.md"
    assert "| size | 0.2000 | 0.0500 |" in page.read_text()
    assert "| size | 0.2000 | 0.0200 |" in page.read_text(), "and by epsilon"
    assert (tmp_path / "docs" / "benchmarks" / "kinds-population.svg").exists()
    assert "pairs of them" not in page.read_text()
    report.main([*options, "--check"])
    page.write_text(page.read_text().replace("0.2000", "0.1000"))
    with pytest.raises(SystemExit, match=r"kinds\.md"):
        report.main([*options, "--check"])


def test_persons_as_units_have_a_section_of_their_own_by_epsilon(tmp_path: Path) -> None:
    plain = {"kind": "population", "method": "ours", "epsilon": 1.0, "delta": 1e-6, "rho": 0.01, "seed": 0,
             "unit": "one household", "cpu_seconds": 3.0, "peak_rss_mib": 99, "statistics": {"size": 0.1},
             "rule_violations": 0, "units": 10, "members": 20}  # fmt: skip
    alone = [
        {**plain, "alone": True, "apart": "{}", "epsilon": epsilon, "seed": seed, "statistics": {"person 1-ways": each}}
        for epsilon, seed, each in ((2.0, 0, 0.25), (0.5, 0, 0.5), (0.5, 1, 0.75))
    ]
    (tmp_path / "all.jsonl").write_text("".join(json.dumps(each) + "\n" for each in (plain, *alone)))
    report.main(["--results", str(tmp_path), "--docs", str(tmp_path / "docs")])
    page = (tmp_path / "docs" / "kinds.md").read_text()
    before, section = page.split("With every person a unit by itself")
    assert "| each person a unit, epsilon | 0.5 (2) | 2 |" in section
    assert "| person 1-ways | 0.6250 | 0.2500 |" in section
    assert "pairs of them" in section, "and says what no row is about"
    assert "| person 1-ways" not in before, "other runs are no part of the tables of whole households"


def test_questions_are_answered_from_the_files_and_compared(town: Path, tmp_path: Path) -> None:
    """Against itself every error is 0; where every income is doubled the share of low ones is off by all of itself."""
    path, other = queries.QUERIES / "population.json", tmp_path / "other"
    same = queries.asked(path, town, town)
    assert set(same["groups"].values()) == {0.0}
    assert len(same["values"]) >= 16
    other.mkdir()
    texts(town / "households.csv").assign(income_band="3").to_csv(other / "households.csv", index=False)
    texts(town / "persons.csv").to_csv(other / "persons.csv", index=False)
    found = queries.asked(path, town, other)
    assert found["values"]["low income with children"][1] == 0
    assert found["groups"]["equity"] > 0.5
    assert found["groups"]["employment"] == 0


@pytest.mark.parametrize("stored", ["[]", '{"groups": {"all": 3}}', "not JSON"])
def test_a_file_of_no_questions_is_refused(tmp_path: Path, stored: str, town: Path) -> None:
    (tmp_path / "none.json").write_text(stored)
    with pytest.raises(BadData, match=r"none\.json"):
        queries.asked(tmp_path / "none.json", town, town)


def test_every_member_may_be_a_unit_by_itself(town: Path) -> None:
    declared = Declaration.read(SCHEMAS / "population.json").of_members()
    people = population.Population(declared).read(town)
    persons, households = texts(town / "persons.csv"), texts(town / "households.csv").set_index("household_id")
    assert len(people.top) == people.members == len(persons)
    shared = households["cluster"].loc[persons["household_id"]].astype(int).to_numpy() - 1
    assert (people.top[:, people.layout.top.index("cluster")] == shared).all()
    assert declared.unit == "one of persons"


def test_of_persons_as_units_nothing_within_a_household_is_told(town: Path) -> None:
    """What they share is neither measured nor made, so that no distance may stand for it."""
    of_units = Declaration.read(SCHEMAS / "population.json")
    told = {}
    for declared in (of_units, of_units.of_members()):
        kind = population.Population(declared)
        people = kind.read(town)
        told[declared.unit] = kind.statistics(people, people)
        assert set(told[declared.unit].values()) == {0.0}, "of the same tables"
    alone = set(told.pop("one of persons"))
    (whole,) = told.values()
    assert alone == {"household 1-ways", "household pairs", "person 1-ways", "person pairs", "household x person"}
    assert set(whole) - alone >= {"size", "gender of persons 1 and 2", "gender of all pairs in a household"}


def test_a_table_of_one_column_has_votes_of_its_own_and_several_share_those_of_pairs() -> None:
    declared = {"each": 4, "mode": 10, "pairs": 5}
    assert [votes_of(declared, names) for names in (["hour"], ["mode"], ["hour", "mode"])] == [4, 10, 5]
