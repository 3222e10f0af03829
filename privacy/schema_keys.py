"""Columns whose categories nobody knows in public: key discovery looks for them, for each release anew.

What is declared is how many keys are kept, how long they may be and what one release spends on them. Until a
release has found some, every value is OTHER.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal
from typing import Any

import numpy as np

from privacy.schema_fields import OUTSIDE
from privacy.schema_reading import Reader
from privacy.values import IntArray

MOST_KEYS = 1000
MOST_VALUES = 100_000
LONGEST_KEY = 100
SMALLEST_DELTA = Decimal("1e-10")
LARGEST_DELTA = Decimal("0.001")
STEP = Decimal("1e-15")


@dataclass(frozen=True, slots=True)
class Undiscovered:
    """Room for ``size`` keys of at most ``longest`` characters; a file holds at most ``among`` different values.

    ``delta`` is what one release spends on finding them. Labels only stand in for keys, in mock rows and plans.
    """

    size: int
    longest: int
    among: int
    delta: Decimal

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(f"key {place}" for place in range(1, self.size + 1))

    @property
    def rule(self) -> str:
        return f"the column holds more than {self.among} different values"

    def code(self, text: str) -> int:
        return OUTSIDE

    def fits(self, text: str) -> bool:
        """Whether a text may ever become a key; any other counts as OTHER."""
        return len(text) <= self.longest and text.isprintable()

    def decode(self, codes: IntArray, rng: np.random.Generator) -> np.ndarray[Any, Any]:
        return np.array(self.labels, dtype=object)[codes]


def read_discovery(field: Reader) -> Undiscovered | None:
    """What ``discover`` declares, or None after noting its problems."""
    before = len(field.problems)
    search = Reader(field.get("discover"), column=field.column, problems=field.problems, what="'discover'")
    most = search.whole("maxKeys", least=1, most=MOST_KEYS)
    longest = search.whole("maxLength", least=1, most=LONGEST_KEY, default=60)
    among = search.whole("maxValues", least=1, most=MOST_VALUES, default=10_000)
    delta = search.decimal("delta")
    if delta is not None and not SMALLEST_DELTA <= delta <= LARGEST_DELTA:
        search.problem(f"'delta' must be from {SMALLEST_DELTA} to {LARGEST_DELTA}")
    search.done()
    if len(field.problems) > before or delta is None:
        return None
    return Undiscovered(most, longest, among, delta.quantize(STEP, rounding=ROUND_FLOOR))
