"""What a verification found: counts of what was checked, and everything that did not hold."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


class Unusable(Exception):
    """The verifier could not even begin: no export, no key, no such checkpoint file."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that does not hold: which rule, where, and what was seen there."""

    check: str
    place: str
    message: str


@dataclass(slots=True)
class Findings:
    found: list[Finding] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    erased: list[str] = field(default_factory=list)
    """What can no longer be replayed because two people had it destroyed: no fault, but to be named."""

    def broken(self, check: str, place: str, message: str) -> None:
        self.found.append(Finding(check, place, message))

    def expect(self, holds: bool, check: str, place: str, message: str) -> bool:
        if not holds:
            self.broken(check, place, message)
        return holds
