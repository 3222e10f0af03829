"""Was every free text in a prompt part of the request as submitted, and approved with it before it left?

The log holds a hash of such a text with the submission; votes bind to the submission's own hash.
"""

from __future__ import annotations

import hashlib
from typing import Any

from audit.archive import Archive
from audit.findings import Findings
from audit.leaves import Leaf
from audit.segments import FreeText, approved_at_gate_a, approved_with
from audit.verify_structures import STRUCTURE


class FreeTexts:
    """Whose runs are whose, and what was submitted and approved when, read from the log."""

    def __init__(self, archive: Archive) -> None:
        self.requests: dict[str, str] = {}
        self.submissions: dict[str, list[Leaf]] = {}
        self.approved: dict[str, list[tuple[int, Any]]] = {}
        for leaf in archive.leaves:
            request = str(leaf.facts.get("request"))
            match leaf.action:
                case "synthesis:run:started" | "synthesis:run:structuring":
                    self.requests[str(leaf.facts["run"])] = request
                case "synthesis:request:submitted":
                    self.submissions.setdefault(request, []).append(leaf)
                case "synthesis:request:approved":
                    self.approved.setdefault(request, []).append((leaf.index, leaf.facts.get("content_hash")))

    def problem(self, text: FreeText, intent: Leaf, findings: Findings) -> str:
        """Why this text may not be in this prompt, or an empty string."""
        request = self.requests.get(str(intent.facts["run"]), "")
        earlier = [leaf for leaf in self.submissions.get(request, []) if leaf.index < intent.index]
        if not earlier:
            return "a free text in a prompt of no submitted request"
        facts = earlier[-1].facts
        shown = str(facts["content_hash"])
        before_measuring = intent.facts["sequence"] == STRUCTURE
        if text.approval != (approved_at_gate_a(request) if before_measuring else approved_with(shown)):
            return "a free text that names no approval of its request"
        told = facts.get("about_sha256" if before_measuring else "what_if_sha256")
        if hashlib.sha256(text.text.encode()).hexdigest() != told:
            return "a free text that is not the one submitted"
        if not any(at < intent.index and hash_ == shown for at, hash_ in self.approved.get(request, [])):
            return "a free text that no gate had approved"
        findings.counts["free texts matched to what was submitted and approved"] += 1
        return ""
