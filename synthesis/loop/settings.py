"""The loop's settings: everything, beside the release and the recorded answers, that decides its output."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class LoopSettings:
    """How the pool learns. None of these numbers comes from the data.

    Levels say how finely a column may be seen: at level L a code that holds at least 1/L of the records
    stands alone and lighter neighbours share a bin of about that mass.
    """

    pool_size: int = 20_000  # records that learn, twice as many where noise is small; any table may be asked for
    sweeps: int = 20  # passes over all columns in one iteration
    settle_sweeps: int = 20  # slow passes at the end, whose expected tables are averaged
    step: float = 0.5
    settle_step: float = 0.05
    levels: tuple[int, ...] = (4, 8, 16, 32, 64)
    triple_levels: tuple[int, ...] = (4, 8, 16)  # empty: never measure three columns together
    planned_levels: tuple[int, ...] = (128, 256, 512)  # finer ones still, for tables named in advance
    components: int = 32  # most proposals the prior keeps at a time
    refinement_passes: int = 2
    shard_passes: int = 1  # the same for a table of several shards
    shard_rows: int = 200_000  # records refined together, which bounds memory

    def __post_init__(self) -> None:
        if min(self.pool_size, self.sweeps, self.settle_sweeps, self.components, self.shard_rows) < 1:
            raise ValueError("pool_size, sweeps, settle_sweeps, components and shard_rows must be at least 1")
        if not 0 < self.settle_step <= self.step <= 1:
            raise ValueError("steps must satisfy 0 < settle_step <= step <= 1")
        if not self.levels or min(self.levels + self.triple_levels + self.planned_levels) < 2:
            raise ValueError("levels must be at least 2")
        if min(self.refinement_passes, self.shard_passes) < 0:
            raise ValueError("refinement_passes and shard_passes must be at least 0")

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> LoopSettings:
        """The settings behind ``dataclasses.asdict`` after a trip through JSON, where tuples became lists."""
        known: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in values.items()}
        return cls(**known)
