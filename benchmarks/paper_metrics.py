"""The paper's measures of one synthetic table against the real one, and the conventions it leaves open, varied.

Wasserstein distance for numbers and total variation distance for categories, as the paper says. Jensen-Shannon
for its three groups: the paper states neither the bins of numbers, nor the logarithm's base, nor whether the square
root is taken, so the divergence is kept in nats for several bins and turned into each convention afterwards.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import wasserstein_distance

from benchmarks import ecommerce

FloatArray = NDArray[np.float64]
NUMBERS = {"age": (18.0, 90.0), "price": (0.0, 2000.0)}
WORDS = {
    "gender": ecommerce.GENDERS, "location": ecommerce.LOCATIONS,
    "category": ecommerce.CATEGORIES, "payment": ecommerce.PAYMENTS,
}  # fmt: skip
MARGINALS = ("age", "gender", "location", "category", "price", "payment")
GROUPS = {"agc": ("age", "gender", "category"), "cx": ("category", "price"), "lm": ("location", "payment")}
BINS = ("6", "6 quantiles", "10", "20")
"""Equal widths between the public bounds, or equal shares of the real rows."""
CONVENTIONS: dict[str, Callable[[float], float]] = {
    "distance, base 2": lambda nats: math.sqrt(nats / math.log(2)),
    "distance, base e": math.sqrt,
    "divergence, base 2": lambda nats: nats / math.log(2),
    "divergence, base e": lambda nats: nats,
}
"""From a divergence in nats to what is reported; the distance is the divergence's square root."""


def figures(real: pd.DataFrame, made: pd.DataFrame) -> dict[str, Any]:
    """``marginals``: by column, in years, in money, or as a share; ``nats``: by bins, by group, a divergence."""
    gaps = {name: float(wasserstein_distance(real[name], made[name])) for name in NUMBERS}
    gaps |= {name: _distance(_codes(real, name, "6", real), _codes(made, name, "6", real)) for name in WORDS}
    nats = {
        bins: {name: _divergence(*(_joint(table, group, bins, real) for table in (real, made)))
               for name, group in GROUPS.items()}
        for bins in BINS
    }  # fmt: skip
    return {"marginals": {name: gaps[name] for name in MARGINALS}, "nats": nats}


def edges(name: str, bins: str, real: pd.DataFrame) -> FloatArray:
    """The inner edges of a number's bins."""
    count = int(bins.split()[0])
    if bins.endswith("quantiles"):
        return np.quantile(real[name], np.linspace(0, 1, count + 1)[1:-1])
    return np.linspace(*NUMBERS[name], count + 1)[1:-1]


def _codes(table: pd.DataFrame, name: str, bins: str, real: pd.DataFrame) -> NDArray[np.int64]:
    if name in NUMBERS:
        return np.digitize(table[name].to_numpy(float), edges(name, bins, real))
    return pd.Categorical(table[name], categories=list(WORDS[name])).codes.astype(np.int64)


def _joint(table: pd.DataFrame, group: tuple[str, ...], bins: str, real: pd.DataFrame) -> NDArray[np.int64]:
    """One code a row for the group's cell."""
    key = np.zeros(len(table), np.int64)
    for name in group:
        key = key * 100 + _codes(table, name, bins, real)
    return key


def _shares(first: NDArray[np.int64], second: NDArray[np.int64]) -> tuple[FloatArray, FloatArray]:
    cells, labels = np.unique(np.concatenate([first, second]), return_inverse=True)
    parts = np.split(labels, [len(first)])
    one, other = (np.bincount(part, minlength=len(cells)) / len(part) for part in parts)
    return one, other


def _distance(first: NDArray[np.int64], second: NDArray[np.int64]) -> float:
    one, other = _shares(first, second)
    return float(np.abs(one - other).sum() / 2)


def _divergence(first: NDArray[np.int64], second: NDArray[np.int64]) -> float:
    """Jensen-Shannon divergence in nats: 0 to ln 2."""
    one, other = _shares(first, second)
    middle = (one + other) / 2
    parts = [part[part > 0] @ np.log(part[part > 0] / middle[part > 0]) for part in (one, other)]
    return max(float(sum(parts)) / 2, 0.0)
