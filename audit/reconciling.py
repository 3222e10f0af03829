"""After an older log was restored: the lost entries are entered again, byte for byte, from a verified export.

Nothing else makes the log usable again, so no entry, and no spent privacy budget, is ever forgotten by a restore.
Run by the owner of the log's database: the application itself has no right to do this.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from django.db import transaction

from audit import anchors, archive, bodies, entering, events, keys, log, verify_log
from audit.archive import Archive
from audit.errors import AuditError
from audit.findings import Findings, Unusable
from audit.leaves import Leaf, time_of
from audit.merkle import Frontier, leaf_hash
from audit.models import Body, LogEntry, LogHead


@dataclass(frozen=True, slots=True)
class Lost:
    """A verified export that covers the anchor, and how many of its entries are still here."""

    export: Archive
    kept: int


def examine(folder: Path) -> Lost:
    """What an export would give back. AuditError, naming the rule, where it may not be used."""
    findings, anchor = Findings(), anchors.latest()
    try:
        found = archive.read(folder, keys.public(), findings)
    except Unusable as error:
        raise AuditError(str(error)) from error
    verify_log.check(found, [anchor] if anchor else [], findings)
    if findings.found:
        first = findings.found[0]
        raise AuditError(f"the export cannot be used: {first.place}: {first.message}")
    with entering.unavailable():
        here = [bytes(leaf) for leaf in LogEntry.objects.order_by("index").values_list("leaf", flat=True)]
    shared = min(len(here), len(found.lines))
    if here[:shared] != found.lines[:shared]:
        raise AuditError("the log here is no earlier state of the export: it tells another history")
    if len(here) >= len(found.lines):
        raise AuditError("the export holds nothing that is missing here")
    return Lost(found, len(here))


def reenter(lost: Lost, *, reason: str, by: str, confirmed_by: str) -> int:
    """Enter the lost entries and say so in the log, naming both people; how many entries came back."""
    if not reason.strip() or not by or not confirmed_by or by == confirmed_by:
        raise AuditError("two different people, and a reason, are needed")
    with entering.unavailable(), transaction.atomic(using=log.ALIAS, durable=True):
        _bodies(lost.export)
        LogEntry.objects.bulk_create(map(_row, lost.export.leaves[lost.kept :]), batch_size=500)
        tree = Frontier.of(map(leaf_hash, lost.export.lines))
        head = LogHead.objects.first() or LogHead()
        head.size, head.frontier = tree.size, tree.packed()
        head.save()
    facts = {"kept": lost.kept, "entries": tree.size, "reason": reason, "proposed_by": by, "confirmed_by": confirmed_by}
    events.append(action="audit:log:reconciled", by=by, subject="log:all", facts=facts)
    log.checkpoint()
    return tree.size - lost.kept


def _row(leaf: Leaf) -> LogEntry:
    data = leaf.to_bytes()
    return LogEntry(
        index=leaf.index, leaf=data, leaf_hash=leaf_hash(data), event_id=leaf.event, action=leaf.action, by=leaf.by,
        subject=leaf.subject, at=time_of(leaf.time),
    )  # fmt: skip


def _bodies(export: Archive) -> None:
    """Those that are gone too, sealed with today's key; their salt, and so their hash in the log, stays."""
    here = set(Body.objects.values_list("id", flat=True))
    missing = [body for name, body in export.bodies.items() if name not in here]
    Body.objects.bulk_create(
        [
            Body(id=body.id, kind=body.kind, key_id="", nonce=b"", salt=b"", cipher=b"", erased=True) if body.erased
            else bodies.resealed(body.id, body.data, kind=body.kind, salt=body.salt)
            for body in missing
        ],
        batch_size=200,
    )  # fmt: skip
