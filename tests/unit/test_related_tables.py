"""Declarations of related tables, and their files laid out as rows of units: what joins, what counts, what is told."""

from __future__ import annotations

import copy
import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from privacy import member_tables, tables
from privacy.bundles import Bundle
from privacy.dp import tied
from privacy.dp.counting import NumpyCounter
from privacy.dp.sensitivity import l2_of
from privacy.gathering import gather
from privacy.plans import MeasurementPlan
from privacy.problems import SchemaError
from privacy.schema import Schema
from privacy.values import IntArray, PrivacyUnit, TiedClique
from tests import related_site

LIMITS = tables.Limits(rows=10_000, columns=50, cell_chars=100)
Home = tuple[str, list[tuple[int, int, str]]]
"""A household: its region, and the number, age and work of each person."""


def schema(**changes: Any) -> Schema:
    return Schema.parse(related_site.declaration(**changes))


def changed(table: int, **changes: Any) -> dict[str, Any]:
    """The declaration with keys of one table replaced; None leaves one out."""
    found = copy.deepcopy(related_site.TABLES)
    found[table] = {key: value for key, value in (found[table] | changes).items() if value is not None}
    return {"tables": found}


def rows(declared: Schema, files: dict[str, bytes]) -> IntArray:
    """Units x wide columns, as the vault would hold them."""
    assert declared.related is not None
    source = io.BufferedReader(Bundle([(name, len(each), io.BytesIO(each)) for name, each in files.items()]))
    found = gather(
        declared.related, source, delimiter=",", missing=declared.missing_values, limits=LIMITS, most_bytes=10**8,
        key=b"k" * 32,
    )  # fmt: skip
    pieces = [np.stack(piece, axis=1) for piece in found.pieces]
    return np.concatenate(pieces) if pieces else np.zeros((0, len(declared.stored.columns)), dtype=np.int64)


def written(homes: list[Home]) -> dict[str, bytes]:
    tops, people = ["household_id,region,dwelling"], ["household_id,person_number,age,work"]
    for key, (region, persons) in enumerate(homes):
        tops.append(f"k{key},{region},flat")
        people += [f"k{key},{number},{age},{work}" for number, age, work in persons]
    return {name: ("\n".join(lines) + "\n").encode() for name, lines in
            (("households.csv", tops), ("persons.csv", people))}  # fmt: skip


PERSON = st.tuples(st.integers(-5, 5), st.integers(0, 99), st.sampled_from(["yes", "no", ""]))
HOME = st.tuples(st.sampled_from(["north", "south", "west"]), st.lists(PERSON, min_size=0, max_size=9))


def test_a_declaration_of_two_tables_is_read() -> None:
    found = schema()
    assert found.unit_in_words == "one row of households (one household), with up to 4 persons"
    assert found.domain.columns == ("region", "dwelling", "number of persons")
    assert list(found.told) == [
        "households.region", "households.dwelling", "number of persons", "persons.age", "persons.work",
    ]  # fmt: skip
    assert found.labels("age@3") == ("0 to 17", "18 to 39", "40 to 64", "65 to 99")


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"tables": related_site.TABLES[:1]}, "'tables' must be a list of two or three tables"),
        (changed(0, key=None), "table 1 needs 'key'"),
        (changed(1, parent="homes"), "'parent' must name the first table"),
        (changed(1, most=0), "'most' must be a whole number from 1"),
        (changed(1, least=5), "'least' must be a whole number from 0 to 4"),
        (changed(1, orphans="keep"), "'orphans' must be one of: refuse, drop"),
        (changed(1, file="../x.csv"), "'file' must be a name of letters"),
        (changed(1, file="processing.csv"), "'file' must be a name of letters"),
        (changed(1, file="households.csv"), "different names and files"),
        (changed(1, together=[["age", "size"]]), "does not measure: \\['size'\\]"),
        (changed(1, columns=["household_id", "age", "work"]), "table persons: 'columns' must name every key"),
        (changed(1, number="household_id"), "table persons: keys and the order of members"),
        (changed(1, surprise=1), "table 2 has a key that is unknown"),
        (changed(1, rules=[{"rule": "size < 3"}]), "table persons: rule 1.*no measured column"),
        (changed(0, fields=[{"name": "region", "type": "string", "freeText": True}]), "at least one field must"),
        ({"privacyUnit": {"kind": "identifier", "column": "x", "maxRows": 1, "nullIdentifiers": "drop", "means": "x"}},
         "of kind 'row'"),
        ({"fields": []}, "unknown or does not apply here: 'fields'"),
    ],
)  # fmt: skip
def test_a_declaration_that_does_not_hold_together_says_which_table_and_rule(
    changes: dict[str, Any], rule: str
) -> None:
    with pytest.raises(SchemaError, match=rule):
        schema(**changes)


def test_a_field_with_a_problem_is_named_with_its_table() -> None:
    fields = [{"name": "age", "type": "integer"}, {"name": "work", "type": "string", "categories": ["yes"]}]
    with pytest.raises(SchemaError, match=r"column persons\.age: "):
        schema(**changed(1, fields=fields, rules=None))


def test_columns_of_both_tables_may_have_one_name() -> None:
    """Beside each other they are told apart; in the tables they keep their names."""
    fields = [{"name": "region", "type": "string", "categories": ["here", "there"]}]
    columns = ["household_id", "person_number", "region"]
    found = schema(**changed(1, fields=fields, columns=columns, rules=None, together=None))
    assert found.related is not None
    assert found.related.layout.members.columns == ("persons.region",)
    assert list(found.told)[-1] == "persons.region"


def test_the_plan_goes_through_json_and_fits() -> None:
    found = schema()
    assert found.related is not None
    plan = member_tables.plan_for(found.related)
    plan.check(found.measured)
    assert MeasurementPlan.from_json(plan.to_json()) == plan
    assert plan.stages is not None
    with pytest.raises(ValueError, match="stages"):
        MeasurementPlan.from_json(plan.to_json() | {"fixed_share": "0.5"})
    with pytest.raises(ValueError, match="wrong kind"):
        MeasurementPlan.from_json(plan.to_json() | {"stages": {"size": "region"}})


def test_what_is_declared_says_which_tables_there_are_what_they_matter_and_how_coarsely_they_are_seen() -> None:
    found = schema()
    assert found.related is not None
    layout = found.related.layout
    told = {"unitPairs": [["region", layout.size]], "pairs": [["age", "work"]], "withUnit": [["region", "work"]],
            "withSize": ["age"], "meetings": ["work"], "coarse": {"age": [0] * layout.members.size("age")},
            "importance": {"pairs": 9, "withUnit": 7}}  # fmt: skip
    every = {each.clique.columns: each for each in member_tables.wanted(layout, told)}
    apart = {columns: each.importance for columns, each in every.items() if len(columns) == 2}
    assert apart[("region", layout.size)] == member_tables.UNIT_SIZES
    pooled = [each for each in member_tables.wanted(layout, told) if isinstance(each.clique, TiedClique)]
    pair = next(each for each in pooled if each.importance == 9)
    assert pair.clique.shape(layout.domain)[1:] == (1, layout.members.size("work"))
    assert [each.clique.shape(layout.domain)[1] for each in pooled if each.importance == 7] == [
        layout.top.size("region")
    ]


@given(st.lists(HOME, max_size=6), st.randoms())
@settings(max_examples=40)
def test_a_unit_keeps_its_first_members_whatever_stands_around_them(homes: list[Home], chance: Any) -> None:
    """Order of rows in the files means nothing where an order is declared; units are laid out by themselves."""
    homes = [(region, [(n, age, work) for n, (_, age, work) in enumerate(persons)]) for region, persons in homes]
    homes = [*homes, ("west", [(1, 30, "yes")])]
    files = written(homes)
    header, *lines = files["persons.csv"].decode().splitlines()
    chance.shuffle(lines)
    shuffled = files | {"persons.csv": "\n".join([header, *lines, ""]).encode()}
    found = rows(schema(), files)
    assert (found == rows(schema(), shuffled)).all()
    assert len(found) == sum(len(persons) >= 1 for _, persons in homes)
    alone = [rows(schema(), written([home])) for home in homes if home[1]]
    assert (found == np.concatenate(alone)).all()


def test_members_without_a_unit_are_dropped_where_that_is_declared() -> None:
    files = written([("north", [(1, 30, "yes")]), ("south", [])])
    files["persons.csv"] += b"elsewhere,1,30,no\n"
    found = rows(schema(**changed(1, orphans="drop", least=0)), files)
    assert found[:, 2].tolist() == [1, 0]


@given(st.lists(HOME, max_size=5), HOME)
@settings(max_examples=40)
def test_one_unit_moves_every_table_by_no_more_than_is_charged(homes: list[Home], one: Home) -> None:
    """Neighbouring files, through reading and laying out, counted as measuring counts them."""
    declared = schema(**changed(1, least=0))
    assert declared.related is not None
    base = [*homes, ("north", [(1, 30, "yes")])]
    with_it, without = (NumpyCounter(rows(declared, written(each)), declared.stored) for each in ([*base, one], base))
    plan = member_tables.plan_for(declared.related)
    for clique, left, right in zip(
        plan.workload, tied.tables(with_it, plan.workload), tied.tables(without, plan.workload), strict=True
    ):
        assert np.sqrt(float(((left - right).astype(float) ** 2).sum())) <= l2_of(PrivacyUnit(), clique)
