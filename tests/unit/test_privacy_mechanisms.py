"""The mechanisms behind the door: one draw each, moderate whole numbers, and a price within what was asked."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from privacy.dp import opendp_door


def test_a_mechanism_draws_once() -> None:
    door = opendp_door.gaussian(sensitivity=1.0, rho=Decimal("0.1"))
    door.release(np.zeros(3, dtype=np.int64))
    with pytest.raises(RuntimeError, match="new charge"):
        door.release(np.zeros(3, dtype=np.int64))


@pytest.mark.parametrize("vector", [np.zeros(3), np.zeros((2, 2), dtype=int), np.array([2**60])])
def test_only_flat_vectors_of_moderate_whole_numbers_are_released(vector: Any) -> None:
    with pytest.raises((TypeError, OverflowError)) as refused:
        opendp_door.gaussian(sensitivity=1.0, rho=Decimal("0.1")).release(vector)
    assert str(2**60) not in str(refused.value)


@pytest.mark.parametrize("rho", ["0", "-1", "1e-13", "NaN", "Infinity"])
def test_no_mechanism_without_a_price(rho: str) -> None:
    with pytest.raises(ValueError, match="rho"):
        opendp_door.gaussian(sensitivity=1.0, rho=Decimal(rho))


@pytest.mark.parametrize("rho", ["0.000001", "0.05", "0.1", "0.3", "1", "7.77"])
def test_the_least_noise_that_the_map_allows(rho: str) -> None:
    gaussian = opendp_door.gaussian(sensitivity=3.0, rho=Decimal(rho))
    chooser = opendp_door.noisy_max(sensitivity=3, rho=Decimal(rho))
    for door in (gaussian, chooser):
        assert Decimal(rho) * Decimal("0.999999") < door.rho <= Decimal(rho)
