"""The only way to a proposer: record the prompt, hand the intent's number to the door, read the answer.

Nothing here opens a network connection. The door, a process of its own, takes an intent's number and
sends the bytes that were recorded under it.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.db.models import QuerySet

from audit import prompts
from audit.actors import SYSTEM
from audit.errors import LogUnavailable
from audit.models import PromptRecord
from audit.rendering import render
from audit.segments import Prompt
from privacy import selectors
from synthesis import costs, envelope, halts
from synthesis.models import Run


class Refused(Exception):
    """The call must not be made: the log, the envelope or the door says no. The run pauses."""


class NoAnswer(Exception):
    """Every attempt was recorded and failed, or another could cost too much. The run goes on without this proposal."""


def ask(run: Run, prompt: Prompt, *, sequence: int, beat: Callable[[], None]) -> bytes:
    """One question, at most three physical attempts, each with an intent of its own; returns the answer's bytes.

    An answer recorded to the very same question, by a worker that died later, is returned without asking again.
    ``beat`` keeps the caller's lease through attempts that take long.
    """
    made = PromptRecord.objects.filter(run=str(run.pk), sequence=sequence)
    if (before := answered_before(made, prompt)) is not None:
        return before
    reason = "the approved attempts of this step are used up"
    while made.count() < run.request.manifest.body["caps"]["attempts_per_step"]:
        check(run, prompt)
        beat()
        attempt = made.count() + 1
        afford(run, prompt, sequence=sequence, attempt=attempt)
        intent = record(run, prompt, sequence=sequence, attempt=attempt)
        reply = through_the_door(intent)
        beat()
        if reply["outcome"] == "answered":
            return prompts.answer(intent)
        if reply["outcome"] == "refused":
            raise Refused(reply["reason"])
        reason = reply["reason"]
    raise NoAnswer(reason)


def answered_before(made: QuerySet[PromptRecord], prompt: Prompt) -> bytes | None:
    body = render(prompt)
    for row in made.filter(state=PromptRecord.State.ANSWERED):
        if prompts.load_body(row) == body:
            return prompts.answer(row.intent_id)
    return None


def check(run: Run, prompt: Prompt) -> None:
    """Refuse what gate B did not approve, and everything while a kill switch stands.

    Caps count every intent of the run: any of them may have left.
    """
    request = run.request
    if stopped := halts.standing(request):
        raise Refused(stopped)
    if costs.approved(run)["prices"] != costs.caps_for(request)["prices"]:
        raise Refused("the endpoint's prices are not those approved")
    calls = PromptRecord.objects.filter(run=str(run.pk)).count()
    refusal = envelope.outside(request.manifest.body, prompt, provider=request.provider.as_json(), calls=calls)
    if refusal := refusal or envelope.untrue(selectors.released(request.release_key), prompt):
        raise Refused(refusal)


def afford(run: Run, prompt: Prompt, *, sequence: int, attempt: int) -> None:
    """Set aside the most this attempt can cost; beyond the caps the run goes on without asking."""
    try:
        costs.reserve(run, prompt, sequence=sequence, attempt=attempt)
    except costs.CapReached as problem:
        raise NoAnswer(str(problem)) from problem


def record(run: Run, prompt: Prompt, *, sequence: int, attempt: int) -> str:
    """Write the intent to the log. No record, no call."""
    try:
        row = prompts.record_intent(
            run=str(run.pk), sequence=sequence, attempt=attempt,
            endpoint=run.request.provider.name, prompt=prompt, by=SYSTEM,
        )  # fmt: skip
        return row.intent_id
    except LogUnavailable as problem:
        raise Refused(f"the audit log cannot be written: {problem}") from problem


def through_the_door(intent: str) -> dict[str, Any]:
    """Ask the door to send a recorded intent; waits for its one-line reply."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
            line.settimeout(settings.DOOR_LEASE_SECONDS + 10)
            line.connect(str(settings.DOOR_SOCKET))
            line.sendall(json.dumps({"intent": intent}).encode() + b"\n")
            reply = line.makefile("rb").readline()
    except OSError as problem:
        raise Refused(f"the door does not answer ({type(problem).__name__}); start it with run_door") from problem
    if not reply:
        raise Refused("the door hung up before it answered")
    return dict(json.loads(reply))
