"""Declarations of three related tables that could not be carried out: refused, by table and rule, before any data."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from privacy.problems import SchemaError
from tests import diary_site
from tests.unit.test_diary_tables import changed, related, schema


def named(table: int, name: str, **field: Any) -> dict[str, Any]:
    """The declaration with one more column."""
    found = copy.deepcopy(diary_site.TABLES)
    found[table]["fields"].append({"name": name, "type": "string", "categories": ["a", "b"], **field})
    found[table].pop("columns", None)
    return {"tables": found}


@pytest.mark.parametrize(
    ("table", "name"),
    [
        (0, "kind of persons"), (0, "purpose before"), (0, "its place"), (0, "all trips"), (1, "number of trips"),
        (2, "kind of persons"), (2, "hour before"), (2, "its place"), (2, "number of persons"),
    ],
)  # fmt: skip
def test_a_column_called_what_is_made_beside_it_is_refused(table: int, name: str) -> None:
    with pytest.raises(SchemaError, match="named"):
        schema(**named(table, name))


@pytest.mark.parametrize("name", ["kind of persons", "purpose before", "its place", "all trips"])
def test_a_column_of_the_unit_counted_with_trips_and_called_what_is_made_beside_them_is_refused(name: str) -> None:
    changes = named(0, name)
    changes["tables"][2]["seenWith"] = ["kind", name]
    with pytest.raises(SchemaError, match=f"columns are named like others that are made beside trips: {name}"):
        schema(**changes)


def test_a_column_called_what_a_members_column_is_called_beside_units_is_refused() -> None:
    changes = named(0, "persons.cars")
    changes["tables"][1]["fields"].append({"name": "cars", "type": "string", "categories": ["a", "b"]})
    changes["tables"][1]["unitRules"] = [{"rule": '`number of persons` == 1 implies kind != "child"'}]
    with pytest.raises(SchemaError, match="named too much alike"):
        schema(tables=changes["tables"][:2])


def test_a_way_back_that_ties_more_than_can_be_drawn_as_one_is_refused() -> None:
    """Before anything is measured; with coarser zones it is accepted."""
    zones: dict[str, Any] = {"type": "integer", "constraints": {"minimum": 1, "maximum": 180, "required": True}}
    for bins, fits in (({}, False), ({"bins": {"equalWidth": 90}}, True)):
        found = copy.deepcopy(diary_site.TABLES)
        found[0]["fields"][0], found[2]["fields"][2] = ({"name": n, **zones, **bins} for n in ("home_zone", "zone"))
        found[2]["fields"][1].pop("bins")
        found[2]["journey"]["back"] = 'purpose == "home" or hour >= 23'
        if fits:
            assert related(schema(tables=found))[1].linked == (("purpose", "hour", "zone"),)
            continue
        with pytest.raises(SchemaError, match="'back' of 'journey' with 'to' of trips has more than 16384"):
            schema(tables=found)


@pytest.mark.parametrize("rule", ['`day.weekday` != "Monday"', '`day.weekday before` == "Monday" implies hour >= 8'])
def test_parts_of_a_date_that_follow_each_other_by_rule_are_those_of_one_day(rule: str) -> None:
    """As where a table's own rule names them: a written date has them all, or is missing."""
    changes = named(2, "day", type="date", categories=None, parts=["month", "weekday"],
                    constraints={"minimum": "2020-01-01", "maximum": "2020-12-31"})  # fmt: skip
    del changes["tables"][2]["fields"][-1]["categories"]
    changes["tables"][2]["sequenceRules"] = [{"rule": rule}]
    (found,) = (each for each in related(schema(**changes))[1].rules if "those of one day" in each.text)
    assert found.clique.columns == ("day.month", "day.weekday")
    months, days = (axis.bins for axis in found.clique.axes)
    assert [bool(found.allowed[months[12], day]) for day in days] == [False] * 7 + [True]  # missing together
    assert [bool(found.allowed[months[4], day]) for day in days] == [True] * 7 + [False]


def test_a_rule_from_row_to_row_that_names_a_members_date_needs_a_rule_of_members() -> None:
    changes = named(1, "born", parts=["month", "weekday"], type="date",
                    constraints={"minimum": "2020-01-01", "maximum": "2020-12-31"})  # fmt: skip
    del changes["tables"][1]["fields"][-1]["categories"]
    changes["tables"][2] |= {
        "seenWith": ["kind", "born.month"],
        "sequenceRules": [{"rule": '`born.month of persons` == "May" implies purpose != "work"'}],
    }
    with pytest.raises(SchemaError, match=r"born: its parts are those of one day: .*rules of persons must name too"):
        schema(**changes)
    changes["tables"][1]["rules"] = [{"rule": '`born.month` == "May" implies kind != "worker"'}]
    assert schema(**changes).related is not None


@pytest.mark.parametrize(
    ("key", "value", "rule"),
    [("most", "six", "'most' must be"), ("orphans", [], "'orphans' must be"), ("together", {}, "'together' must be"),
     ("journey", {"from": "origin", "to": 1, "start": "home_zone"}, "'journey': 'to' must be"),
     ("sequenceRules", [{"rule": []}], "sequence rule 1: 'rule' must be")],
)  # fmt: skip
def test_a_problem_says_which_of_the_tables_it_is_in(key: str, value: object, rule: str) -> None:
    with pytest.raises(SchemaError, match=f"table (3|trips): .*{rule}"):
        schema(**changed(**{key: value}))


@pytest.mark.parametrize("table", range(2))
def test_parts_of_a_date_that_rules_across_tables_name_are_those_of_one_day(table: int) -> None:
    """A unit's date named by a rule of members is a matter of units."""
    changes = named(table, "day", type="date", parts=["month", "weekday"],
                    constraints={"minimum": "2020-01-01", "maximum": "2020-12-31"})  # fmt: skip
    del changes["tables"][table]["fields"][-1]["categories"]
    rule = '`day.weekday` == "Sunday" or `number of persons` != 1 or kind == "other"'
    changes["tables"][1]["unitRules"] = [{"rule": rule}]
    found, _ = related(schema(**changes))
    texts = [[each.text for each in rules] for rules in (found.unit_rules, found.member_rules)]
    assert ["those of one day" in " ".join(each) for each in texts] == [table == 0, table == 1]
