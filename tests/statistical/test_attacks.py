"""Attacks on released tables gain nothing against those in the data; on a copied table each of them succeeds."""

from __future__ import annotations

from decimal import Decimal
from functools import cache

import numpy as np
import pytest

from privacy import accounting
from privacy.dp.charging import MemoryLedger
from privacy.dp.counting import NumpyCounter
from privacy.dp.execution import execute
from privacy.plans import adaptive_default
from privacy.values import Domain, IntArray, PrivacyUnit, Release
from synthesis.llm.base import ProposalPlan
from synthesis.loop import Loop, LoopSettings
from tests import attacks
from tests.sizes import Note

pytestmark = [pytest.mark.statistical, pytest.mark.long_sizes]
DOMAIN = Domain.from_mapping({f"c{at}": size for at, size in enumerate((2, 3, 4, 5, 6, 8, 9, 5, 7, 12))})
ROWS, GUESSES, TARGETS = 4000, 1000, 1500
ATTACKS = ("membership", "singling out", "linkability")
COPIED = 0.2
"""What an attack must gain against a copy of the data to count as one."""


def persons(rows: int, seed: int) -> IntArray:
    """Three kinds of persons, and columns that follow the kind loosely: most rows are unique."""
    rng = np.random.default_rng(seed)
    kind = rng.integers(0, 3, rows)
    columns = []
    for size in DOMAIN.sizes:
        loose = rng.random(rows) < 0.5
        columns.append(
            np.where(loose, rng.integers(0, size, rows), (kind * size // 3 + rng.integers(0, 2, rows)) % size)
        )
    return np.stack(columns, axis=1).astype(np.int64)


@cache
def inside() -> IntArray:
    return persons(ROWS, 1)


@cache
def outside() -> IntArray:
    return persons(ROWS, 2)


@cache
def released(epsilon: str, seed: int) -> IntArray:
    """As many rows, measured within the budget and rebuilt."""
    rho, settings = accounting.rho_for(epsilon=Decimal(epsilon), delta=Decimal("1e-9")), LoopSettings()
    tables = execute(
        adaptive_default(DOMAIN), counter=NumpyCounter(inside(), DOMAIN), charge=MemoryLedger(rho),
        model=Loop(DOMAIN, settings=settings, seed=seed), unit=PrivacyUnit(), rho=rho,
    )  # fmt: skip
    loop = Loop.from_release(Release("r", DOMAIN, tables, PrivacyUnit(), rho, Decimal(0)), settings=settings, seed=seed)
    loop.iterate(ProposalPlan())
    return loop.records(ROWS)


def attack(name: str, table: IntArray) -> attacks.Risk:
    if name == "membership":
        return attacks.membership(table, inside(), outside())
    if name == "singling out":
        return attacks.singling_out(table, inside(), outside(), np.random.default_rng(0), GUESSES)
    return attacks.linkability(table, inside()[:TARGETS], outside()[:TARGETS])


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_on_a_copied_table_succeeds(name: str, note: Note) -> None:
    """The control: an attack that cannot find a copy would find nothing anywhere."""
    found = attack(name, inside())
    note("C7", f"control: {name} on a copy of the data", f"{ROWS} rows", found, f"caught: above {COPIED}")
    assert found.low > COPIED


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_on_a_released_table_gains_nothing(name: str, is_long: bool, note: Note) -> None:
    for epsilon in ("1", "10") if is_long else ("1",):
        found = attack(name, released(epsilon, 0))
        note("C7", f"{name} on a table at epsilon {epsilon}", f"{ROWS} rows", found, "the interval includes 0")
        assert found.low <= 0 <= found.high


def test_a_table_that_copies_a_tenth_of_its_rows_is_caught(note: Note) -> None:
    """A leak much smaller than a whole copy still shows in the attack that looks at single rows."""
    table = released("1", 0).copy()
    table[: ROWS // 10] = inside()[: ROWS // 10]
    found = attack("membership", table)
    note("C7", "control: membership, a tenth of the rows copied", f"{ROWS} rows", found, "caught: above 0")
    assert found.low > 0
