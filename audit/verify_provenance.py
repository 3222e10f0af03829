"""Does an export of the log tell of a package: of the key that signed it, and of the same waiver, or none?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audit import archive, notes, verify
from audit.findings import Finding, Findings
from audit.leaves import Leaf, LeafError
from audit.verify_keys import BUILT, PACKAGES

SIGNED = "privacy:waiver:signed"
RELEASED, RECALLED = "synthesis:request:released", "synthesis:request:recalled"


@dataclass(frozen=True, slots=True)
class Told:
    """An export that was checked: what does not hold of it, and what it tells."""

    export: Path
    report: verify.Report
    leaves: list[Leaf]
    own: list[notes.PublicKey]
    """Every key that signed for this log."""

    @classmethod
    def of(cls, export: Path, *, key: str) -> Told:
        """Check the whole export with this key of the log. Raises Unusable."""
        report = verify.verify(export, key=key)
        return cls(export, report, _leaves(export), archive.chain(export, verify.public_key(key)))

    @property
    def vouched(self) -> list[notes.PublicKey]:
        """The keys of packages that the log vouches for; none where the log itself does not hold."""
        if self.report.findings:
            return []
        named = [str(leaf.facts["new_key"]) for leaf in self.leaves if leaf.action == PACKAGES]
        return [notes.PublicKey.parse(one) for one in named]

    def faults(self) -> list[Finding]:
        """What does not hold of the log itself."""
        return [Finding(f"log, {one['check']}", one["place"], one["message"]) for one in self.report.findings]

    def check(self, manifest: dict[str, Any], digest: str, signer: notes.PublicKey, findings: Findings) -> None:
        """Add what does not hold: of the log itself, and of the package with this manifest of this SHA-256."""
        findings.found += self.faults()
        built = next((one for one in self.leaves if one.action == BUILT and one.facts["sha256"] == digest), None)
        if built is None:
            findings.broken("log", self.export.name, "the log tells of no package with this manifest")
            return
        self._signed_by(signer, built, findings)
        self._released(built, findings)
        told, place = manifest.get("one_steward"), f"entry {built.index}"
        findings.expect(built.facts.get("one_steward") == told, "log", place, "tells of another waiver")
        if told is not None:
            self._waived(told, built, findings)
        findings.counts["entries of the log"] = self.report.size

    def _signed_by(self, signer: notes.PublicKey, built: Leaf, findings: Findings) -> None:
        """The key that the log names, which it vouched for before; none is named where the log's own key signed."""
        named = built.facts.get("key")
        same = signer in self.own if named is None else named == str(signer)
        findings.expect(same, "log", f"entry {built.index}", "names another key than the one that signed the package")

    def _released(self, built: Leaf, findings: Findings) -> None:
        """That the votes on it suffice is checked with the log; here, that it was this package they were about."""
        later = [one for one in self.leaves[built.index :] if one.facts.get("request") == built.facts["request"]]
        for_it = (
            one for one in later if one.action == RELEASED and one.facts.get("content_hash") == built.facts["sha256"]
        )
        findings.expect(any(for_it), "log", f"entry {built.index}", "nobody released it: it was built, and no more")
        for one in later:
            if one.action == RECALLED:
                findings.broken("log", f"entry {one.index}", "it was recalled: stop using every copy")

    def _waived(self, told: dict[str, Any], built: Leaf, findings: Findings) -> None:
        """The words that were signed are those the package names; that the owner signed is checked with the log."""
        earlier = (one for one in self.leaves if one.action == SIGNED and one.index < built.index)
        same = any(
            one.facts["waiver"] == told["waiver"] and one.facts["text_sha256"] == told["text_sha256"] for one in earlier
        )
        words = "no waiver of this name and these words was signed before"
        findings.expect(same, "log", f"entry {built.index}", words)


def _leaves(export: Path) -> list[Leaf]:
    try:
        return [Leaf.from_bytes(line) for line in (export / archive.ENTRIES).read_bytes().split(b"\n")[:-1]]
    except (OSError, LeafError):
        return []  # audit.verify has said so
