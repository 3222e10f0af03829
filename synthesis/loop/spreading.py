"""From bins back to codes: within a bin, codes follow the denoised one-way table."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from privacy.values import IntArray
from synthesis.loop.sampling import Codes

FloatArray = NDArray[np.float64]

GOLDEN = (5**0.5 - 1) / 2


def spread(binned: Codes, masses: list[FloatArray], bins: list[IntArray], rng: np.random.Generator) -> IntArray:
    """Codes (records x columns) for ``binned`` (columns x records).

    Records of one bin, taken in an order that keeps similar records together, receive evenly spaced
    quantiles of the bin's own distribution (golden-ratio steps), so that codes are balanced within every
    small group of records instead of drawn one by one.
    """
    order = np.lexsort(binned)
    columns = [_column(b, m, g, order, rng) for b, m, g in zip(binned, masses, bins, strict=True)]
    return np.stack(columns, axis=1)


def _column(binned: Codes, mass: FloatArray, bins: IntArray, order: IntArray, rng: np.random.Generator) -> IntArray:
    by_bin = np.argsort(bins, kind="stable")  # codes, bin after bin
    edges = np.concatenate([[0.0], np.cumsum(mass[by_bin])])
    starts = np.searchsorted(bins[by_bin], np.arange(int(bins.max()) + 2))
    quantile = _balanced(binned, order, float(rng.random()))
    low, high = edges[starts[binned]], edges[starts[binned + 1]]
    place = np.searchsorted(edges, low + quantile * (high - low), side="right") - 1
    return np.asarray(by_bin[np.clip(place, starts[binned], starts[binned + 1] - 1)], np.int64)


def _balanced(binned: Codes, order: IntArray, start: float) -> FloatArray:
    """A quantile in [0, 1) for each record: the n-th record of a bin, in ``order``, gets step n."""
    ordered = binned[order]
    grouped = np.argsort(ordered, kind="stable")
    rank = np.arange(len(ordered)) - np.searchsorted(ordered[grouped], ordered[grouped])
    quantile = np.empty(len(ordered))
    quantile[order[grouped]] = (rank * GOLDEN + start) % 1
    return quantile
