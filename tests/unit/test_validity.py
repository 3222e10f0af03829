"""Drawing records that keep hard rules: always, by mass, and with an example where chance would not find one."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from privacy import validity
from privacy.validity import Block, Contradiction, Validity, Zero

SIZES = (3, 4, 2, 3)


def rule(columns: tuple[int, ...], allowed: np.ndarray) -> Zero:
    return Zero(columns, tuple(np.arange(size) for size in allowed.shape), allowed)


def every_record(rules: list[Zero], sizes: tuple[int, ...] = SIZES) -> np.ndarray:
    """All records (columns x records) that keep the rules, by going through every one there is."""
    records = np.array(list(product(*map(range, sizes)))).T
    return records[:, np.logical_and.reduce([one.keeps(records) for one in rules])]


@st.composite
def rules(draw: st.DrawFn) -> list[Zero]:
    found = []
    for _ in range(draw(st.integers(1, 4))):
        columns = tuple(draw(st.permutations(range(4)))[: draw(st.integers(1, 3))])
        shape = [SIZES[column] for column in columns]
        cells = draw(st.lists(st.booleans(), min_size=int(np.prod(shape)), max_size=int(np.prod(shape))))
        found.append(rule(columns, np.array(cells).reshape(shape)))
    return found


@settings(max_examples=150, deadline=None)
@given(rules(), st.integers(0, 99), st.sampled_from([1, 12, 2**16]))
def test_mended_records_keep_every_rule_or_there_is_no_such_record(found: list[Zero], seed: int, together: int) -> None:
    """Also where too few cells may be drawn together for the rules to be one block."""
    rng, before = np.random.default_rng(seed), validity.MOST_CELLS
    validity.MOST_CELLS = together
    try:
        valid = Validity(found, [np.ones(size) for size in SIZES])
    except Contradiction:
        assert every_record(found).shape[1] == 0
        return
    finally:
        validity.MOST_CELLS = before
    codes = np.stack([rng.integers(0, size, 60) for size in SIZES])
    drawn, kept = codes.copy(), valid.keeps(codes)
    valid.mend(codes, rng)
    assert valid.keeps(codes).all()
    assert (codes[:, kept] == drawn[:, kept]).all()


def test_a_block_draws_by_mass_among_what_is_allowed() -> None:
    ordered = rule((0, 1), np.array([[True, False, True], [True, True, False]]))
    masses = [np.array([0.7, 0.3]), np.array([0.5, 0.3, 0.2])]
    block = Block([ordered], masses)
    assert not block.falls_apart
    drawn = block.draw(200_000, np.random.default_rng(0))
    share = np.outer(*masses) * ordered.allowed
    found = np.bincount(drawn[0] * 3 + drawn[1], minlength=6).reshape(2, 3) / 200_000
    assert np.abs(found - share / share.sum()).max() < 0.005


def test_tied_columns_are_as_likely_as_one_of_them() -> None:
    mass = np.array([0.6, 0.3, 0.1])
    block = Block([rule((0, 1), np.eye(3, dtype=bool))], [mass, mass])
    assert block.falls_apart
    drawn = block.draw(100_000, np.random.default_rng(0))
    assert (drawn[0] == drawn[1]).all()
    assert np.abs(np.bincount(drawn[0]) / 100_000 - mass).max() < 0.01


def test_a_long_chain_of_equal_columns_has_an_example(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(validity, "MOST_CELLS", 40)
    chain = [rule((place, place + 1), np.eye(6, dtype=bool)) for place in range(60)]
    valid = Validity(chain, [np.ones(6)] * 61)
    assert len(valid.blocks) > 1
    codes = np.random.default_rng(0).integers(0, 6, (61, 50))
    valid.mend(codes, np.random.default_rng(1))
    assert (codes == codes[0]).all()
    with pytest.raises(Contradiction):
        Validity([*chain, rule((0, 60), ~np.eye(6, dtype=bool))], [np.ones(6)] * 61)
