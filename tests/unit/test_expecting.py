"""What a slider promises is what a plan carried out on mock rows comes to: same prices, same noise."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import pytest

from privacy import planning
from privacy.dp.sensitivity import l2_of_table
from privacy.plans import MeasurementPlan, adaptive_default, for_purpose
from privacy.purposes import Purpose
from privacy.schema import Schema
from privacy.values import PrivacyUnit
from synthesis import expecting
from synthesis.loop import Loop, LoopSettings
from tests import privacy_site

RHO = Decimal("0.5")
UNITS = [
    {"kind": "row", "means": "one person"},
    {"kind": "row", "means": "one person", "neighbours": "change-one"},
]


def simulated(schema: Schema, purpose: Purpose | None) -> list[planning.Expected]:
    loop = Loop(schema.domain, settings=LoopSettings(), seed=1)
    found = planning.simulate(schema, rho=RHO, rows=expecting.ROWS, purpose=purpose, model=loop, seed=1)
    return list(found.tables)


def kinds(plan: MeasurementPlan, schema: Schema, rho: Decimal = RHO) -> dict[str, expecting.Margins]:
    return {one.kind: one for one in expecting.margins(plan, schema.domain, schema.unit, rho=rho)}


def margins_of(tables: Sequence[planning.Expected], arity: int) -> list[float]:
    return [one.margin for one in tables if len(one.columns) == arity]


@pytest.mark.parametrize("unit", UNITS, ids=["add-remove", "change-one"])
def test_the_first_buy_of_every_column_is_as_noisy_as_the_slider_says(unit: dict[str, str]) -> None:
    schema = Schema.parse(privacy_site.declaration(privacyUnit=unit))
    told = kinds(adaptive_default(schema.domain), schema)["columns"]
    first = margins_of(simulated(schema, None), 1)[: told.tables]
    assert told.least == pytest.approx(min(first), rel=0.01)
    assert told.most == pytest.approx(max(first), rel=0.01)


def test_tables_of_a_column_of_interest_are_as_noisy_as_the_slider_says() -> None:
    schema = Schema.parse(privacy_site.declaration())
    purpose = Purpose(("pay",))
    told = kinds(for_purpose(schema.domain, purpose), schema)["planned"]
    planned = margins_of(simulated(schema, purpose), 2)[: told.tables]
    assert told.tables == 2
    assert [told.least, told.most] == pytest.approx([min(planned), max(planned)], rel=0.01)


@pytest.mark.parametrize(
    "unit", [PrivacyUnit(), PrivacyUnit("identifier", 4, "who"), PrivacyUnit(neighbours="change-one")]
)
def test_noise_grows_with_what_a_unit_moves_and_shrinks_with_what_is_paid(unit: PrivacyUnit) -> None:
    """The bound is the one that measuring charges; four times the price is half the noise."""
    schema = Schema.parse(privacy_site.declaration())
    plan = adaptive_default(schema.domain)
    one, four = (expecting.margins(plan, schema.domain, unit, rho=RHO * times)[0].least for times in (1, 4))
    row = expecting.margins(plan, schema.domain, PrivacyUnit(), rho=RHO)[0].least
    assert one / row == pytest.approx(l2_of_table(unit))
    assert one / four == pytest.approx(2)


def test_a_price_of_nothing_buys_nothing() -> None:
    schema = Schema.parse(privacy_site.declaration())
    assert kinds(adaptive_default(schema.domain), schema, Decimal(0)) == {}
