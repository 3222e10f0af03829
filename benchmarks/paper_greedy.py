"""A planner without a language model in the paper's own loop: append-only, 100 rounds, 5 proposals, 4 records each.

Numbers have 6 main bins, and the 8 equal parts of each are told where its proposal goes; values are uniform in their
part. Every proposal takes, group by group, the cell that is missing most. It sees exact counts: nothing here is
private.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks import ecommerce
from benchmarks.paper_metrics import NUMBERS, WORDS

ROUNDS, PROPOSALS = 100, 5
MAIN, SUB = 6, 8
Counts = NDArray[np.int64]


def make(real: pd.DataFrame, *, seed: int) -> pd.DataFrame:
    """As many records as the real table has."""
    rng, each = np.random.default_rng(seed), len(real) // (ROUNDS * PROPOSALS)
    missing = _Missing(real)
    parts = [missing.proposal(each, rng) for _ in range(ROUNDS * PROPOSALS)]
    return pd.concat(parts, ignore_index=True)


class _Missing:
    """Target counts less what was made so far, for the paper's groups and for the parts of numbers."""

    def __init__(self, real: pd.DataFrame) -> None:
        code = {name: pd.Categorical(real[name], categories=list(words)).codes for name, words in WORDS.items()}
        fine = {name: np.clip(_fine(real[name].to_numpy(float), name), 0, MAIN * SUB - 1) for name in NUMBERS}
        age, price = fine["age"] // SUB, fine["price"] // SUB
        self.people = _count((age, code["gender"], code["category"]), (MAIN, 2, 4))
        self.goods = _count((code["category"], price), (4, MAIN))
        self.paying = _count((code["location"], code["payment"]), (2, 2))
        self.parts = {name: _count((fine[name] // SUB, fine[name] % SUB), (MAIN, SUB)) for name in NUMBERS}

    def proposal(self, records: int, rng: np.random.Generator) -> pd.DataFrame:
        age, gender, category = _most(self.people)
        (price,) = _most(self.goods[category])
        location, payment = _most(self.paying)
        self.people[age, gender, category] -= records
        self.goods[category, price] -= records
        self.paying[location, payment] -= records
        return pd.DataFrame({
            "age": self._values("age", age, records, rng), "gender": ecommerce.GENDERS[gender],
            "location": ecommerce.LOCATIONS[location], "category": ecommerce.CATEGORIES[category],
            "price": self._values("price", price, records, rng), "payment": ecommerce.PAYMENTS[payment],
        })  # fmt: skip

    def _values(self, name: str, main: int, records: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """Uniform in the part of this main bin that is missing most."""
        (part,) = _most(self.parts[name][main])
        self.parts[name][main, part] -= records
        low, high = NUMBERS[name]
        width = (high - low) / (MAIN * SUB)
        start = low + (main * SUB + part) * width
        return np.round(rng.uniform(start, start + width, records), 2)


def _fine(values: NDArray[np.float64], name: str) -> Counts:
    low, high = NUMBERS[name]
    return np.floor((values - low) / (high - low) * MAIN * SUB).astype(np.int64)


def _count(codes: tuple[Counts, ...], shape: tuple[int, ...]) -> Counts:
    return np.bincount(np.ravel_multi_index(codes, shape), minlength=int(np.prod(shape))).reshape(shape)


def _most(missing: Counts) -> tuple[int, ...]:
    return tuple(int(place) for place in np.unravel_index(int(missing.argmax()), missing.shape))
