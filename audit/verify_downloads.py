"""Was every file that was handed over one of an approved package, under terms its reader had accepted?"""

from __future__ import annotations

from typing import Any

from audit.archive import Archive
from audit.findings import Findings
from audit.leaves import Leaf


class Downloads:
    """Packages, grants, accepted terms and revocations, read in the order of the log."""

    def __init__(self, findings: Findings) -> None:
        self.findings = findings
        self.packages: dict[str, Leaf] = {}
        self.grants: dict[str, Leaf] = {}
        self.accepted: dict[tuple[str, str], Leaf] = {}
        self.texts: dict[str, str] = {}
        self.revoked: set[str] = set()

    def read(self, leaf: Leaf) -> None:
        match leaf.action:
            case "synthesis:package:built":
                self.packages[str(leaf.facts["package"])] = leaf
            case "synthesis:grant:issued":
                self.granted(leaf)
            case "synthesis:licence:accepted":
                self.accepts(leaf)
            case "synthesis:request:revoked" | "synthesis:request:recalled":
                self.revoked.add(str(leaf.facts["request"]))
            case "synthesis:download:served":
                self.served(leaf)

    def granted(self, leaf: Leaf) -> None:
        self.grants[str(leaf.facts["grant"])] = leaf
        built = self.packages.get(str(leaf.facts.get("package")))
        same = built is not None and built.facts["sha256"] == leaf.facts.get("content_hash")
        self.expect(same, leaf, "a grant for a package that was not built as it was approved")

    def accepts(self, leaf: Leaf) -> None:
        version, text = str(leaf.facts["licence"]), str(leaf.facts["licence_sha256"])
        self.expect(leaf.facts["user"] == leaf.by, leaf, "terms accepted in another person's name")
        self.expect(self.texts.setdefault(version, text) == text, leaf, f"version {version} of the terms has two texts")
        self.accepted[str(leaf.facts["grant"]), version] = leaf
        self.findings.counts["terms accepted"] += 1

    def served(self, leaf: Leaf) -> None:
        facts = leaf.facts
        terms = self.accepted.get((str(facts["grant"]), str(facts["licence"])))
        mine = terms is not None and terms.facts["user"] == facts["user"]
        self.expect(mine, leaf, "a download under terms that its reader had not accepted")
        grant = self.grants.get(str(facts["grant"]))
        if grant is not None:  # one that is missing is found elsewhere
            built = self.packages.get(str(grant.facts.get("package")))
            self.expect(built is not None and facts["sha256"] in _hashes(built.facts), leaf, "a file of no package")
            stands = str(grant.facts["request"]) not in self.revoked
            self.expect(stands, leaf, "a download after the release was revoked or recalled")

    def expect(self, holds: bool, leaf: Leaf, message: str) -> bool:
        return self.findings.expect(holds, "downloads", f"entry {leaf.index}", message)


def _hashes(package: Any) -> set[str]:
    return {str(package["sha256"]), *map(str, package["files"].values())}


def check(archive: Archive, findings: Findings) -> None:
    downloads = Downloads(findings)
    for leaf in archive.leaves:
        downloads.read(leaf)
