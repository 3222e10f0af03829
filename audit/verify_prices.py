"""Was each step charged for at least what its noise costs, and calibrated to at least what one unit can change?

Both are worked out here from the charge's own facts, by formulas of this file alone; nothing of the privacy room is
used. Mechanisms that are not listed are counted as not worked out.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from audit.archive import Archive
from audit.findings import Findings
from audit.leaves import Leaf

SLACK = Fraction(1, 10**9)
"""Binary fractions are written as decimals; a defect of interest is far larger."""


def check(archive: Archive, findings: Findings) -> None:
    for leaf in archive.leaves:
        if leaf.action == "privacy:ledger:commit":
            _worked_out(leaf, f"entry {leaf.index}", findings)


def _worked_out(leaf: Leaf, place: str, findings: Findings) -> None:
    facts = leaf.facts
    square = _square_of_noise(facts)
    if square is None:
        findings.counts["charges not worked out"] += 1
        return
    enough = Fraction(facts["rho"]) >= square * (1 - SLACK)
    findings.expect(enough, "prices", place, "its noise costs more than was charged")
    calibrated = Fraction(facts["sensitivity"]) ** 2 >= _least_square(facts) * (1 - SLACK)
    findings.expect(calibrated, "prices", place, "one privacy unit can change it by more than its sensitivity")
    findings.counts["charges worked out from their noise"] += 1


def _square_of_noise(facts: Mapping[str, Any]) -> Fraction | None:
    """The rho of a mechanism at its sensitivity and scale; None for one that is not known here."""
    if facts["mechanism"] not in ("discrete gaussian", "gaussian threshold", "noisy max"):
        return None
    ratio = Fraction(facts["sensitivity"]) / Fraction(facts["scale"])
    return (2 * ratio) ** 2 / 8 if facts["mechanism"] == "noisy max" else ratio**2 / 2


def _least_square(facts: Mapping[str, Any]) -> int:
    """The square of the least honest sensitivity: of scores, a check, a table, or a tied table in its parts."""
    k, exchanged = int(facts["unit"]["k"]), facts["unit"]["neighbours"] == "change-one"
    if facts["kind"] == "selection":
        return int((k * (2 if exchanged else 1)) ** 2)
    if facts["kind"] == "check":
        return k**2  # one row decides about itself, or about the one distinct record that equals it
    one_row = max(_square_of_row(clique, int(facts.get("parts", 1))) for clique in facts["cliques"])
    return k**2 * one_row * (2 if exchanged else 1)


def _square_of_row(clique: Any, parts: int) -> int:
    """How far one row moves the table, squared: one cell by 1, or a tied table by its slots' votes in each block."""
    if not isinstance(clique, Mapping):
        return parts**2
    return max(_square_of_slots(clique, present, parts) for present in clique["present"])


def _square_of_slots(clique: Mapping[str, Any], present: int, parts: int) -> int:
    if clique.get("by_norm"):
        return (min(int(clique["votes"]), present) * parts) ** 2
    there = clique["blocks"][:present]
    alike = [there.count(block) for block in set(there)]
    return sum((count * min(parts, parts * int(clique["votes"]) // count)) ** 2 for count in alike)
