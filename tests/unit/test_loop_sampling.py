"""Drawing codes: the same draws as the textbook's formula, row by row."""

from __future__ import annotations

import numpy as np
import pytest

from synthesis.loop.sampling import Weights, chunks, draw


def plainly(logits: Weights, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Softmax and inverse cumulated weights, along each row."""
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    below = np.cumsum(weights, axis=1)
    mark = (1 - rng.random((len(weights), 1), dtype=np.float32)) * below[:, -1:]
    return (below >= mark).argmax(axis=1), weights / below[:, -1:]


@pytest.mark.parametrize("width", [1, 2, 7, 40])
@pytest.mark.parametrize("spread", [0.1, 3.0, 60.0])
def test_codes_and_probabilities_are_the_plain_formulas_bit_for_bit(width: int, spread: float) -> None:
    logits = (spread * np.random.default_rng(5).normal(size=(900, width))).astype(np.float32)
    codes, chances = draw(logits, np.random.default_rng(1))
    expected, probabilities = plainly(logits, np.random.default_rng(1))
    assert np.array_equal(codes, expected)
    assert np.array_equal(chances, probabilities)
    assert (codes.dtype, chances.dtype) == (np.int32, np.float32)


def test_one_row_for_all_records_is_not_written_to() -> None:
    logits = np.broadcast_to(np.array([0.0, 1.0, -1.0], np.float32), (4000, 3))
    codes, chances = draw(logits, np.random.default_rng(0))
    assert logits[0].tolist() == [0.0, 1.0, -1.0]
    assert np.bincount(codes, minlength=3) / 4000 == pytest.approx(chances[0], abs=0.03)


def test_a_code_of_no_weight_is_never_drawn() -> None:
    logits = np.tile(np.array([-np.inf, 0.0, -np.inf, 0.5, -np.inf], np.float32), (20_000, 1))
    codes, chances = draw(logits, np.random.default_rng(0))
    assert set(codes.tolist()) == {1, 3}
    assert chances[:, [0, 2, 4]].max() == 0


def test_chunks_cover_every_record_once() -> None:
    parts = chunks(100_000, 37)
    assert np.array_equal(np.concatenate([np.arange(100_000)[part] for part in parts]), np.arange(100_000))
