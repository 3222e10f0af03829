"""Drawing codes from rows of unnormalised log weights."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.int32]
Weights = NDArray[np.float32]

CHUNK = 2**19  # weights held at a time: rows x codes, so that wide columns cost time, not memory


def draw(logits: Weights, rng: np.random.Generator) -> tuple[Codes, Weights]:
    """One code per row of ``logits`` (rows x codes), and the probabilities it was drawn from."""
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    below = np.cumsum(weights, axis=1)
    total = below[:, -1:]
    mark = (1 - rng.random((len(weights), 1), dtype=np.float32)) * total  # above 0: no code of weight 0 is drawn
    codes = (below >= mark).argmax(axis=1)
    return codes.astype(np.int32), weights / total


def chunks(rows: int, width: int) -> list[slice]:
    """Consecutive slices of ``rows`` records, each at most CHUNK weights at ``width`` weights a record."""
    size = max(CHUNK // max(width, 1), 64)
    return [slice(start, min(start + size, rows)) for start in range(0, rows, size)]
