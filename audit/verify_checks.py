"""Was a synthetic table compared with the rows only as its request had said, paid for, and told of in the package?"""

from __future__ import annotations

from typing import Any

from audit.archive import Archive
from audit.findings import Findings
from audit.leaves import Leaf

NONE, CHARGED, STEWARDS = "none", "charged", "stewards"


class Checks:
    """Requests, their checks and their packages, read in the order of the log."""

    def __init__(self, findings: Findings) -> None:
        self.findings = findings
        self.modes: dict[str, str] = {}
        self.tables: dict[str, str] = {}
        self.charges: dict[str, str] = {}
        self.made: set[str] = set()

    def read(self, leaf: Leaf) -> None:
        match leaf.action:
            case "synthesis:request:submitted":
                self.modes[str(leaf.facts["request"])] = str(leaf.facts.get("disclosure", NONE))
            case "privacy:check:opened":
                self.opened(leaf)
            case "privacy:ledger:commit" if leaf.facts["kind"] == "check":
                self.charged(leaf)
            case "privacy:check:measured":
                self.measured(leaf)
            case "synthesis:package:built":
                self.built(leaf)

    def opened(self, leaf: Leaf) -> None:
        request, exact = str(leaf.facts["request"]), leaf.facts["exact"]
        asked = self.modes.get(request, NONE)
        self.expect(asked == (STEWARDS if exact else CHARGED), leaf, f"a check that request {request} did not ask for")
        self.expect(request not in self.tables, leaf, f"request {request} has a second check")
        self.tables[request] = str(leaf.facts["table"])

    def charged(self, leaf: Leaf) -> None:
        request, about = str(leaf.facts["request"]), leaf.facts.get("check", {})
        same = self.tables.get(request) is not None and about.get("table") == self.tables[request]
        self.expect(same, leaf, "a charge for a check of another table than the one that was handed over")
        self.charges[str(leaf.facts["entry"])] = request

    def measured(self, leaf: Leaf) -> None:
        request, paid = str(leaf.facts["request"]), list(map(str, leaf.facts["measurements"]))
        if leaf.facts["exact"]:
            self.expect(not paid, leaf, "a check without noise that was charged")
        else:
            mine = bool(paid) and all(self.charges.get(each) == request for each in paid)
            self.expect(mine, leaf, "a check that its request did not pay for")
        self.made.add(request)
        self.findings.counts["checks of tables against rows"] += 1

    def built(self, leaf: Leaf) -> None:
        """Packages of before such checks say nothing of them, and may have none."""
        request = str(leaf.facts["request"])
        told, asked = str(leaf.facts.get("disclosure", NONE)), self.modes.get(request, NONE)
        self.expect(told == asked, leaf, f"a package tells of another check ({told}) than was asked for ({asked})")
        made = request in self.made
        self.expect(made == (asked != NONE), leaf, "a package whose check was not made, or not asked for")
        honest = _claims(leaf.facts) != (asked == STEWARDS)
        self.expect(honest, leaf, "a package claims of the decision to release it what it may not, or too little")

    def expect(self, holds: bool, leaf: Leaf, message: str) -> bool:
        return self.findings.expect(holds, "checks", f"entry {leaf.index}", message)


def _claims(facts: Any) -> bool:
    return facts.get("end_to_end", True) is True


def check(archive: Archive, findings: Findings) -> None:
    checks = Checks(findings)
    for leaf in archive.leaves:
        checks.read(leaf)
