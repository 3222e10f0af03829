"""Every prompt on its way out: intent, checkpoint, sending, outcome or in doubt.

One intent stands for one physical attempt. It is in the log, durably, before anybody can send it; a
signed checkpoint over it lies outside the database before the first byte leaves; and it is closed by
exactly one entry. A lease that runs out with no outcome leaves the prompt *in doubt*: it may have
arrived, so it is never sent again under this intent.
"""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.db import IntegrityError, connection, transaction
from django.db.models import QuerySet
from django.utils import timezone

from audit import bodies, events, figures, fixed, log, rendering, witnessing
from audit.errors import AlreadySending, AuditError, BodyBroken, PromptExists, StaleToken
from audit.leaves import time_text
from audit.models import PromptRecord
from audit.segments import Prompt

State = PromptRecord.State
_NEVER_SENT: dict[str, Any] = {"token": "", "sent": False, "answer": None, "error": "lapsed", "usage": {}}  # nosec B105  # no token
ONE = "SELECT * FROM audit_promptrecord WHERE intent_id = %s"
INTENT_LIFETIME = timedelta(minutes=10)
"""How long an intent may wait to be sent; after that it lapses, so that none stays open for ever."""


def record_intent(*, run: str, sequence: int, attempt: int, endpoint: str, prompt: Prompt, by: str) -> PromptRecord:
    """Render the prompt and put it into the log; only then can it be sent.

    Must not run inside a transaction. Raises PromptExists, UnfitSegment or LogUnavailable.
    """
    rendered = rendering.render(prompt)
    body, body_hash = bodies.sealed(rendered, kind="prompt")
    segments, map_hash = bodies.sealed(rendering.to_map(prompt), kind="map")
    row = PromptRecord(
        intent_id=uuid.uuid4().hex, run=run, sequence=sequence, attempt=attempt, endpoint=endpoint, by=by,
        body_id=body.pk, map_id=segments.pk, deadline=timezone.now() + INTENT_LIFETIME,
    )  # fmt: skip
    _prepare(row)
    facts = {
        "intent": row.intent_id, "run": run, "sequence": sequence, "attempt": attempt, "endpoint": endpoint,
        "prompt": {"id": body.pk, "hash": body_hash}, "map": {"id": segments.pk, "hash": map_hash},
        "deadline": time_text(row.deadline),
    }  # fmt: skip
    row.intent_index = _append(row, "intent", by, facts, [body, segments])
    row.state = State.INTENT
    row.save(update_fields=["intent_index", "state"])
    figures.keep(row, prompt, total=len(rendered))
    return row


def get(intent_id: str) -> PromptRecord:
    """The row of an intent; AuditError where there is none."""
    row = fixed.one(PromptRecord, ONE, intent_id)
    if row is None:
        raise AuditError(f"no intent {intent_id}")
    return row


def load_body(record: PromptRecord) -> bytes:
    """The exact bytes to send, checked against the hash in the log."""
    return bodies.opened(record.body_id, expected=_hash(record, "prompt"))


def load_prompt(record: PromptRecord) -> Prompt:
    """The prompt as it was composed, from its stored segment map, checked against the log."""
    return rendering.from_map(bodies.opened(record.map_id, expected=_hash(record, "map")))


def start_sending(intent_id: str, *, lease_seconds: int, row: PromptRecord | None = None) -> str:
    """Claim the one right to send, anchor a checkpoint over it, and return the token for ``finish``.

    Raises AlreadySending for an intent that was claimed, closed or has lapsed, and LogUnavailable, in
    which case nothing may be sent; the intent then waits again, or is closed by the sweeper. Where cosignatures
    are required (WITNESSES_REQUIRED), too few of them are such a case. ``row``: the intent's, where it was read before.
    """
    if events.any_pending():
        events.flush()
    token, deadline = secrets.token_hex(16), timezone.now() + timedelta(seconds=lease_seconds)
    claimed = PromptRecord.objects.filter(intent_id=intent_id, state=State.INTENT, deadline__gt=timezone.now()).update(
        state=State.SENDING, token=token, deadline=deadline
    )
    if not claimed:
        raise AlreadySending(f"intent {intent_id} is not waiting to be sent")
    try:
        _, note = log.anchor()
        witnessing.require()
        _log_sending(row or get(intent_id), token, note)
    except Exception:
        _unclaim(intent_id, token)
        raise
    return token


def withdraw(intent_id: str, *, reason: str) -> PromptRecord:
    """Close an intent that was refused before anybody claimed it: nothing was sent, nothing will be."""
    with transaction.atomic(durable=True):
        row = _locked(intent_id)
        if row.state != State.INTENT:
            raise AlreadySending(f"intent {intent_id} is not waiting to be sent")
        row.error = reason[:200]
        _close(row, "outcome", {**_NEVER_SENT, "error": row.error}, State.LAPSED, [])
    return row


def finish(
    intent_id: str, *, token: str, answer: bytes | None, error: str, usage: Mapping[str, Any], sent: bool = True
) -> PromptRecord:
    """Write down what came of it: the answer's bytes, or None and an error. Raises StaleToken.

    ``sent`` is False where the holder of the token decided not to send after all.
    """
    body, facts = None, None
    if answer is not None:
        body, answer_hash = bodies.sealed(answer, kind="answer")
        facts = {"id": body.pk, "hash": answer_hash}
    with transaction.atomic(durable=True):
        row = _locked(intent_id)
        if row.state != State.SENDING or not secrets.compare_digest(row.token, token):
            raise StaleToken(f"intent {intent_id}: the lease of this token is over")
        row.error, row.usage = error[:200], {key: n for key, n in usage.items() if type(n) is int}
        row.answer_id = body.pk if body else ""
        outcome = {"token": token, "sent": sent, "answer": facts, "error": row.error, "usage": row.usage}
        state = State.ANSWERED if body else State.FAILED if sent else State.LAPSED
        _close(row, "outcome", outcome, state, [body] if body else [])
        if answer is not None:
            figures.answered(row, len(answer))
    return row


def answer(intent_id: str) -> bytes:
    """The recorded answer, checked against the log. Raises BodyBroken when there is none."""
    row = get(intent_id)
    if row.closed_index is None or not row.answer_id:
        raise BodyBroken(f"intent {intent_id} has no answer")
    found = log.entry(row.closed_index).facts["answer"]
    return bodies.opened(row.answer_id, expected=found["hash"])


def sweep() -> list[PromptRecord]:
    """Close every prompt whose time is over: in doubt if it was being sent, lapsed if it never was."""
    overdue = PromptRecord.objects.filter(
        state__in=(State.PREPARED, State.INTENT, State.SENDING), deadline__lte=timezone.now()
    ).values_list("intent_id", flat=True)
    return [closed for intent_id in list(overdue) if (closed := _sweep_one(intent_id))]


def open_prompts() -> QuerySet[PromptRecord]:
    """Prompts that no entry has closed yet."""
    return PromptRecord.objects.filter(state__in=(State.PREPARED, State.INTENT, State.SENDING))


def _locked(intent_id: str) -> PromptRecord:
    """The row, which nobody else may change before the caller's transaction ends."""
    row = fixed.one(PromptRecord, ONE + (" FOR UPDATE" if connection.features.has_select_for_update else ""), intent_id)
    if row is None:
        raise AuditError(f"no intent {intent_id}")
    return row


def _prepare(row: PromptRecord) -> None:
    # The row comes before the entry, so that an intent in the log always has a row that can be closed.
    same = PromptRecord.objects.filter(run=row.run, sequence=row.sequence, attempt=row.attempt)
    for earlier in same.filter(state=State.PREPARED):
        if log.find(f"{earlier.intent_id}:intent") is None:
            earlier.delete()  # the log was not available then: nothing was recorded, nothing sent
    try:
        with transaction.atomic(durable=True):
            row.save(force_insert=True)
    except IntegrityError as error:
        raise PromptExists(f"{row} was recorded before; a new attempt needs a new number") from error


def _append(
    row: PromptRecord, tag: str, by: str, facts: Mapping[str, Any], kept: list[Any], note: log.Note | None = None
) -> int:
    step = "closed" if tag in ("outcome", "in_doubt") else tag  # one entry of each step, whatever is retried
    return log.append(
        event_id=f"{row.intent_id}:{step}", action=f"audit:prompt:{tag}",
        by=by, subject=f"run:{row.run}", facts=facts, bodies=kept, note=note,
    )  # fmt: skip


def _hash(record: PromptRecord, name: str) -> str:
    found = log.find(f"{record.intent_id}:intent")
    if found is None:
        raise BodyBroken(f"intent {record.intent_id} is not in the log")
    return str(found.facts[name]["hash"])


def _log_sending(row: PromptRecord, token: str, note: log.Note | None) -> None:
    facts = {"intent": row.intent_id, "token": token, "deadline": time_text(row.deadline)}
    _append(row, "sending", "system:door", facts, [], note)


def _unclaim(intent_id: str, token: str) -> None:
    if log.find(f"{intent_id}:sending") is not None:
        return  # logged as being sent, so it stays claimed and will be in doubt
    claimed = PromptRecord.objects.filter(intent_id=intent_id, token=token, state=State.SENDING)
    claimed.update(state=State.INTENT, token="", deadline=timezone.now() + INTENT_LIFETIME)  # nosec B106  # no token


def _close(row: PromptRecord, tag: str, facts: dict[str, Any], state: str, kept: list[Any]) -> None:
    """Append the one closing entry, then move the row to what the log says: the log was first."""
    row.closed_index = _append(row, tag, "system:door", {"intent": row.intent_id, **facts}, kept)
    written = log.entry(row.closed_index)
    if written.action != f"audit:prompt:{tag}" or written.facts.get("token") != facts.get("token"):
        raise StaleToken(f"intent {row.intent_id} was closed before, by {written.action}")
    row.state = state
    row.save(update_fields=["closed_index", "state", "error", "usage", "answer_id"])


def _sweep_one(intent_id: str) -> PromptRecord | None:
    with transaction.atomic(durable=True):
        row = _locked(intent_id)
        if row.deadline > timezone.now() or row not in open_prompts():
            return None
        written = log.find(f"{intent_id}:closed")
        if written is not None:
            _follow(row, written.index)
        elif row.state == State.SENDING:
            _close(row, "in_doubt", {}, State.IN_DOUBT, [])
        elif log.find(f"{intent_id}:intent") is None:
            row.delete()
            return None
        else:
            _close(row, "outcome", _NEVER_SENT, State.LAPSED, [])
        return row


def _follow(row: PromptRecord, index: int) -> None:
    """The log was written but the row was not (a crash between): take the row to what the log says."""
    leaf = log.entry(index)
    row.closed_index, row.state = index, State.IN_DOUBT
    if leaf.action == "audit:prompt:outcome":
        kept = leaf.facts["answer"]
        row.answer_id, row.error = (kept["id"] if kept else ""), leaf.facts["error"]
        row.usage = leaf.facts["usage"]
        row.state = State.ANSWERED if kept else State.FAILED if leaf.facts["sent"] else State.LAPSED
    row.save()
