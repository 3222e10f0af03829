"""Drawing codes from rows of unnormalised log weights."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.int32]
Weights = NDArray[np.float32]

NARROW = 32
CHUNK = 2**19  # weights held at a time: rows x codes, so that wide columns cost time, not memory


def draw(logits: Weights, rng: np.random.Generator) -> tuple[Codes, Weights]:
    """One code per row of ``logits`` (rows x codes), and the probabilities it was drawn from."""
    weights = np.exp(logits - largest(logits))
    below = _running_sums(weights)
    total = below[:, -1:]
    mark = (1 - rng.random((len(weights), 1), dtype=np.float32)) * total  # above 0: no code of weight 0 is drawn
    codes = (below >= mark).argmax(axis=1)
    return codes.astype(np.int32), weights / total


def largest(rows: Weights) -> Weights:
    """The largest value of each row, rows x 1; for narrow rows column by column, which is several times faster."""
    if rows.shape[1] > NARROW:
        return np.asarray(rows.max(axis=1, keepdims=True))
    found = rows[:, 0].copy()
    for column in range(1, rows.shape[1]):
        np.maximum(found, rows[:, column], out=found)
    return found[:, None]


def _running_sums(rows: Weights) -> Weights:
    """Sums of each row up to each column, added in the same order either way."""
    if rows.shape[1] > NARROW:
        return np.cumsum(rows, axis=1)
    found = rows.copy()
    for column in range(1, rows.shape[1]):
        found[:, column] += found[:, column - 1]
    return found


def chunks(rows: int, width: int) -> list[slice]:
    """Consecutive slices of ``rows`` records, each at most CHUNK weights at ``width`` weights a record."""
    size = max(CHUNK // max(width, 1), 64)
    return [slice(start, min(start + size, rows)) for start in range(0, rows, size)]
