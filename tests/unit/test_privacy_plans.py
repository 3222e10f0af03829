"""Plans as they are kept and checked: JSON and back, each malformed one named by its rule, all within the domain."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from privacy.plans import MeasurementPlan, adaptive_default, all_pairs, for_purpose
from privacy.purposes import Purpose
from privacy.values import Axis, Clique, Domain

DOMAIN = Domain(("a", "b", "c"), (3, 10, 4))
PLANS = [
    all_pairs(DOMAIN),
    MeasurementPlan(one_way_share=Decimal("0.3"), rounds=2, per_round=1),
    adaptive_default(DOMAIN),
    for_purpose(DOMAIN, Purpose(("a",), (("b", 4),))),
    adaptive_default(Domain(("a",), (2,))),
]


@pytest.mark.parametrize("plan", PLANS)
def test_plans_survive_json(plan: MeasurementPlan) -> None:
    assert MeasurementPlan.from_json(plan.to_json()) == plan


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"one_way_share": "0"}, "shares"),
        ({"one_way_share": "1.1"}, "shares"),
        ({"one_way_share": "0.6", "fixed_share": "0.5", "fixed": [Clique.of("a").to_json()]}, "shares"),
        ({"fixed_share": "0.1"}, "workload"),
        ({"select_share": "1"}, "select_share"),
        ({"rounds": 1}, "together"),
        ({"rounds": -1, "per_round": 1}, "rounds"),
        ({"max_cells": 0}, "max_cells"),
        ({"one_way_share": "many"}, "wrong kind"),
        ({"one_way_share": 0.3}, "wrong kind"),
        ({"fixed": 3}, "wrong kind"),
        ({"fixed": [[{"column": "a", "bins": [10**12]}]], "fixed_share": "0.1"}, "bins of a"),
        ({"fixed": [[{"column": 3, "bins": []}]], "fixed_share": "0.1"}, "wrong kind"),
        ({"fixed": [Clique.of("a").to_json()], "fixed_share": "0.1", "fixed_weights": [1, 2]}, "one weight a table"),
        ({"fixed": [Clique.of("a").to_json()], "fixed_share": "0.1", "fixed_weights": [0]}, "from 1"),
        ({"max_cells": 2.5}, "whole numbers"),
        ({"purpose": {"targets": []}}, "exactly the keys"),
        ({"purpose": {"targets": [], "weights": {}}}, "at least one target"),
        ({"purpose": {"targets": ["a"], "weights": {"a": 2}}}, "no targets"),
        ({"purpose": {"targets": ["a"], "weights": {"b": 101}}}, "from 0 to 100"),
        ({"extra": 1}, "keys"),
    ],
)
def test_a_malformed_plan_names_its_rule(changes: dict[str, Any], rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        MeasurementPlan.from_json(adaptive_default(DOMAIN).to_json() | changes)


def test_a_pair_too_large_is_counted_in_neighbouring_codes() -> None:
    wide = Domain(("y", "x", "z"), (2000, 300, 2))
    plan = for_purpose(wide, Purpose(("y",)))
    assert [clique.shape(wide) for clique in plan.fixed] == [(128, 128), (2000, 2)]
    plan.check(wide)


@pytest.mark.parametrize(
    ("clique", "rule"),
    [
        (Clique.of("a", "z"), "not declared"),
        (Clique((Axis("b", (0, 1)),)), "bins of b"),
        (Clique.of("a", "b", "c"), "cells"),
    ],
)
def test_a_plan_must_fit_the_domain(clique: Clique, rule: str) -> None:
    share = Decimal("0.5")
    plan = MeasurementPlan(one_way_share=share, fixed_share=share, fixed=(clique,), rounds=0, per_round=1, max_cells=50)
    with pytest.raises(ValueError, match=rule):
        plan.check(DOMAIN)
