"""The controlled experiment of the LLMSynthor paper (arXiv 2505.14752): its law, and its table as an owner declares it.

Six variables: age, gender and location are independent; the category of goods follows age group and gender, the
price follows the category, the way of paying follows the location. The paper's mixture weights of age add up
to 1.10; they are divided by their sum here. Bounds and bins are public: those of the law, never those of a sample.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import truncnorm

from privacy.schema import Schema
from privacy.values import Clique, IntArray

ROWS = 2000
AGE_BINS, PRICE_BINS = 72, 100
"""One year, and 20 of the currency."""
GROUPS = (Clique.of("age", "gender", "category"), Clique.of("category", "price"), Clique.of("location", "payment"))
"""The paper's three groups of variables whose joint tables are targets."""

GENDERS = ("Male", "Female")
LOCATIONS = ("Developed", "Developing")
CATEGORIES = ("Electronics", "Apparel", "Food & Beverages", "Furniture & Appliances")
PAYMENTS = ("Online", "Cash on delivery")
AGES = ((0.5, 24.0, 6.0), (0.45, 38.0, 15.0), (0.15, 55.0, 10.0))
"""Weight, mean and standard deviation of each normal, before it is cut to 18 to 90."""
LIKING = np.array([
    [[0.50, 0.25, 0.05, 0.20], [0.20, 0.50, 0.05, 0.25]],
    [[0.20, 0.10, 0.50, 0.20], [0.10, 0.20, 0.55, 0.15]],
    [[0.10, 0.10, 0.65, 0.15], [0.10, 0.10, 0.60, 0.20]],
])  # fmt: skip
"""Age group (under 35, under 55, older) x gender x category: the chance of buying from each."""
PRICES = ((800.0, 1000.0), (100.0, 500.0), (100.0, 400.0), (200.0, 500.0))


def draw(rows: int, *, seed: int) -> pd.DataFrame:
    """``rows`` of the law, spelled as a file would: ages and prices with two decimals, everything else in words."""
    rng = np.random.default_rng([20250520, seed])
    age = _ages(rows, rng)
    gender, location = rng.choice(2, rows, p=[0.45, 0.55]), rng.choice(2, rows, p=[0.4, 0.6])
    chances = LIKING[np.digitize(age, [35, 55]), gender]
    category = (rng.random((rows, 1)) > chances.cumsum(axis=1)[:, :-1]).sum(axis=1)
    mean, sd = np.array(PRICES)[category].T
    price = _normal(mean, sd, 0.0, 2000.0, rng)
    payment = (rng.random(rows) >= np.where(location == 0, 0.7, 0.4)).astype(int)
    words = {"gender": (GENDERS, gender), "location": (LOCATIONS, location), "category": (CATEGORIES, category)}
    return pd.DataFrame(
        {"age": np.round(age, 2)}
        | {name: np.array(labels)[codes] for name, (labels, codes) in words.items()}
        | {"price": np.round(price, 2), "payment": np.array(PAYMENTS)[payment]}
    )


def _ages(rows: int, rng: np.random.Generator) -> np.ndarray[Any, np.dtype[np.float64]]:
    weights, means, sds = np.array(AGES).T
    part = rng.choice(len(AGES), rows, p=weights / weights.sum())
    return _normal(means[part], sds[part], 18.0, 90.0, rng)


def _normal(mean: Any, sd: Any, low: float, high: float, rng: np.random.Generator) -> Any:
    return truncnorm.rvs((low - mean) / sd, (high - mean) / sd, loc=mean, scale=sd, random_state=rng)


def declared() -> Schema:
    """The table as its owner would declare it."""
    number = {"type": "number", "decimals": 2}
    words = [("gender", GENDERS), ("location", LOCATIONS), ("category", CATEGORIES), ("payment", PAYMENTS)]
    required: dict[str, Any] = {"required": True}
    fields: list[dict[str, Any]] = [
        {"name": name, "type": "string", "categories": list(labels), "constraints": required} for name, labels in words
    ]
    fields[0:0] = [{"name": "age", "bins": {"equalWidth": AGE_BINS}, **number,
                    "constraints": {"minimum": 18, "maximum": 90, **required}}]  # fmt: skip
    fields[4:4] = [{"name": "price", "bins": {"equalWidth": PRICE_BINS}, **number,
                    "constraints": {"minimum": 0, "maximum": 2000, **required}}]  # fmt: skip
    return Schema.parse(json.dumps({
        "title": "Online shop", "population": "customers", "publicLabels": True, "purposes": ["benchmark"],
        "privacyUnit": {"kind": "row", "means": "one customer"}, "cap": {"epsilon": 10, "delta": 1e-6},
        "fields": fields,
    }))  # fmt: skip


def coded(table: pd.DataFrame, known: Schema) -> IntArray:
    """Rows x columns of codes, by the declaration's own rules."""
    columns = [[column.code(str(value)) for value in table[column.source]] for column in known.columns]
    return np.array(columns, dtype=np.int64).T
