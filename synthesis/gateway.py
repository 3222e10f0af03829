"""The only way to a proposer: record the prompt, hand the intent's number to the door, read the answer.

Nothing here opens a network connection. The door, a process of its own, takes an intent's number and
sends the bytes that were recorded under it.
"""

from __future__ import annotations

import json
import random
import socket
import time
from collections.abc import Callable, Iterable

from django.conf import settings
from django.db.models import QuerySet

from audit import prompts
from audit.actors import SYSTEM
from audit.errors import LogUnavailable
from audit.models import PromptRecord
from audit.rendering import render
from audit.segments import Prompt
from synthesis import costs, envelope, halts
from synthesis.models import Run
from synthesis.states import EMBEDDED

Reply = dict[str, str]
ANSWERED = PromptRecord.State.ANSWERED


class Refused(Exception):
    """The call must not be made: the log, the envelope or the door says no. The run pauses."""


class NoAnswer(Exception):
    """Every attempt was recorded and failed, or another could cost too much. The run goes on without this proposal."""


ANOTHER_TIME = ("0", "408", "409", "425", "429")
"""Statuses after which the same request may succeed, beside those of a server's own faults; 0: no reply came."""
LONGEST_PAUSE = 30.0
IN_VAIN = 2
"""Steps in a row without an answer after which an endpoint is not asked again in a run."""
Beat = Callable[[], None]


def ask(run: Run, prompt: Prompt, *, sequence: int, beat: Beat) -> bytes:
    """One question, at most three physical attempts, each with an intent of its own; returns the answer's bytes.

    An answer recorded to the very same question, by a worker that died later, is returned without asking again.
    ``beat`` keeps the caller's lease through attempts that take long.
    """
    made = PromptRecord.objects.filter(run=str(run.pk), sequence=sequence, endpoint=run.request.provider.name)
    if (before := answered_before(made, prompt)) is not None:
        return before
    if in_vain(run, before=sequence):
        raise NoAnswer(f"the endpoint gave no answer in {IN_VAIN} steps, and is not asked again in this run")
    reason, most = "the approved attempts of this step are used up", attempts_of(run)
    while made.count() < most:
        reply, intent = attempt_at(run, prompt, sequence=sequence, beat=beat)
        if reply["outcome"] == "answered":
            return prompts.answer(intent)
        reason = reply["reason"]
        if not worth_another(reply):
            break
        if made.count() < most:
            pause(made.count(), reply, beat)
    raise NoAnswer(reason)


def attempts_of(run: Run) -> int:
    return int(run.request.approved_to_leave["caps"]["attempts_per_step"])


def attempt_at(run: Run, prompt: Prompt, *, sequence: int, beat: Beat) -> tuple[Reply, str]:
    """One physical attempt and its intent. Raises Refused where it must not be made, NoAnswer beyond a cap."""
    check(run, prompt)
    beat()
    attempt = PromptRecord.objects.filter(run=str(run.pk), sequence=sequence).count() + 1
    afford(run, prompt, sequence=sequence, attempt=attempt)
    return sent(run, prompt, sequence=sequence, attempt=attempt, endpoint=run.request.provider.name, beat=beat)


def sent(run: Run, prompt: Prompt, *, sequence: int, attempt: int, endpoint: str, beat: Beat) -> tuple[Reply, str]:
    intent = record(run, prompt, sequence=sequence, attempt=attempt, endpoint=endpoint)
    reply = through_the_door(intent)
    beat()
    if reply["outcome"] == "refused":
        raise Refused(reply["reason"])
    return reply, intent


def worth_another(reply: Reply) -> bool:
    """Whether the same request may succeed later. A wrong key, an unknown model, a prompt that is too long do not."""
    status = reply.get("status", "0")
    return status in ANOTHER_TIME or status.startswith("5")


def pause(tries: int, reply: Reply, beat: Beat) -> None:
    """Wait a random while, longer after each try, and as long as the endpoint asks for, within reason."""
    longest = settings.CALL_RETRY_SECONDS * 2 ** (tries - 1)
    wished = float(reply.get("wait", 0)) if longest else 0.0
    time.sleep(min(LONGEST_PAUSE, max(random.uniform(0, longest), wished)))  # noqa: S311  # nosec B311  # no secret
    beat()


def in_vain(run: Run, *, before: int) -> bool:
    made = PromptRecord.objects.filter(
        run=str(run.pk), sequence__range=(1, before - 1), endpoint=run.request.provider.name
    )
    return given_up((sequence, state == ANSWERED) for sequence, state in made.values_list("sequence", "state"))


def given_up(attempts: Iterable[tuple[int, bool]]) -> bool:
    """Whether an endpoint left the latest steps that asked it without an answer; (step, answered) of every attempt."""
    steps: dict[int, bool] = {}
    for step, answered in attempts:
        steps[step] = steps.get(step, False) or answered
    return len(steps) >= IN_VAIN and not any(steps[step] for step in sorted(steps)[-IN_VAIN:])


def instead(run: Run, prompt: Prompt, *, sequence: int, beat: Beat) -> bytes:
    """The embedded proposer's answer in the endpoint's place; NoAnswer where gate B did not approve that.

    Nothing leaves and nothing is paid for, so no cap counts it; it is recorded as every other prompt.
    """
    if not run.request.manifest.body.get("takeover"):
        raise NoAnswer("the request does not have the embedded proposer take over")
    made = PromptRecord.objects.filter(run=str(run.pk), sequence=sequence)
    if (before := answered_before(made.filter(endpoint=EMBEDDED), prompt)) is not None:
        return before
    check(run, prompt, leaving=False)
    reply, intent = sent(run, prompt, sequence=sequence, attempt=made.count() + 1, endpoint=EMBEDDED, beat=beat)
    if reply["outcome"] != "answered":
        raise NoAnswer(reply["reason"])
    return prompts.answer(intent)


def answered_before(made: QuerySet[PromptRecord], prompt: Prompt) -> bytes | None:
    body = render(prompt)
    for row in made.filter(state=ANSWERED):
        if prompts.load_body(row) == body:
            return prompts.answer(row.intent_id)
    return None


def check(run: Run, prompt: Prompt, *, leaving: bool = True) -> None:
    """Refuse what no gate approved, and everything while a kill switch stands.

    Caps count every intent to the request's own provider: any of them may have left.
    """
    request = run.request
    if stopped := halts.standing(request):
        raise Refused(stopped)
    if costs.approved(run)["prices"] != costs.caps_for(request)["prices"]:
        raise Refused("the endpoint's prices are not those approved")
    calls = PromptRecord.objects.filter(run=str(run.pk), endpoint=request.provider.name).count() if leaving else 0
    refusal = envelope.outside(request.approved_to_leave, prompt, provider=request.provider.as_json(), calls=calls)
    if refusal := refusal or envelope.changed(request, prompt):
        raise Refused(refusal)


def afford(run: Run, prompt: Prompt, *, sequence: int, attempt: int) -> None:
    """Set aside the most this attempt can cost; beyond the caps the run goes on without asking."""
    try:
        costs.reserve(run, prompt, sequence=sequence, attempt=attempt)
    except costs.CapReached as problem:
        raise NoAnswer(str(problem)) from problem


def record(run: Run, prompt: Prompt, *, sequence: int, attempt: int, endpoint: str) -> str:
    """Write the intent to the log. No record, no call."""
    try:
        row = prompts.record_intent(
            run=str(run.pk), sequence=sequence, attempt=attempt,
            endpoint=endpoint, prompt=prompt, by=SYSTEM,
        )  # fmt: skip
        return row.intent_id
    except LogUnavailable as problem:
        raise Refused(f"the audit log cannot be written: {problem}") from problem


def through_the_door(intent: str) -> Reply:
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
