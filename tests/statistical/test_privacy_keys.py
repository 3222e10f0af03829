"""Empirical audit of key discovery: how often keys that one unit alone holds come out, against the charged delta.

Every key of one release is noised by itself, so one release of many keys is as many draws. A threshold that is
not raised, as OpenDP's own map would have it, and one that is lowered, are caught. Confidence 1 - 1e-5 a bound.
"""

from __future__ import annotations

import math
from decimal import Decimal

import numpy as np
import pytest

from privacy.dp import opendp_door
from privacy.dp.sensitivity import KeyChange, change_of_keys
from privacy.values import PrivacyUnit
from tests.sizes import Note
from tests.statistical.test_privacy_audit import at_least, rho_of_gaussian

pytestmark = [pytest.mark.statistical, pytest.mark.long_sizes]
RHO, DELTA = Decimal("0.125"), Decimal("0.03")
ROW = change_of_keys(PrivacyUnit())
THREE_KEYS = KeyChange(3, math.sqrt(3), 1)
"""A unit with a row under each of three keys: the change that attains all three bounds at once."""


def draws(is_long: bool) -> int:
    return 100_000 if is_long else 10_000


def exposed(change: KeyChange, units: int, *, rows: int = 1, keys: int = 1) -> tuple[int, opendp_door.KeyThreshold]:
    """How many units have a key come out that only they hold: each has so many keys, with so many rows each."""
    door = opendp_door.key_threshold(change=change, rho=RHO, delta=DELTA)
    out = door.release({f"{unit:06d}.{key}": rows for unit in range(units) for key in range(keys)})
    return len({name.split(".")[0] for name in out}), door


def tail(scale: float, start: int) -> float:
    """The chance that a discrete Gaussian is at least ``start``."""
    span = np.arange(-math.ceil(40 * scale), math.ceil(40 * scale) + 1)
    mass = np.exp(-(span**2) / (2 * scale**2))
    return float(mass[span >= start].sum() / mass.sum())


CASES = {"one row, one key": (ROW, 1, 1), "three keys": (THREE_KEYS, 1, 3),
         "three rows under one key": (change_of_keys(PrivacyUnit("identifier", 3, "who")), 3, 1)}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_keys_of_one_unit_come_out_no_more_often_than_charged(case: str, is_long: bool, note: Note) -> None:
    change, rows, keys = CASES[case]
    units = draws(is_long)
    hits, door = exposed(change, units, rows=rows, keys=keys)
    assert at_least(hits, units) <= float(door.delta)
    true = 1 - (1 - tail(door.scale, door.threshold - rows)) ** keys
    assert true <= float(door.delta)
    assert hits == pytest.approx(units * true, abs=5 * math.sqrt(units * true) + 1), "the noise is not what is assumed"
    bound = f"charged delta {door.delta:.4f}"
    note("C3", f"key discovery, {case}", f"{units} draws", f"{hits / units:.4f} come out", bound)


@pytest.mark.parametrize(
    ("case", "margin"),
    [("one row, one key", 0), ("one row, one key", -1), ("three keys", -1),
     pytest.param("three keys", 0, marks=pytest.mark.long_only)],
)  # fmt: skip
def test_a_threshold_that_is_not_raised_is_caught(
    case: str, margin: int, is_long: bool, note: Note, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opendp_door, "MARGIN", margin)
    change, rows, keys = CASES[case]
    units = draws(is_long)
    hits, door = exposed(change, units, rows=rows, keys=keys)
    assert at_least(hits, units) > float(door.delta)
    what = "not raised" if margin == 0 else "lowered by 1"
    bound = f"caught: above the charged {door.delta:.4f}"
    note("C3", f"control: threshold {what}, {case}", f"{units} draws", f"{hits / units:.4f} come out", bound)


@pytest.mark.parametrize("rho", ["0.5", "0.125", "0.01", "0.0001"])
@pytest.mark.parametrize("delta", ["1e-10", "1e-6", "0.001"])
def test_the_exact_chance_is_within_the_price_at_every_scale(rho: str, delta: str) -> None:
    """Summed exactly, where no number of draws would show it; and without the margin it would not be."""
    for change, rows, keys in CASES.values():
        door = opendp_door.key_threshold(change=change, rho=Decimal(rho), delta=Decimal(delta))
        assert keys * tail(door.scale, door.threshold - rows) <= float(door.delta)
    door = opendp_door.key_threshold(change=ROW, rho=Decimal(rho), delta=Decimal(delta))
    assert tail(door.scale, door.threshold - opendp_door.MARGIN - 1) > float(door.delta)


def test_counts_that_come_out_lose_no_more_than_was_charged(is_long: bool, note: Note) -> None:
    units, change = draws(is_long), KeyChange(100, 100.0, 100)
    doors = [opendp_door.key_threshold(change=change, rho=RHO, delta=DELTA) for _ in range(2)]
    true, false = (
        np.array(list(door.release({f"{place:06d}": count for place in range(units)}).values()), dtype=np.int64)
        for door, count in zip(doors, (10_100, 10_000), strict=True)
    )
    assert len(true) == len(false) == units
    found = rho_of_gaussian(true, false)
    assert (0.8 if is_long else 0.3) * float(RHO) < found <= float(RHO)
    size = f"{units} draws on each neighbour"
    note("C3", "counts of found keys", size, f"rho at least {found:.4f}", f"charged {RHO}")
