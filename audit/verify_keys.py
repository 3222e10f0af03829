"""Did each signing key hand over to the next one openly, and does the log know each key that signed a package?"""

from __future__ import annotations

from itertools import pairwise

from audit.archive import Archive
from audit.findings import Findings

PACKAGES, BUILT = "audit:key:packages", "synthesis:package:built"


def check(archive: Archive, findings: Findings) -> None:
    """Hand-overs in the log and signed statements name the same keys; the newest signed the export."""
    handed = [leaf.facts for leaf in archive.leaves if leaf.action == "audit:key:rotated"]
    told = [(facts["old_key"], facts["new_key"]) for facts in handed]
    stated = list(pairwise(map(str, archive.keys)))
    findings.expect(told == stated, "keys", "hand-overs", "the log and the signed statements name different keys")
    newest = archive.signer in (None, archive.keys[-1])
    findings.expect(newest, "keys", "manifest", "is signed by a key that was replaced before")
    if stated:
        findings.counts["hand-overs of the signing key"] = len(stated)
    _of_packages(archive, findings)


def _of_packages(archive: Archive, findings: Findings) -> None:
    """Each key of packages follows the one before it, and each package names one that the log vouched for before.

    Packages from before there was such a key name none: the log's own key signed them.
    """
    vouched = [""]
    for leaf in archive.leaves:
        if leaf.action == PACKAGES:
            follows = leaf.facts["old_key"] == vouched[-1]
            words = "a key of packages follows another than the one before"
            findings.expect(follows, "keys", f"entry {leaf.index}", words)
            vouched.append(str(leaf.facts["new_key"]))
        elif leaf.action == BUILT:
            named = str(leaf.facts.get("key", ""))
            known = named in vouched[1:] if len(vouched) > 1 else not named
            words = "a package is signed by a key that the log does not vouch for"
            findings.expect(known, "keys", f"entry {leaf.index}", words)
    if len(vouched) > 1:
        findings.counts["keys of packages"] = len(vouched) - 1
