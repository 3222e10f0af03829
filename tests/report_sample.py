"""A package's report on a made table of any width, and what the package says of itself."""

from __future__ import annotations

from decimal import Decimal
from itertools import combinations
from typing import Any

import numpy as np

from privacy.values import Clique, Domain, HardRule, NoisyMarginal, PrivacyUnit, Release
from synthesis.checks import Check

ROWS, SIGMA = 4000, 20.0
SIZES = (2, 4, 9, 30, 3, 60)
FACTS: dict[str, Any] = {
    "title": "Admissions, synthetic", "dataset": "Hospital admissions", "rows": ROWS,
    "package": "0b9f3c52-54a5-4ab5-9bb5-6a2e7d3e7c01", "made_at": "2030-01-02T03:04:05+00:00",
    "privacy": {
        "unit": "one person", "neighbours": "add-remove", "rho": "0.02", "epsilon": "1", "delta": "0.000001",
        "found": ["column_1"],
    },
    "unprotected_quantities": ["when it was made"], "proposer": "embedded",
}  # fmt: skip
COUNTED = {
    "mode": "charged", "radius": 1, "rho": "0.001", "distinct": 3977,
    "counts": [
        {"question": "distinct synthetic records that occur in the data", "noised": 12, "error_19_in_20": 63},
        {"question": "rows with a synthetic neighbour", "noised": 140, "error_19_in_20": 63},
    ],
}  # fmt: skip
EVERY_PANEL: dict[str, Any] = FACTS | {
    "disclosure": COUNTED, "one_steward": {"signed_at": "2030-01-01T00:00:00+00:00", "waiver": "w1"},
}  # fmt: skip
"""What a package says of itself where every panel of the report has something to show."""


def label(column: str) -> list[str]:
    """Labels of any column; the first of them is hostile text."""
    return ["<script>alert(1)</script>", *(f"value {code} of {column}" for code in range(1, 60))]


def report(width: int, *, seed: int = 3) -> dict[str, Any]:
    """Every column and up to eight pairs a column released, one pair held back; the table is off in column 0."""
    rng = np.random.default_rng(seed)
    domain = Domain.from_mapping({f"column_{at}": SIZES[at % len(SIZES)] for at in range(width)})
    rows = np.stack([rng.integers(0, size, ROWS) for size in domain.sizes], axis=1)
    pairs = [pair for at, pair in enumerate(combinations(domain.columns, 2)) if at % max(1, width // 8) == 0]
    cliques = [Clique.of(name) for name in domain.columns] + [Clique.of(*pair) for pair in pairs[: 8 * width]]
    tables = tuple(noised(rows, clique, domain, rng) for clique in cliques)
    held = (noised(rows, Clique.of(*domain.columns[-2:]), domain, rng),)
    release = Release("r", domain, tables, PrivacyUnit(), Decimal(1), Decimal(0), held=held)
    made = rows.copy()
    made[: ROWS // 10, 0] = 0
    rule = HardRule("column_0 == 0 or column_1 == 0", "so it is", Clique.of("column_0"), np.ones(2, dtype=bool))
    check = Check(release, (rule,))
    check.add(made)
    steps = [{"number": step, "residual": 1 + 1 / step, "accepted": 1} for step in range(1, 6)]
    return check.report(label, targets=["column_0"]) | {"iterations": steps}


def noised(rows: np.ndarray, clique: Clique, domain: Domain, rng: np.random.Generator) -> NoisyMarginal:
    shape, columns = clique.shape(domain), [rows[:, domain.index(name)] for name in clique.columns]
    counts = np.bincount(np.ravel_multi_index(columns, shape), minlength=int(np.prod(shape))).reshape(shape)
    return NoisyMarginal(clique, np.rint(counts + rng.normal(0, SIGMA, shape)).astype(np.int64), SIGMA, "1/0")
