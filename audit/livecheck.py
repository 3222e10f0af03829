"""The running log against itself and against what lies outside the database."""

from __future__ import annotations

from django.db import connections

from audit import anchors, events, keys, log
from audit.findings import Findings
from audit.leaves import Leaf, LeafError, time_text
from audit.merkle import Frontier, leaf_hash
from audit.migrations_tools import missing_triggers
from audit.models import Checkpoint, LogEntry, LogHead
from audit.notes import Checkpoint as SignedCheckpoint
from audit.notes import NoteError

APPEND_ONLY = ("audit_logentry", "audit_checkpoint", "audit_body")


def check() -> Findings:
    """Re-read every entry and every checkpoint; the log may grow meanwhile.

    Raises LogUnavailable when the log cannot be read at all, or is behind its anchor.
    """
    findings = Findings()
    log.check_whole()
    signed = _signed(findings)  # before the head, so that every size they speak of is within it
    head = LogHead.objects.first() or LogHead()
    tree, roots = _entries(head.size, {one.size for one in signed}, findings)
    same = head.size == tree.size and bytes(head.frontier) == tree.packed()
    findings.expect(same, "head", f"size {head.size}", "the head does not belong to the entries")
    for one in signed:
        holds = roots.get(one.size) == one.root
        findings.expect(holds, "checkpoints", f"size {one.size}", "the entries do not have this root")
    for table in APPEND_ONLY:
        for name in missing_triggers(connections[log.ALIAS], table):
            findings.broken("triggers", name, "the table is no longer protected from changes")
    findings.counts.update({"entries": tree.size, "checkpoints": len(signed), "events waiting": events.pending()})
    return findings


def _entries(size: int, wanted: set[int], findings: Findings) -> tuple[Frontier, dict[int, bytes]]:
    """The tree over the entries, and its roots at the wanted sizes."""
    tree, roots = Frontier(), dict[int, bytes]()
    for entry in LogEntry.objects.filter(index__lt=size).order_by("index").iterator(chunk_size=2000):
        _entry(entry, tree.size, findings)
        tree = tree.with_leaf(leaf_hash(bytes(entry.leaf)))
        if tree.size in wanted:
            roots[tree.size] = tree.root()
    return tree, roots


def _entry(entry: LogEntry, expected: int, findings: Findings) -> None:
    place = f"entry {expected}"
    try:
        leaf = Leaf.from_bytes(bytes(entry.leaf))
    except LeafError as error:
        findings.broken("entries", place, str(error))
        return
    findings.expect(entry.index == leaf.index == expected, "entries", place, "its number is another one")
    hashed = bytes(entry.leaf_hash) == leaf_hash(bytes(entry.leaf))
    findings.expect(hashed, "entries", place, "its hash does not belong to its bytes")
    columns = (entry.event_id, entry.action, entry.by, entry.subject, time_text(entry.at))
    told = (leaf.event, leaf.action, leaf.by, leaf.subject, leaf.time)
    findings.expect(columns == told, "entries", place, "the columns beside it say something else")


def _signed(findings: Findings) -> list[SignedCheckpoint]:
    """Every checkpoint in the database and in the anchor folder whose signature holds."""
    found = [bytes(note) for note in Checkpoint.objects.values_list("note", flat=True)] + anchors.every()
    signed = []
    for note in dict.fromkeys(found):
        try:
            signed.append(keys.opened(note))
        except NoteError as error:
            findings.broken("checkpoints", "note", str(error))
    return signed
