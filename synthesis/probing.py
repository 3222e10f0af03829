"""A probe of an endpoint: asked for by a person, made call by call through the door, kept with what it found.

The row is the queue, as everywhere. A probe is not taken up again half-way: one whose worker was lost is closed, and
somebody asks anew, so that what it may cost is bounded for certain.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from audit import events, messages, prompts
from audit.actors import SYSTEM, actor
from audit.errors import LogUnavailable
from audit.models import PromptRecord
from synthesis import gateway, halts
from synthesis.costs import FRAME_TOKENS, Cost
from synthesis.models import Endpoint, Probe
from synthesis.probes import CALLS, NEW, Heard, Story, most_tokens, prompt

log = logging.getLogger(__name__)
TASK = "llmsynthor_site.tasks.probe"
LONGEST = timedelta(minutes=10)
"""No call of a probe begins after this; the last one takes the door's lease at most."""
LOST = "whoever made it was lost; ask again"


@transaction.atomic
def ask_for(endpoint: Endpoint, *, by: Any, worker: bool = True) -> Probe:
    """A probe to be made, by a worker unless the caller makes it; the one under way already, if there is one.

    Raises ValidationError for an endpoint that was switched off, and where a probe could cost more than a request may.
    """
    endpoint = Endpoint.objects.select_for_update().get(pk=endpoint.pk)
    if (under_way := endpoint.probes.filter(finished_at=None).first()) is not None:
        return under_way
    if not endpoint.enabled:
        raise ValidationError("The endpoint is switched off.")
    if endpoint.money_cap is not None and most(endpoint).money(endpoint.prices) > endpoint.money_cap:
        raise ValidationError("A probe could cost more than one request may.")
    probe = Probe.objects.create(endpoint=endpoint, address=endpoint.base_url, model=endpoint.model, asked_by=actor(by))
    if worker:
        transaction.on_commit(lambda: kick(probe))
    return probe


def most(endpoint: Endpoint) -> Cost:
    """The most a probe can cost: tokens told and answered, and seconds."""
    told, answered = most_tokens(endpoint.model, FRAME_TOKENS)
    return Cost(told, answered, int(LONGEST.total_seconds()) + settings.DOOR_LEASE_SECONDS)


def kick(probe: Probe) -> None:
    """Tell the workers. A message that is lost costs only time: the sweeper kicks again."""
    messages.tell(TASK, probe.pk)


def sweep() -> None:
    """Kick the probes that wait, and close those whose worker fell silent."""
    longest = LONGEST + 2 * timedelta(seconds=settings.DOOR_LEASE_SECONDS)
    for probe in Probe.objects.filter(started_at__lt=timezone.now() - longest, finished_at=None):
        conclude(probe, Story(probe.model), LOST)
    for probe in messages.some(Probe.objects.filter(started_at=None, finished_at=None).order_by("asked_at")):
        kick(probe)


def carry_out(pk: str) -> None:
    """Make one probe, if it is there to take; whatever comes of it is written down."""
    if not Probe.objects.filter(started_at=None, finished_at=None, pk=pk).update(started_at=timezone.now()):
        return
    probe = Probe.objects.select_related("endpoint").get(pk=pk)
    story = Story(probe.model)
    try:
        problem = begin(probe) or ask_all(probe, story)
    except Exception as trouble:  # told by its kind alone, and not tried for ever
        log.error("probe failed: %s", type(trouble).__name__)
        problem = f"the probe failed ({type(trouble).__name__})"
    conclude(probe, story, problem)


def begin(probe: Probe) -> str:
    """Say in the log that calls of this probe follow; why there will be none, or an empty string."""
    if stopped := halts.standing_for_all():
        return stopped
    facts = {"probe": str(probe.pk), "endpoint": probe.endpoint.name, "address": probe.address, "model": probe.model}
    try:
        events.append(action="synthesis:endpoint:probing", by=probe.asked_by, subject=subject(probe), facts=facts)
    except LogUnavailable as problem:
        return f"the audit log cannot be written: {problem}"
    return ""


def ask_all(probe: Probe, story: Story) -> str:
    """Make every call, each decided by those before; why they ended early, or an empty string."""
    until = timezone.now() + LONGEST
    while (call := story.following()) is not None:
        if timezone.now() > until or not Probe.objects.filter(pk=probe.pk, finished_at=None).exists():
            return "the probe took too long"
        heard = story.heard[call] = one_call(probe, call, story.limit or NEW)
        if heard.outcome == "refused":
            return heard.reason
    return story.trouble


def one_call(probe: Probe, call: str, limit: str) -> Heard:
    """One prompt of fixed wording on the way that every prompt takes: intent, checkpoint, sending, outcome."""
    if stopped := halts.standing_for_all():
        return Heard("refused", stopped)
    try:
        row = prompts.record_intent(
            run=str(probe.pk), sequence=CALLS.index(call) + 1, attempt=1, endpoint=probe.endpoint.name,
            prompt=prompt(call, probe.model, limit), by=SYSTEM,
        )  # fmt: skip
        reply = gateway.through_the_door(row.intent_id)
    except LogUnavailable as problem:
        return Heard("refused", f"the audit log cannot be written: {problem}")
    except gateway.Refused as problem:
        return Heard("refused", str(problem))
    if reply["outcome"] != "answered":
        return Heard(reply["outcome"], reply["reason"], int(reply.get("status", 0)), int(reply.get("context", 0)))
    row.refresh_from_db()
    return Heard("answered", body=prompts.answer(row.intent_id), usage=row.usage)


def subject(probe: Probe) -> str:
    return f"endpoint:{probe.endpoint_id}"


@transaction.atomic
def conclude(probe: Probe, story: Story, problem: str) -> None:
    """Keep what was found and say so in the log, once."""
    found, words = story.findings(), problem[:200]
    calls = PromptRecord.objects.filter(run=str(probe.pk)).exclude(intent_index=None).count()
    kept = {"finished_at": timezone.now(), "problem": words, "found": found}
    if not Probe.objects.filter(pk=probe.pk, finished_at=None).update(**kept):
        return
    facts = {"probe": str(probe.pk), "endpoint": probe.endpoint.name, "calls": calls, "problem": words}
    events.record(action="synthesis:endpoint:probed", by=SYSTEM, subject=subject(probe), facts=facts | {"found": found})
