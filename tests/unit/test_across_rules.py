"""Rules across related tables: read or refused with the declaration, and kept by every unit and member that is made."""

from __future__ import annotations

import copy
import io
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest

from privacy import member_tables, tables
from privacy.bundles import Bundle
from privacy.dp.charging import MemoryLedger
from privacy.dp.counting import NumpyCounter
from privacy.gathering import gather
from privacy.problems import SchemaError
from privacy.schema import Schema
from privacy.staging import Onlooker, carried_out
from privacy.validity import Zero
from privacy.values import PrivacyUnit, Release
from synthesis import relating
from synthesis.members import MemberSettings
from tests import related_site

LIMITS = tables.Limits(rows=10_000, columns=50, cell_chars=100)
HOMES = [{"rule": '`number of persons` >= 3 implies dwelling == "house"', "reason": "flats are small"}]
PEOPLE = [
    {"rule": "`number of persons` == 1 implies age >= 18", "reason": "no child lives alone"},
    {"rule": 'region == "west" implies work != "yes"', "reason": "there is no work in the west"},
]


def schema(homes: Any = HOMES, people: Any = PEOPLE) -> Schema:
    declared = copy.deepcopy(related_site.TABLES)
    for table, rules in zip(declared, (homes, people), strict=True):
        table |= {"unitRules": rules}
    return Schema.parse(related_site.declaration(tables=declared))


def test_rules_across_tables_are_told_with_the_columns_they_are_about() -> None:
    found = schema()
    assert found.related is not None
    assert [rule.text for rule in found.rules] == [HOMES[0]["rule"]]
    ((table, rules),) = found.related.rules
    assert [rule.text for rule in rules][1:] == [each["rule"] for each in PEOPLE]
    assert [found.related.named_by(table, rule) for rule in rules[1:]] == [
        ["number of persons", "age"], ["region", "work"],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("homes", "people", "rule"),
    [
        ("x", [], "'unitRules' must be a list"),
        ([{"rule": "age > 3"}], [], "table households: unit rule 1, character 1: there is no measured column"),
        ([], [{"rule": "size == 1 implies age > 3"}], "table persons: unit rule 1, character 1"),
        ([{"rule": "`number of persons` >= 1"}], [], "the rule forbids nothing"),
        ([{"rule": '`number of persons` == 1 implies region == "north"'},
          {"rule": '`number of persons` == 1 implies region == "south"'},
          {"rule": "`number of persons` == 1"}], [], "no unit that keeps all of its rules"),
        ([], [{"rule": "`number of persons` == 1 implies age >= 65"},
              {"rule": "`number of persons` == 1 implies age < 65"}], "without any member that could be theirs"),
        ([], [{"reason": "none"}], "table persons: unit rule 1 needs 'rule'"),
    ],
)  # fmt: skip
def test_rules_that_nobody_could_keep_or_read_are_refused(homes: Any, people: Any, rule: str) -> None:
    with pytest.raises(SchemaError, match=rule):
        schema(homes, people)


def test_a_kind_of_unit_that_may_not_be_needs_no_member() -> None:
    none_alone = [{"rule": "`number of persons` != 1"}]
    two_minds = [{"rule": "`number of persons` == 1 implies age >= 65"},
                 {"rule": "`number of persons` == 1 implies age < 65"}]  # fmt: skip
    assert schema(none_alone, two_minds).related is not None


def test_units_and_members_that_are_made_keep_them() -> None:
    """Real rows break them now and then, and are measured as they are."""
    found = schema()
    assert found.related is not None
    files = related_site.files(300)
    source = io.BufferedReader(Bundle([(name, len(each), io.BytesIO(each)) for name, each in files.items()]))
    read = gather(found.related, source, delimiter=",", missing=found.missing_values, limits=LIMITS, most_bytes=10**8,
                  key=b"k" * 32)  # fmt: skip
    rows = np.concatenate([np.stack(piece, axis=1) for piece in read.pieces])
    rho = Decimal(3)
    measured = carried_out(
        member_tables.plan_for(found.related), found, counter=NumpyCounter(rows, found.stored),
        charge=MemoryLedger(rho), modelled=lambda _: Onlooker(), rho=rho, spent=Decimal(0),
    )  # fmt: skip
    release = Release.of("test", found.domain, measured, PrivacyUnit(), rho, Decimal(0))
    top = rows[:, : len(found.domain.columns)]
    top = top[np.all([Zero.of(rule, found.domain).keeps(top.T) for rule in found.rules], axis=0)]
    made = relating.made(release, found.related, top, MemberSettings(sweeps=10, settle_sweeps=3), seed=1,
                         total=len(top), beat=lambda: None)  # fmt: skip
    homes, people = (pd.concat(list(relating.spelled(made, each, seed=1))) for each in found.related.tables)
    whole = people.merge(homes, on="household_id")
    sizes = whole.groupby("household_id")["age"].transform("size")
    assert (whole["age"][sizes == 1] >= 18).all()
    assert (whole["work"][whole["region"] == "west"] != "yes").all()
    assert (whole["work"] == "yes").any()
