"""Did each signing key hand over to the next one openly?"""

from __future__ import annotations

from itertools import pairwise

from audit.archive import Archive
from audit.findings import Findings


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
