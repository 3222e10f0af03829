"""Destroying a prompt or an answer: two people, an entry of its own, and then neither cipher nor salt is left.

The entry comes first, and the database refuses to destroy a body that has none. A crash between the two leaves
an entry without its erasure, which the verifier reports; confirming once more completes it. Until somebody
confirms, a proposal can be withdrawn.
"""

from __future__ import annotations

import time
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import connections, transaction
from django.db.models import Q
from django.utils import timezone

from audit import events, log, postgres
from audit.actors import actor
from audit.errors import ErasureRefused
from audit.facts import ERASABLE
from audit.models import Body, ErasureProposal, PromptRecord
from audit.prompts import open_prompts

PERMISSION = "audit.erase_body"
SCRUB_PAUSES = (0.05, 0.2, 1.0)
"""Seconds between tries: while another process moves the journal itself, SQLite refuses at once instead of waiting."""


def parts(record: PromptRecord) -> dict[str, list[str]]:
    """What of a prompt is still there to be erased: 'prompt' (its bytes and its segments, together) and 'answer'."""
    named = {"prompt": [record.body_id, record.map_id], "answer": [record.answer_id]}
    every = [one for ids in named.values() for one in ids]
    left = set(Body.objects.filter(pk__in=every, erased=False).values_list("pk", flat=True))
    return {part: found for part, ids in named.items() if (found := [one for one in ids if one in left])}


def proposals_for(record: PromptRecord) -> list[ErasureProposal]:
    """Proposals about this prompt that were neither carried out nor withdrawn, oldest first."""
    mine = {record.body_id, record.map_id, record.answer_id}
    return [one for one in ErasureProposal.objects.filter(done_at=None) if mine.intersection(one.bodies)]


def proposal_of(body: str) -> ErasureProposal | None:
    """The proposal to destroy this body that is still waiting, if there is one."""
    return next((one for one in ErasureProposal.objects.filter(done_at=None) if body in one.bodies), None)


@transaction.atomic
def propose(*, by: Any, body: str, reason: str) -> ErasureProposal:
    """Ask for a body to be destroyed; a prompt's bytes and its segments, which say the same, go together.

    PermissionDenied, or ErasureRefused for what cannot be erased or is about to be.
    """
    _require(by)
    if not reason.strip():
        raise ErasureRefused("an erasure needs a reason; it stays in the log for ever, so name no person in it")
    record = _record_of(body)
    if any(body in one.bodies for one in proposals_for(record)):
        raise ErasureRefused("that erasure is proposed already; a second person confirms it")
    ids = next((found for found in parts(record).values() if body in found), None)
    if ids is None:
        raise ErasureRefused(f"body {body} was erased before")
    made = ErasureProposal.objects.create(bodies=ids, reason=reason.strip()[:500], proposed_by=actor(by))
    facts = {"proposal": str(made.pk), "bodies": ids, "reason": made.reason}
    events.record(action="audit:body:erasure_proposed", by=actor(by), subject=f"run:{record.run}", facts=facts)
    return made


def confirm(*, by: Any, proposal: ErasureProposal) -> list[str]:
    """Destroy what was proposed, and return the ids. PermissionDenied for whoever proposed it.

    Must not run inside a transaction. Raises LogUnavailable, in which case nothing was destroyed.
    """
    _require(by)
    if proposal.proposed_by == actor(by):
        raise PermissionDenied("A second person confirms an erasure, never whoever proposed it.")
    unclaimed = ErasureProposal.objects.filter(pk=proposal.pk, confirmed_by="", withdrawn_by="")
    unclaimed.update(confirmed_by=actor(by))  # one statement, as in withdraw(): whichever comes first stands
    proposal.refresh_from_db()
    if proposal.withdrawn_by:
        raise ErasureRefused("that proposal was withdrawn meanwhile; nothing was destroyed")
    events.flush()
    for name in proposal.bodies:
        _tell(proposal, name)
        _destroy(name)
    if not _scrubbed():
        raise ErasureRefused("erased, but a process that reads the log still holds copies; confirm once more later")
    ErasureProposal.objects.filter(pk=proposal.pk).update(done_at=timezone.now())
    return list(proposal.bodies)


@transaction.atomic
def withdraw(*, by: Any, proposal: ErasureProposal) -> None:
    """Take a proposal back, one's own or another steward's; nothing is destroyed, and it can be proposed again.

    PermissionDenied, or ErasureRefused once somebody confirmed it: its entries say that the bodies are gone.
    """
    _require(by)
    waiting = ErasureProposal.objects.filter(pk=proposal.pk, confirmed_by="", withdrawn_by="")
    if not waiting.update(withdrawn_by=actor(by), done_at=timezone.now()):
        raise ErasureRefused("that proposal was confirmed or withdrawn before")
    proposal.refresh_from_db()
    facts = {"proposal": str(proposal.pk), "bodies": proposal.bodies, "proposed_by": proposal.proposed_by}
    subject = f"body:{proposal.bodies[0]}"
    events.record(action="audit:body:erasure_withdrawn", by=actor(by), subject=subject, facts=facts)


def _require(by: Any) -> None:
    if not by.has_perm(PERMISSION):
        raise PermissionDenied("Your roles do not allow erasing prompts and answers.")


def _record_of(body: str) -> PromptRecord:
    record = PromptRecord.objects.filter(Q(body_id=body) | Q(map_id=body) | Q(answer_id=body)).first() if body else None
    if record is None:
        raise ErasureRefused("only prompts and answers can be erased, and this is the id of neither")
    if record in open_prompts():
        raise ErasureRefused("this prompt is still under way; wait until it is closed")
    return record


def _tell(proposal: ErasureProposal, name: str) -> None:
    body = Body.objects.get(pk=name)
    if body.kind not in ERASABLE:
        raise ErasureRefused(f"a body of kind {body.kind} is never erased")
    facts = {
        "proposal": str(proposal.pk), "body": name, "kind": body.kind, "reason": proposal.reason,
        "proposed_by": proposal.proposed_by, "confirmed_by": proposal.confirmed_by,
    }  # fmt: skip
    events.append(
        action="audit:body:erased", by=proposal.confirmed_by, subject=f"body:{name}", facts=facts,
        event_id=f"erased:{name}",
    )  # fmt: skip


def _destroy(name: str) -> None:
    left, connection = Body.objects.filter(pk=name, erased=False), connections[log.ALIAS]
    if connection.vendor == "postgresql":  # the application's role may not write to the table itself
        if left.exists():
            postgres.erase_body(log.ALIAS, name)
        return
    with connection.cursor() as cursor:  # or the freed pages would still hold the old bytes
        cursor.execute("PRAGMA secure_delete = ON")
    left.update(erased=True, cipher=b"", salt=b"", nonce=b"")


def _scrubbed() -> bool:
    """Let go of the copies a database keeps of changed rows: SQLite's journal, PostgreSQL's dead rows.

    SQLite says whether it could: a reader elsewhere may need the journal for a moment, or for long.
    """
    connection = connections[log.ALIAS]
    if connection.in_atomic_block:
        return True
    if connection.vendor != "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("VACUUM audit_body")
        return True
    for pause in SCRUB_PAUSES:
        if _truncated(connection):
            return True
        time.sleep(pause)
    return False


def _truncated(connection: Any) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        busy, *_ = cursor.fetchone()
    return busy == 0
