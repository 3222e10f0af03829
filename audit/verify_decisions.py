"""Did different people ask and approve, did they approve what then happened, and was it granted?"""

from __future__ import annotations

from collections import defaultdict

from audit.archive import Archive
from audit.commitments import vote_commitment
from audit.findings import Findings
from audit.leaves import Leaf
from audit.verify_waivers import Waivers

NEEDED = {"measure": 2, "egress": 2, "output": 2}
"""Approvals without which a gate never opens; one is enough for egress that stays in the organisation, and for every
gate of a request under its dataset owner's waiver."""
UNTOLD = ""
"""The decision of a vote that was cast and not revealed: it approves nothing."""


class Decisions:
    """Who asked, who approved what, read in the order of the log."""

    def __init__(self, findings: Findings) -> None:
        self.findings = findings
        self.asked: dict[str, Leaf] = {}
        self.votes: dict[tuple[str, str, str], dict[str, str]] = defaultdict(dict)
        self.sealed: dict[tuple[str, str, str, str], str] = {}
        self.grants: dict[str, Leaf] = {}
        self.rules: set[tuple[str, object]] = set()
        self.passed: set[tuple[str, str, str]] = set()
        self.alone: set[tuple[str, str, str]] = set()
        self.waivers = Waivers(findings)

    def read(self, leaf: Leaf) -> None:
        self.waivers.read(leaf)
        match leaf.action:
            case "synthesis:request:submitted":
                self.asked[str(leaf.facts["request"])] = leaf
            case "synthesis:vote:cast":
                self.vote(leaf)
            case "synthesis:votes:revealed":
                self.revealed(leaf)
            case "privacy:ledger:reserve":
                self.reserved(leaf)
            case "synthesis:grant:issued":
                self.granted(leaf)
            case "synthesis:request:rule_decided":
                self.rule_decided(leaf)
            case "synthesis:download:served":
                self.served(leaf)
            case _ if leaf.action.startswith("synthesis:request:"):
                self.gate_passed(leaf)

    def vote(self, leaf: Leaf) -> None:
        request, gate, shown, voter = (str(leaf.facts[name]) for name in ("request", "gate", "content_hash", "voter"))
        asked = self.asked.get(request)
        self.expect(voter == leaf.by, leaf, "a vote in another person's name")
        if self.expect(asked is not None, leaf, f"a vote on request {request}, which nobody submitted") and asked:
            self.expect(voter != asked.by, leaf, "a vote on one's own request")
        cast = self.votes[request, gate, shown]
        self.expect(voter not in cast, leaf, "a second vote by the same person")
        cast.setdefault(voter, UNTOLD)
        self.sealed.setdefault((request, gate, shown, voter), str(leaf.facts["decision_hash"]))
        if self.waivers.covers(request):
            self.alone.add((request, gate, shown))
        self.findings.counts["votes"] += 1

    def revealed(self, leaf: Leaf) -> None:
        """Each decision is the one that was hashed when the vote was cast, and is told once."""
        request, gate, shown = (str(leaf.facts[name]) for name in ("request", "gate", "content_hash"))
        for told in leaf.facts["votes"]:
            voter, decision = str(told["voter"]), str(told["decision"])
            sealed = self.sealed.pop((request, gate, shown, voter), "")
            same = sealed == vote_commitment(str(told["salt"]), decision)
            if self.expect(same, leaf, "a revealed vote is not the one that was cast"):
                self.votes[request, gate, shown][voter] = decision

    def gate_passed(self, leaf: Leaf) -> None:
        gate, shown = leaf.facts.get("gate"), leaf.facts.get("content_hash")
        if gate in NEEDED and shown and not leaf.action.endswith(":rejected"):
            stays = gate == "egress" and leaf.facts.get("local") is True
            self.approved(str(leaf.facts["request"]), str(gate), str(shown), leaf, needed=1 if stays else NEEDED[gate])

    def rule_decided(self, leaf: Leaf) -> None:
        """A rule that a model suggested is decided on once, by somebody else, and before gate B is voted on."""
        request, number = str(leaf.facts["request"]), leaf.facts["rule"]
        asked = self.asked.get(request)
        self.expect(asked is None or asked.by != leaf.by, leaf, "whoever asked decided on a rule of their own request")
        self.expect((request, number) not in self.rules, leaf, f"suggested rule {number} was decided on twice")
        voted = any(name == request and gate == "egress" for name, gate, _ in self.votes)
        self.expect(not voted, leaf, f"suggested rule {number} was decided on after votes at gate 'egress'")
        self.rules.add((request, number))
        self.findings.counts["decisions on suggested rules"] += 1

    def reserved(self, leaf: Leaf) -> None:
        asked = self.asked.get(str(leaf.facts["request"]))
        if asked is not None:
            self.approved(str(leaf.facts["request"]), "measure", str(asked.facts["content_hash"]), leaf)

    def granted(self, leaf: Leaf) -> None:
        self.grants[str(leaf.facts["grant"])] = leaf
        if shown := leaf.facts.get("content_hash"):
            self.approved(str(leaf.facts["request"]), "output", str(shown), leaf)

    def served(self, leaf: Leaf) -> None:
        self.findings.counts["downloads"] += 1
        grant = self.grants.get(str(leaf.facts["grant"]))
        if self.expect(grant is not None, leaf, "a download nobody granted") and grant:
            same = leaf.facts["user"] == grant.facts["user"] == leaf.by
            self.expect(same, leaf, "a download by another person than the one it was granted to")

    def approved(self, request: str, gate: str, shown: str, leaf: Leaf, *, needed: int = 2) -> None:
        cast = self.votes[request, gate, shown]
        yes = sum(decision == "approve" for decision in cast.values())
        alone = (request, gate, shown) in self.alone
        enough = yes >= (1 if alone else needed) and yes == len(cast)
        self.expect(enough, leaf, f"gate '{gate}' of request {request} was passed with {yes} approvals of this")
        self.passed.add((request, gate, shown))  # several entries rest on one gate
        self.findings.counts["gates passed"] = len(self.passed)
        if by_one := self.passed & self.alone:
            self.findings.counts["gates passed under a waiver of the second steward"] = len(by_one)

    def expect(self, holds: bool, leaf: Leaf, message: str) -> bool:
        return self.findings.expect(holds, "decisions", f"entry {leaf.index}", message)


def check(archive: Archive, findings: Findings) -> None:
    decisions = Decisions(findings)
    for leaf in archive.leaves:
        decisions.read(leaf)
