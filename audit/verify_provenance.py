"""Does an export of the log tell of a package, and of the same waiver, or none, that the package tells of?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from audit import archive, verify
from audit.findings import Finding, Findings
from audit.leaves import Leaf, LeafError

BUILT = "synthesis:package:built"
SIGNED = "privacy:waiver:signed"


def check(export: Path, manifest: dict[str, Any], digest: str, *, key: str, findings: Findings) -> None:
    """Add what does not hold: of the log itself, and of the package with this manifest of this SHA-256. Unusable."""
    report = verify.verify(export, key=key)
    findings.found += [_of(one) for one in report.findings]
    leaves = _leaves(export)
    built = next((one for one in leaves if one.action == BUILT and one.facts["sha256"] == digest), None)
    if built is None:
        findings.broken("log", export.name, "the log tells of no package with this manifest")
        return
    told = manifest.get("one_steward")
    findings.expect(built.facts.get("one_steward") == told, "log", f"entry {built.index}", "tells of another waiver")
    if told is not None:
        _signed(leaves, told, built, findings)
    findings.counts["entries of the log"] = report.size


def _signed(leaves: list[Leaf], told: dict[str, Any], built: Leaf, findings: Findings) -> None:
    """The words that were signed are those the package names; that the owner signed them is checked with the log."""
    earlier = (one for one in leaves if one.action == SIGNED and one.index < built.index)
    same = any(
        one.facts["waiver"] == told["waiver"] and one.facts["text_sha256"] == told["text_sha256"] for one in earlier
    )
    findings.expect(same, "log", f"entry {built.index}", "no waiver of this name and these words was signed before")


def _leaves(export: Path) -> list[Leaf]:
    try:
        return [Leaf.from_bytes(line) for line in (export / archive.ENTRIES).read_bytes().split(b"\n")[:-1]]
    except (OSError, LeafError):
        return []  # audit.verify has said so


def _of(one: dict[str, str]) -> Finding:
    return Finding(f"log, {one['check']}", one["place"], one["message"])
