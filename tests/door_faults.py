"""Acts of tests.door_site about a log that cannot take anything: what is then asked of a door, and what arrives."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

from tests.arrivals import arrivals, folder
from tests.door_site import ask, forked, open_door, run_of, shut, wait_for

CLOCK_BACK, GOES_ON = "clock back", "a door that goes on when the log refuses"
REPAIRED = "repaired"
IMPATIENT: dict[str, dict[str, Any]] = {"sqlite": {"timeout": 0.3}, "postgresql": {"options": "-c lock_timeout=300ms"}}
"""How long each kind of database waits for a lock that a test holds for longer."""


def recorded(request: str, number: str) -> dict[str, Any]:
    """A prompt whose intent is in the log, for a door to send."""
    from django.db import connections

    from synthesis import envelope, gateway

    run = run_of(request)
    prompt = envelope.builder(run.request).build((), iteration=int(number), proposals=5, records=int(number))
    intent = gateway.record(run, prompt, sequence=int(number), attempt=1, endpoint=run.request.provider.name)
    connections.close_all()
    return {"intent": intent}


def pressed(request: str, intent: str, number: str, how: str = "") -> dict[str, Any]:
    """Ask a door for that intent, and a worker for a question of its own; what became of both, and what arrived."""
    from synthesis import gateway

    before = len(arrivals())
    door = forked(partial(under, how, partial(open_door, "")))
    wait_for((folder() / "door.sock").exists)
    reply = gateway.through_the_door(intent) if intent else {}
    worker = forked(partial(under, how, partial(ask, request, int(number), "")))
    worker.join(60)
    shut(door)
    return {**reply, "worker": worker.exitcode, "arrived": arrivals()[before:]}


def under(how: str, work: Callable[[], None]) -> None:
    """In this process alone: the clock or the door is as ``how`` says, and until the repair nobody waits for long."""
    from django.db import connections
    from django.utils import timezone

    if how != REPAIRED:
        known = connections["log"].settings_dict
        known["OPTIONS"] = dict(known.get("OPTIONS", {})) | IMPATIENT[connections["log"].vendor]
    if how == CLOCK_BACK:
        now = timezone.now
        timezone.now = lambda: now() - timedelta(hours=1)
    if how == GOES_ON:
        go_on()
    work()


def go_on() -> None:
    """Plant: neither the outbox, the checkpoint nor the entry that a prompt is being sent holds the door up."""
    from audit import events, log, prompts
    from audit.errors import LogUnavailable

    def swallowing(honest: Callable[..., Any], *values: Any, **named: Any) -> Any:
        try:
            return honest(*values, **named)
        except LogUnavailable:
            return None, None

    for holder, name in ((events, "flush"), (log, "anchor"), (prompts, "_log_sending")):
        setattr(holder, name, partial(swallowing, getattr(holder, name)))
