"""Files of the same kind that are spelled otherwise, or hold what nobody declared, and what follows for the results."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from benchmarks.kinds import coherence, diaries, queries
from benchmarks.kinds.declared import SCHEMAS, BadData, Declaration
from benchmarks.kinds.extents import Spread
from benchmarks.kinds.mobility import Mobility
from benchmarks.kinds.population import Population
from benchmarks.kinds.retail import Retail
from privacy.dp.charging import MemoryLedger
from privacy.errors import NotAffordable

HOUSEHOLDS = pd.DataFrame(
    [["7", "3", "1", "2", "1"], ["8", "44", "4", "3", "2"]],
    columns=["household_id", "subregion", "cluster", "income_band", "dwelling"],
)
PERSONS = pd.DataFrame(
    [["8", "1", "8", "1", "2.0", "5.0", "auto"], ["8", "2", "0", "2", "", "", ""], ["7", "1", "9", "2", "3.0", "", ""]],
    columns=["household_id", "person_number", "age_band", "gender", "employment", "occupation", "commute"],
)


def written(folder: Path, households: pd.DataFrame = HOUSEHOLDS, persons: pd.DataFrame = PERSONS, **how: Any) -> Path:
    folder.mkdir()
    households.to_csv(folder / "households.csv", index=False, **how)
    persons.to_csv(folder / "persons.csv", index=False, **how)
    return folder


def declared(change: Any = lambda stored: None, kind: str = "population") -> Declaration:
    stored = json.loads((SCHEMAS / f"{kind}.json").read_text())
    change(stored)
    return Declaration.of(stored)


def test_another_spelling_of_the_same_values_is_read_as_the_same(tmp_path: Path) -> None:
    """Line ends, quotes, a mark at the start, more columns in another order, whole numbers with decimals."""
    plain = Population(declared()).read(written(tmp_path / "plain"))
    households = HOUSEHOLDS.assign(note="é", subregion=["3.0", " 44 "])[["note", *HOUSEHOLDS.columns[::-1]]]
    persons = PERSONS.assign(
        household_id=PERSONS["household_id"] + ".0", employment=PERSONS["employment"].str.removesuffix(".0"),
        occupation=PERSONS["occupation"].str.removesuffix(".0"),
    )  # fmt: skip
    for name, how in (("marked", {"encoding": "utf-8-sig", "lineterminator": "\r\n", "quoting": 1}),
                      ("western", {"encoding": "cp1252"})):  # fmt: skip
        other = Population(declared()).read(written(tmp_path / name, households, persons, **how))
        assert (other.top == plain.top).all()
        assert all((other.codes[each] == plain.codes[each]).all() for each in plain.codes)


def test_what_nobody_declared_counts_as_is_declared_and_is_told(tmp_path: Path) -> None:
    persons = PERSONS.assign(gender=["7", "", "2"], occupation=["99", "", ""])
    town = written(tmp_path / "town", HOUSEHOLDS.assign(subregion=["100", "1"]), persons)
    known = declared()
    people = Population(known).read(town)
    assert known.told == {"households": {"subregion": 1}, "persons": {"gender": 2, "occupation": 1}}
    assert people.codes["gender"].tolist() == [1, 1, 1]
    assert people.top[0, people.layout.top.index("subregion")] == 43


def test_what_nobody_declared_is_refused_where_nothing_is_said_of_it(tmp_path: Path) -> None:
    def strict(stored: dict[str, Any]) -> None:
        for table in stored["tables"]:
            for field in table["fields"]:
                field.pop("unlisted", None)
                field.pop("outside", None)

    town = written(tmp_path / "town", persons=PERSONS.assign(gender="77"))
    with pytest.raises(BadData, match=r"persons\.csv: gender: a value is not a whole number from 1 to 2") as refused:
        Population(declared(strict)).read(town)
    assert "77" not in str(refused.value)


def test_households_of_children_alone_are_forbidden_and_counted() -> None:
    pair = Population(declared()).pair
    alone, two = coherence.of_members(pair.members, pair.layout)
    assert not alone.allowed[0, 0, :3].any()
    assert alone.allowed[0, 0, 3:].all()
    assert alone.allowed[0, 1:].all()
    assert not two.allowed[0, :3, :3].any()
    assert two.allowed[0, 3:].all()


def test_units_that_break_a_rule_of_their_size_are_counted() -> None:
    pair = Mobility(declared(kind="mobility")).pair
    rules, top = coherence.of_units(pair.units, pair.layout), np.zeros((3, len(pair.layout.top.columns)), dtype=int)
    top[:, pair.layout.top.index("HHT")], top[:, pair.layout.top.index("members")] = [1, 4, 4], [0, 0, 1]
    assert coherence.broken(rules, pair.layout, top) == 2, "a couple of one, and somebody alone who is two"


WORDS = diaries.TourWords.declared(json.loads((SCHEMAS / "mobility.json").read_text())["derived"], "Home")


def test_a_tour_from_work_lies_within_the_one_from_home() -> None:
    purposes = ["work", "atwork", "Work", "shopping", "Home", "univ", "Home", "atwork", "Home"]
    zones = [5, 6, 5, 7, 1, 9, 1, 4, 2]
    trips = pd.DataFrame({"purpose": purposes, "destination": zones, "origin": [1, *zones[:-1]],
                          "depart": [f"{hour}.0" for hour in (8, 12, 13, 17, 18, 19, 21, 9, 10)],
                          "trip_mode": "WALK", "person_id": [1] * 7 + [2] * 2, "household_id": 1})  # fmt: skip
    number, tours = diaries.tours(trips, WORDS)
    assert number.tolist() == [0, 1, 1, 0, 0, 2, 2, 3, 3]
    assert tours["parent"].tolist() == [-1, 0, -1, -1]
    assert tours["tour_type"].tolist() == ["work", "eat", "school", "eatout"]
    assert tours["tour_category"].tolist() == ["mandatory", "atwork", "mandatory", "non_mandatory"]
    assert tours["destination"].tolist() == [5, 6, 9, 4]
    assert tours[["start", "end"]].to_numpy().tolist()[:2] == [["8.0", "18.0"], ["12.0", "13.0"]]


NAMES = ["InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country"]


def sold(folder: Path, *rows: tuple[str, ...]) -> Path:
    folder.mkdir()
    pd.DataFrame(rows, columns=NAMES).to_csv(folder / "transactions.csv.gz", index=False)
    return folder


@pytest.mark.parametrize("moment", ["2010-03-09 14:05:00", "2010-03-09T14:05", "3/9/2010 14:05"])
def test_moments_are_read_in_the_declared_spellings(tmp_path: Path, moment: str) -> None:
    known = declared(kind="retail")
    real = Retail(known).read(sold(tmp_path / "shop", ("1", "A", "", "2", moment, "1.5", "7", "France")))
    parts = ("year", "month", "weekday", "hour")
    assert [int(real.invoices.codes[f"InvoiceDate.{part}"][0]) for part in parts] == [1, 2, 1, 14]
    assert known.told == {}


def test_lines_that_lack_a_cell_are_left_out_and_unknown_countries_count_as_others(tmp_path: Path) -> None:
    row = ("1", "A", "", "2", "2010-03-09 14:05:00", "1.5", "7.0", "Atlantis")
    rows = [row, *((*row[:at], "", *row[at + 1 :]) for at in (3, 4, 5))]
    known = declared(kind="retail")
    real = Retail(known).read(sold(tmp_path / "shop", *rows, ("2", "A", "", "-3", *row[4:5], "-9", "7", "France")))
    assert real.told["rows left out"] == 3
    assert real.lines.members == 2
    assert len(real.invoices.top) == 1, "one customer, spelled in two ways"
    assert known.told["lines"]["UnitPrice"] == 1, "a price below 0 counts as 0"
    assert known.told["customers"] == {"Country": 4}


def test_questions_are_answered_where_no_invoice_is_cancelled_or_a_column_has_another_type(tmp_path: Path) -> None:
    row = ("1", "A", "", "2", "3/9/2010 14:05", "1.5", "7", "France")
    shop = sold(tmp_path / "shop", row, ("2", *row[1:]))
    found = queries.asked(queries.QUERIES / "retail.json", shop, shop)["values"]
    assert found["mean invoices"] == [2, 2]
    assert found["cancelled"] == [0, 0]
    assert found["before noon"] == [None, None]


def test_a_town_where_nobody_travels_is_read_and_person_keys_must_be_keys(tmp_path: Path) -> None:
    tables = declared(kind="mobility").tables
    rows = {"households": ["1", "9", "5", "1", "4", "0", "0"],
            "persons": ["1", "1", "40", "1", "1", "3", "3", "4", "-1", "-1", "0"]}  # fmt: skip
    for name, table in tables.items():
        cells = [rows[name]] if name in rows else []
        pd.DataFrame(cells, columns=list(table.columns)).to_csv(tmp_path / table.file, index=False)
    real = Mobility(declared(kind="mobility")).read(tmp_path)
    assert (real.persons.members, real.trips.members, real.persons.codes["trips"].tolist()) == (1, 0, [0])
    pd.DataFrame([rows["persons"]] * 2, columns=list(tables["persons"].columns)).to_csv(
        tmp_path / "persons.csv", index=False
    )
    with pytest.raises(BadData, match=r"persons\.csv: person_id is not unique"):
        Mobility(declared(kind="mobility")).read(tmp_path)


ZONES = {"ends": [25, 190, 1454]}


def test_bounds_are_found_where_units_are_clearly_and_are_paid_for() -> None:
    ledger, rho = MemoryLedger(Decimal(1)), Decimal("0.1")
    zones = np.concatenate([np.arange(1, 191), [1400]])
    assert Spread("zone", ZONES, zones).found(ledger, rho=rho) == (None, 190), "one unit is not seen"
    years = np.repeat([2009, 2011], 200)
    spread = Spread("day", {"years": [2000, 2029]}, years, years - 1)
    assert spread.found(ledger, rho=rho) == ("2008-01-01", "2011-12-31")
    assert Decimal("0.199") < ledger.spent <= 2 * rho
    assert Spread("zone", ZONES, zones[:3]).found(ledger, rho=rho) is None, "too few to say"
    with pytest.raises(NotAffordable):
        Spread("zone", ZONES, zones).found(ledger, rho=Decimal(1))


def test_bounds_that_were_found_are_those_of_every_field_that_follows(tmp_path: Path) -> None:
    towns = declared(kind="mobility").within({"home_zone_id": (None, 190)})
    for table, name in (("households", "home_zone_id"), ("trips", "destination")):
        column = next(each for each in towns.tables[table].schema.columns if each.name == name)
        assert (column.size, column.code("190"), column.code("1400")) == (10, 9, 9)
    shops = declared(kind="retail").within({"InvoiceDate": ("2015-01-01", "2015-12-31")})
    row = ("1", "A", "", "2", "2015-03-09 14:05:00", "1.5", "7", "France")
    real = Retail(shops).read(sold(tmp_path / "shop", row))
    assert (int(real.invoices.codes["InvoiceDate.month"][0]), shops.told) == (2, {})
