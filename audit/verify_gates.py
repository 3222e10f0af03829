"""Did anything happen that a gate should have been asked for first, and did everyone vote who may?"""

from __future__ import annotations

from audit.archive import Archive
from audit.findings import Findings
from audit.leaves import Leaf
from audit.verify_structures import STRUCTURE, Structures

GATE_OF = {"approved": "measure", "synthesising": "egress", "released": "output"}
"""The steps of a request that only a gate opens, and which one."""


class Gates:
    """Which gates of which requests are open, read in the order of the log."""

    def __init__(self, findings: Findings) -> None:
        self.findings = findings
        self.submitted: set[str] = set()
        self.open: set[tuple[str, str]] = set()
        self.owners: dict[str, str] = {}
        self.datasets: dict[str, str] = {}
        self.runs: set[str] = set()
        self.probes: dict[str, int] = {}
        self.structures = Structures(findings)

    def read(self, leaf: Leaf) -> None:
        match leaf.action.split(":"):
            case ["privacy", "dataset", "registered"]:
                self.owners.setdefault(str(leaf.facts["dataset"]), leaf.by)
            case ["synthesis", "request", step]:
                self.moved(leaf, step)
            case ["synthesis", "vote", "cast"]:
                self.voted(leaf)
            case ["privacy", "ledger", "reserve" | "commit" as step]:
                self.charged(leaf, step)
            case ["synthesis", "run", step]:
                self.ran(leaf, step)
            case ["synthesis", "endpoint", "probing"]:
                self.probes[str(leaf.facts["probe"])] = 0
            case ["synthesis", "endpoint", "probed"]:
                self.probed(leaf)
            case ["audit", "prompt", "intent"]:
                self.asked(leaf, str(leaf.facts["run"]))

    def moved(self, leaf: Leaf, step: str) -> None:
        """That its votes suffice is checked elsewhere; here, that it says which gate and what was approved."""
        request = str(leaf.facts["request"])
        if step == "created" and "dataset" in leaf.facts:
            self.datasets.setdefault(request, str(leaf.facts["dataset"]))
        elif step == "submitted":
            self.submitted.add(request)
            self.open.discard((request, "measure"))
        elif step == "reserved":
            self.structures.reserved(leaf, request)
        elif step in GATE_OF:
            bound = leaf.facts.get("gate") == GATE_OF[step] and bool(leaf.facts.get("content_hash"))
            self.expect(bound, leaf, f"a request is {step} without the hash of what gate '{GATE_OF[step]}' approved")
            self.open.add((request, GATE_OF[step]))

    def voted(self, leaf: Leaf) -> None:
        """Not by the owner of the data; without the entries that say whose they are, nobody could tell."""
        request = str(leaf.facts["request"])
        dataset = self.datasets.get(request)
        if dataset is None:
            self.expect(False, leaf, f"a vote on request {request}, and no entry says of what dataset")
        elif dataset not in self.owners:
            self.expect(False, leaf, f"a vote on request {request}, whose dataset {dataset} nobody registered")
        else:
            owner = self.owners[dataset]
            self.expect(owner != leaf.by, leaf, "a vote of the owner on a request for their own dataset")

    def charged(self, leaf: Leaf, step: str) -> None:
        request = str(leaf.facts["request"])
        self.expect(request in self.submitted, leaf, f"a {step} for request {request}, which nobody submitted")
        approved = (request, "measure") in self.open
        self.expect(approved, leaf, f"a {step} for request {request} before gate 'measure' approved it")
        self.structures.paid(leaf, request)
        if step == "commit":
            self.expect("reservation" in leaf.facts, leaf, "a charge to no reservation")

    def ran(self, leaf: Leaf, step: str) -> None:
        if step == "started":
            self.started(leaf)
        elif step == "structuring":
            approved = (str(leaf.facts["request"]), "measure") in self.open
            self.expect(approved, leaf, "a model is asked about columns before gate 'measure' approved it")
            self.structures.begun(leaf)
        elif step == "structured":
            self.structures.ended(leaf)

    def started(self, leaf: Leaf) -> None:
        self.runs.add(str(leaf.facts["run"]))
        approved = (str(leaf.facts["request"]), "egress") in self.open
        self.expect(approved, leaf, "a run starts before gate 'egress' approved what may leave")
        self.findings.counts["starts of runs with their environment"] += 1

    def asked(self, leaf: Leaf, run: str) -> None:
        if run in self.probes:
            self.probes[run] += 1
            return
        if leaf.facts["sequence"] == STRUCTURE:
            self.structures.asked(leaf, run)
            return
        self.expect(run in self.runs, leaf, "a prompt of a run that did not say it started")

    def probed(self, leaf: Leaf) -> None:
        """A probe that was stopped before it began has neither a beginning nor calls; after its end it has no more."""
        calls = self.probes.pop(str(leaf.facts["probe"]), 0)
        self.expect(calls == leaf.facts["calls"], leaf, f"a probe tells of other calls than the {calls} in the log")
        self.findings.counts["probes of endpoints"] += 1

    def expect(self, holds: bool, leaf: Leaf, message: str) -> bool:
        return self.findings.expect(holds, "gates", f"entry {leaf.index}", message)


def check(archive: Archive, findings: Findings) -> None:
    gates = Gates(findings)
    for leaf in archive.leaves:
        gates.read(leaf)
