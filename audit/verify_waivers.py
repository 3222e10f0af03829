"""Where one steward decided instead of two: did the dataset's owner sign a waiver before it was asked for?"""

from __future__ import annotations

from audit.findings import Findings
from audit.leaves import Leaf


class Waivers:
    """Which requests one steward may decide on alone, read in the order of the log."""

    def __init__(self, findings: Findings) -> None:
        self.findings = findings
        self.owners: dict[str, str] = {}
        self.datasets: dict[str, str] = {}
        self.standing: dict[str, str] = {}
        self.under: dict[str, str] = {}

    def read(self, leaf: Leaf) -> None:
        match leaf.action:
            case "privacy:dataset:registered":
                self.owners.setdefault(str(leaf.facts["dataset"]), leaf.by)
            case "privacy:waiver:signed":
                self.signed(leaf)
            case "privacy:waiver:ended":
                self.ended(leaf)
            case "synthesis:request:created" if "dataset" in leaf.facts:
                self.datasets.setdefault(str(leaf.facts["request"]), str(leaf.facts["dataset"]))
            case "synthesis:request:submitted":
                self.submitted(leaf)
            case "synthesis:package:built":
                self.packed(leaf)

    def covers(self, request: str) -> bool:
        """Whether one vote suffices at this point of the log."""
        return self.under.get(request) in self.standing

    def signed(self, leaf: Leaf) -> None:
        """By the owner, about that dataset; one that somebody else signed stands for nothing."""
        waiver, dataset = str(leaf.facts["waiver"]), str(leaf.facts["dataset"])
        owned = self.owners.get(dataset) == leaf.by
        if self.expect(owned, leaf, "a waiver by somebody who does not own the dataset"):
            self.standing[waiver] = dataset
        self.findings.counts["waivers of the second steward"] += 1

    def ended(self, leaf: Leaf) -> None:
        waiver, dataset = str(leaf.facts["waiver"]), str(leaf.facts["dataset"])
        self.expect(self.owners.get(dataset) == leaf.by, leaf, "a waiver is ended by another than the dataset's owner")
        self.expect(self.standing.pop(waiver, None) == dataset, leaf, "a waiver ends that does not stand")

    def submitted(self, leaf: Leaf) -> None:
        """Each submission anew: a waiver covers what is submitted while it stands, and nothing earlier."""
        request, waiver = str(leaf.facts["request"]), leaf.facts.get("waiver")
        self.under.pop(request, None)
        if waiver is None:
            return
        fits = self.standing.get(str(waiver)) == self.datasets.get(request, "?")
        if self.expect(fits, leaf, "a request names a waiver that its dataset's owner did not sign, or has ended"):
            self.under[request] = str(waiver)

    def packed(self, leaf: Leaf) -> None:
        """The package of such a request says so, and no other one does."""
        told = leaf.facts.get("one_steward")
        named = str(told["waiver"]) if isinstance(told, dict) else None
        due = self.under.get(str(leaf.facts["request"]))
        self.expect(named == due, leaf, "a package does not say under which waiver one steward decided")

    def expect(self, holds: bool, leaf: Leaf, message: str) -> bool:
        return self.findings.expect(holds, "waivers", f"entry {leaf.index}", message)
