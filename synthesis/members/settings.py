"""How members are learnt: everything, beside the released tables and the seed, that decides the output."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class MemberSettings:
    """None of these numbers comes from data."""

    sweeps: int = 40  # passes over all attributes while learning
    settle_sweeps: int = 15  # further passes whose expected tables are averaged
    step: float = 0.2  # the first step of a table, less where many tables move together; each then finds its own
    least_step: float = 0.01
    tilt: float = 1.0  # how far tilts are thought to be from 0, as a standard deviation: a factor of e either way
    refinement_passes: int = 2
    batches: int = 40  # members that move together while refining: a fraction, so that counts are fresh

    def __post_init__(self) -> None:
        if min(self.sweeps, self.settle_sweeps, self.batches) < 1 or self.refinement_passes < 0:
            raise ValueError("sweeps, settle_sweeps and batches must be at least 1, refinement_passes at least 0")
        if not 0 < self.least_step <= self.step <= 1 or not self.tilt > 0:
            raise ValueError("steps and the tilt must be above 0, and a step not below its least")

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> MemberSettings:
        """The settings behind ``dataclasses.asdict``."""
        return cls(**values)
