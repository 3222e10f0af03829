"""Was a model asked about a table's columns before measuring, once, and told nothing but the declaration?"""

from __future__ import annotations

import hashlib
import json

from audit.findings import Findings
from audit.leaves import Leaf
from audit.segments import Declared, FreeText, Prompt, Template

STRUCTURE = 0
"""The step of a run that is this question; those of the loop count from 1."""
SAID = (Template, Declared, FreeText)


class Structures:
    """The questions of all requests, read in the order of the log."""

    def __init__(self, findings: Findings) -> None:
        self.findings = findings
        self.open: dict[str, str] = {}
        self.calls: dict[str, int] = {}
        self.answers: dict[str, str] = {}

    def begun(self, leaf: Leaf) -> None:
        run, request = str(leaf.facts["run"]), str(leaf.facts["request"])
        self.expect(run not in self.calls, leaf, "the same question about columns begins twice")
        self.open[run], self.calls[run] = request, 0

    def asked(self, leaf: Leaf, run: str) -> None:
        self.expect(run in self.open, leaf, "a question about columns that did not say it began, or is over")
        self.calls[run] = self.calls.get(run, 0) + 1

    def ended(self, leaf: Leaf) -> None:
        run, request = str(leaf.facts["run"]), str(leaf.facts["request"])
        self.expect(self.open.pop(run, "") == request, leaf, "a question about columns ends that did not begin")
        calls = self.calls.get(run, 0)
        self.expect(calls == leaf.facts["calls"], leaf, f"it tells of other calls than the {calls} in the log")
        told = hashlib.sha256(json.dumps(leaf.facts["hints"], ensure_ascii=False).encode()).hexdigest()
        self.expect(told == leaf.facts["hints_sha256"], leaf, "the hints are not those whose hash it names")
        self.answers[request] = told
        self.findings.counts["questions about columns"] += 1

    def paid(self, leaf: Leaf, request: str) -> None:
        self.expect(request not in self.open.values(), leaf, "a plan is paid for while its columns are asked about")

    def reserved(self, leaf: Leaf, request: str) -> None:
        """Privacy loss is set aside for a plan with exactly the hints that were frozen."""
        same = leaf.facts.get("hints_sha256") == self.answers.get(request)
        self.expect(same, leaf, "a plan is paid for with other hints than those in the log")

    def expect(self, holds: bool, leaf: Leaf, message: str) -> bool:
        return self.findings.expect(holds, "gates", f"entry {leaf.index}", message)


def beyond_declaration(prompt: Prompt) -> str:
    """What in such a question is neither wording, nor declared, nor approved text; an empty string for nothing."""
    for message in prompt.messages:
        for segment in message.segments:
            if not isinstance(segment, SAID):
                return f"a {segment.type}"
            if isinstance(segment, Declared) and segment.source.startswith("release:"):
                return "labels that a release found"
    return ""
