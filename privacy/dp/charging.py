"""The port through which every step is paid for before it touches data, and a purse for tests and benchmarks."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Protocol, runtime_checkable

from privacy.errors import NotAffordable
from privacy.values import Measurement


class Charge(Protocol):
    """Durably records a step and returns the ledger entry's id; raises when the step is not paid for."""

    def __call__(self, measurement: Measurement) -> str: ...


@runtime_checkable
class ChargeMany(Protocol):
    """A charge that can also record several steps durably in one go: all of them, or none."""

    def many(self, measurements: Sequence[Measurement]) -> Sequence[str]: ...


def pay(charge: Charge, measurements: Sequence[Measurement]) -> list[str]:
    """The entries of steps that will touch the data together; none may until this has returned."""
    if isinstance(charge, ChargeMany):
        return list(charge.many(measurements))
    return [charge(measurement) for measurement in measurements]


class MemoryLedger:
    """A charge held in memory: the same refusals as the real ledger, none of its durability."""

    def __init__(self, cap: Decimal) -> None:
        self.cap = cap
        self.entries: list[Measurement] = []

    @property
    def spent(self) -> Decimal:
        return sum((entry.rho for entry in self.entries), Decimal(0))

    def __call__(self, measurement: Measurement) -> str:
        if self.spent + measurement.rho > self.cap:
            raise NotAffordable("the privacy loss of this step would pass the cap")
        self.entries.append(measurement)
        return str(len(self.entries))
