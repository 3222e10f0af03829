"""Which keys of lines may be named: found under differential privacy, for whole units.

A unit's distinct keys each weigh min(1, votes / root of how many it has), so that a unit with many keys moves the
counts by at most its votes in L2, a single count by at most one vote, and at most so many counts. Which of a unit's
keys count, where it has more than that, is decided by a hash of the key alone, under a secret of this run.
"""

from __future__ import annotations

import hmac
import math
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd

from privacy.dp import opendp_door
from privacy.dp.charging import MemoryLedger
from privacy.dp.sensitivity import KeyChange
from privacy.values import Clique, IntArray, Measurement, PrivacyUnit

PARTS = 10_000
"""Parts of a vote: counts are whole numbers."""
OPEN = b"no secret"
"""Decides in place of a secret where nothing is private, so that such a run can be repeated."""


@dataclass(frozen=True)
class Search:
    """``most`` keys are kept; a unit has up to ``of_unit`` of them; ``delta`` and ``share`` of rho are spent."""

    column: str
    other: str
    most: int
    of_unit: int
    longest: int
    votes: int
    delta: Decimal
    share: Decimal

    @classmethod
    def declared(cls, facts: Any) -> Search:
        return cls(facts["column"], facts["other"], facts["maxKeys"], facts["maxOfUnit"], facts["maxLength"],
                   facts["votes"], Decimal(facts["delta"]), Decimal(facts["share"]))  # fmt: skip

    def find(self, units: IntArray, keys: Sequence[str], ledger: MemoryLedger | None, *, rho: Decimal) -> list[str]:
        """The keys let out, the most frequent first. Without a ledger the truly most frequent, which is not private."""
        counts = self.counts(units, keys, secret=OPEN if ledger is None else secrets.token_bytes(32))
        if ledger is not None:
            change = KeyChange(self.of_unit, float(self.votes * PARTS), PARTS)
            door = opendp_door.key_threshold(change=change, rho=rho, delta=self.delta)
            ledger(self._step(door))
            counts = door.release(counts)
        return sorted(counts, key=lambda key: (-counts[key], key))[: self.most]

    def counts(self, units: IntArray, keys: Sequence[str], *, secret: bytes) -> dict[str, int]:
        """Weighted units by key, in parts of a vote. Raw."""
        held = pd.DataFrame({"unit": units, "key": keys}).drop_duplicates()
        held = held[held["key"].map(lambda key: bool(key) and len(key) <= self.longest and key.isprintable())]
        rank = {key: hmac.digest(secret, key.encode(), "sha256") for key in held["key"].unique()}
        held = held.assign(rank=held["key"].map(rank)).sort_values(["unit", "rank"])
        held = held[held.groupby("unit").cumcount() < self.of_unit]
        many = held.groupby("unit")["key"].transform("size")
        weights = [min(PARTS, math.isqrt((self.votes * PARTS) ** 2 // n)) for n in many.tolist()]
        found = held.assign(weight=weights).groupby("key")["weight"].sum()
        return {str(key): int(count) for key, count in found.items()}

    def _step(self, door: opendp_door.KeyThreshold) -> Measurement:
        return Measurement(
            kind="discovery", mechanism=door.name, cliques=(Clique.of(self.column),), sensitivity=door.sensitivity,
            scale=door.scale, rho=door.rho, delta=door.delta, unit=PrivacyUnit(), library=opendp_door.LIBRARY,
            parts=PARTS, threshold=door.threshold,
        )  # fmt: skip


def codes_of(keys: Sequence[str], values: pd.Series) -> IntArray:
    """Each value's place among the keys; any other is the last code."""
    places = {key: place for place, key in enumerate(keys)}
    return np.asarray(values.map(places).fillna(len(keys)), dtype=np.int64)
