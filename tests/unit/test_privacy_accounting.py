"""Prices and budgets: our pure conversion agrees with OpenDP's, and rounds against the spender."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from privacy.accounting import RHO_STEP, epsilon_for, rho_down, rho_for, rho_up
from privacy.dp import opendp_door

DELTAS = [Decimal("1e-2"), Decimal("1e-6"), Decimal("1e-9")]


@pytest.mark.parametrize("delta", DELTAS)
@pytest.mark.parametrize("rho", ["0.0001", "0.01", "0.1", "0.5", "2", "30"])
def test_epsilon_agrees_with_opendp(rho: str, delta: Decimal) -> None:
    ours, theirs = epsilon_for(rho=Decimal(rho), delta=delta), opendp_door.epsilon(rho=Decimal(rho), delta=delta)
    assert float(ours) == pytest.approx(theirs, rel=1e-6, abs=2e-6)
    assert float(ours) >= theirs * (1 - 1e-9)


@pytest.mark.parametrize(("rho", "epsilon"), [("0.1", "2.141939"), ("0.5", "5.221535")])
def test_known_values_at_one_in_a_million(rho: str, epsilon: str) -> None:
    assert epsilon_for(rho=Decimal(rho), delta=Decimal("1e-6")) == Decimal(epsilon)


@settings(max_examples=60, deadline=None)
@given(epsilon=st.decimals("0.001", "40", places=4), delta=st.sampled_from(DELTAS))
def test_the_rho_of_an_epsilon_keeps_it_and_is_the_largest(epsilon: Decimal, delta: Decimal) -> None:
    rho = rho_for(epsilon=epsilon, delta=delta)
    assert epsilon_for(rho=rho, delta=delta) <= epsilon + Decimal("1e-6")
    assert opendp_door.epsilon(rho=max(rho, RHO_STEP), delta=delta) <= float(epsilon) * (1 + 1e-9) + 1e-9
    assert epsilon_for(rho=rho * Decimal("1.001") + RHO_STEP, delta=delta) > epsilon


def test_prices_round_up_and_budgets_down() -> None:
    assert rho_up(Decimal("0.1") + Decimal("1e-20")) == Decimal("0.1") + RHO_STEP
    assert rho_down(Decimal("0.1") - Decimal("1e-20")) == Decimal("0.1") - RHO_STEP
    assert epsilon_for(rho=Decimal(0), delta=Decimal("1e-6")) == 0


@pytest.mark.parametrize("delta", ["0", "1", "-1e-9", "2", "NaN"])
def test_delta_must_be_a_probability(delta: str) -> None:
    with pytest.raises(ValueError, match="delta"):
        epsilon_for(rho=Decimal(1), delta=Decimal(delta))
    with pytest.raises(ValueError, match="delta"):
        rho_for(epsilon=Decimal(1), delta=Decimal(delta))


@pytest.mark.parametrize("epsilon", ["0", "-1", "Infinity", "NaN"])
def test_epsilon_must_be_finite_and_above_zero(epsilon: str) -> None:
    with pytest.raises(ValueError, match="epsilon"):
        rho_for(epsilon=Decimal(epsilon), delta=Decimal("1e-6"))


def test_rho_must_not_be_negative() -> None:
    with pytest.raises(ValueError, match="rho"):
        epsilon_for(rho=Decimal("-0.1"), delta=Decimal("1e-6"))
