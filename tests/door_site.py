"""A site whose door and workers are real processes: ``python -m tests.door_site`` with SITE_DIR set.

Acts come from standard input, one JSON list a line, as in tests.real_site. This process has no threads: it forks
the stand-in model, doors and workers, some of which are killed half-way.
"""

from __future__ import annotations

import json
import logging
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

import django

from tests.arrivals import arrivals, folder, stand_in

os.environ["DJANGO_SETTINGS_MODULE"] = "llmsynthor_site.settings"
os.environ["MEASURING_BASE_SECONDS"] = os.environ["CALL_RETRY_SECONDS"] = "0"
os.environ["LIMIT_CALL_TOKENS"] = os.environ["LIMIT_CALL_SECONDS"] = "1000000000"
FORK = multiprocessing.get_context("fork")
CALLS = 3000


def forked(work: Callable[[], None]) -> Any:
    """A process of its own, with connections of its own."""
    from django.db import connections

    connections.close_all()
    child = FORK.Process(target=work, daemon=True)
    child.start()
    return child


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def wait_for(ready: Callable[[], bool]) -> None:
    until = time.monotonic() + 20
    while not ready():
        if time.monotonic() > until:
            raise RuntimeError("nothing answers")
        time.sleep(0.005)


# --- a site and its requests


def make(address: str = "") -> dict[str, Any]:
    """Databases, keys, people, a dataset, and an endpoint: the stand-in that asks the log, or one that is there."""
    from django.core.management import call_command

    from audit import keys
    from synthesis.models import Endpoint
    from tests import request_site

    for alias in ("default", "log"):
        call_command("migrate", database=alias, verbosity=0)
    keys.make()
    request_site.make()
    if not address:
        forked(stand_in)
        wait_for((folder() / "stand-in").exists)
        address = (folder() / "stand-in").read_text()
    Endpoint.objects.create(name="stand-in", base_url=address, model="m-1", is_local=True)
    return {"address": address}


def house() -> Any:
    from llmsynthor_site.models import User
    from privacy.models import Dataset
    from tests.request_site import Site

    names = ("olivia", "stella", "stefan", "rosa", "amir", "ada")
    owner, stella, stefan, rosa, amir, ada = (User.objects.get(username=name) for name in names)
    return Site(owner, stella, stefan, rosa, amir, ada, Dataset.objects.get())


def wished(proposer: str = "openai", epsilon: str = "0.3") -> Any:
    from decimal import Decimal

    from synthesis.models import Endpoint

    endpoint = Endpoint.objects.get() if proposer == "openai" else None
    request = house().submitted(proposer=proposer, endpoint=endpoint, epsilon=Decimal(epsilon))
    for steward in (house().stella, house().stefan):
        house().vote(request, steward)
    return request


def ready(proposer: str = "openai") -> dict[str, Any]:
    """A request that gate B let go, with room for many calls."""
    from llmsynthor_site import joining
    from synthesis import envelope
    from synthesis.models import SynthesisRequest
    from synthesis.states import Gate

    envelope.MAX_ITERATIONS, known = CALLS // envelope.ATTEMPTS, envelope.MAX_ITERATIONS
    request = wished(proposer)
    joining.measure(str(request.pk))
    envelope.MAX_ITERATIONS = known
    house().vote(SynthesisRequest.objects.get(pk=request.pk), house().stella, Gate.EGRESS)
    return {"request": str(request.pk), "state": str(SynthesisRequest.objects.get(pk=request.pk).state)}


def leave(port: str) -> dict[str, Any]:
    """Hand the planted task of tests.walled_worker to whichever worker listens."""
    from celery import current_app

    current_app.send_task("tests.leave", args=[int(port)], queue="synthesise")
    return {}


# --- row B1: one prompt, and a kill on its way

POINTS = (
    "worker before the intent", "worker after the intent", "worker at arrival",
    "door after the checkpoint", "door after the sending entry", "door at arrival",
    "door after the answer", "door after the outcome",
)  # fmt: skip


def trial(request: str, number: str, point: str) -> dict[str, Any]:
    """Ask once with a kill at ``point``, let every lease run out, and ask again with nothing planted."""
    from audit import prompts
    from audit.models import PromptRecord

    before = len(arrivals())
    ended = one_ask(request, int(number), point)
    PromptRecord.objects.filter(pk__in=prompts.open_prompts()).update(deadline="2001-01-01T00:00:00Z")
    prompts.sweep()
    first = states(request, int(number))
    again = one_ask(request, int(number), "")
    return {
        "killed": ended, "first": first, "again": again["worker"], "after": states(request, int(number)),
        "arrived": arrivals()[before:], "open": prompts.open_prompts().count(),
    }  # fmt: skip


def states(request: str, number: int) -> dict[str, str]:
    """intent -> how the log closed it, or '' where it did not."""
    from audit import log
    from audit.models import PromptRecord

    found = {}
    for record in PromptRecord.objects.filter(run=run_of(request).pk, sequence=number):
        closed = log.find(f"{record.intent_id}:closed")
        assert closed is None or closed.index == record.closed_index
        found[record.intent_id] = str(record.state) if closed else ""
    return found


def run_of(request: str) -> Any:
    from synthesis import running
    from synthesis.models import SynthesisRequest

    return running.start(SynthesisRequest.objects.get(pk=request))


def one_ask(request: str, number: int, point: str) -> dict[str, Any]:
    """A door and a worker that asks once, each a process; how they ended (-9: killed, None: still there)."""
    run_of(request)
    door = forked(lambda: open_door(point))
    wait_for((folder() / "door.sock").exists)
    worker = forked(lambda: ask(request, number, point))
    worker.join(60)
    if point.startswith("door"):
        door.join(10)
    elif point == "worker at arrival":  # the door goes on with a call whose asker died
        wait_for(lambda: "" not in states(request, number).values())
    ended = {"worker": worker.exitcode, "door": door.exitcode}
    shut(door)
    return ended


def shut(door: Any) -> None:
    door.kill()
    door.join()
    (folder() / "door.sock").unlink(missing_ok=True)


def open_door(point: str) -> None:
    from audit import log, prompts
    from synthesis import door, tally

    logging.disable(logging.CRITICAL)
    plant_after(point == "door after the checkpoint", log, "anchor")
    plant_after(point == "door after the sending entry", prompts, "_log_sending")
    plant_after(point == "door after the outcome", prompts, "finish")
    if point == "door at arrival":
        (folder() / "victim").write_text(str(os.getpid()))
    if point == "door after the answer":
        tally.answered = lambda *_: die()
    if point == LATE:
        door.send = send_late
    door.serve(folder() / "door.sock").serve_forever()


def ask(request: str, number: int, point: str) -> None:
    from audit import prompts
    from synthesis import envelope, gateway

    logging.disable(logging.CRITICAL)
    plant_after(point == "worker after the intent", prompts, "record_intent")
    if point == "worker before the intent":
        prompts.record_intent = lambda **_: die()
    if point == "worker at arrival":
        (folder() / "victim").write_text(str(os.getpid()))
    if point == LATE:
        gateway.record = record_nothing
    run = run_of(request)
    prompt = envelope.builder(run.request).build((), iteration=number, proposals=5, records=1000 + number)
    try:
        gateway.ask(run, prompt, sequence=number, beat=lambda: None)
    except (gateway.Refused, gateway.NoAnswer) as problem:
        print(f"the worker's question {number}: {problem}", file=sys.stderr)
        sys.exit(3)


def plant_after(wanted: bool, holder: Any, name: str, turn: int = 1) -> None:
    """Let the process die as soon as this function was done that often."""
    honest, calls = getattr(holder, name), [0]

    def planted(*args: Any, **values: Any) -> Any:
        answer = honest(*args, **values)
        calls[0] += 1
        if calls[0] == turn:
            die()
        return answer

    if wanted:
        setattr(holder, name, planted)


# The defect that the oracle must catch: a door that sends first and logs once the answer is there.
LATE = "logging afterwards"


def record_nothing(run: Any, prompt: Any, **_: Any) -> str:
    from audit.rendering import render

    (folder() / "late").write_bytes(render(prompt))
    return "late"


def send_late(intent: str) -> dict[str, str]:
    from hashlib import sha256

    from audit import events
    from synthesis.llm.openai_provider import OpenAIProvider

    body = (folder() / "late").read_bytes()
    address = (folder() / "stand-in").read_text()
    OpenAIProvider(base_url=address, api_key="none", timeout=10, expected=sha256(body).hexdigest()).complete(body)
    events.append(action="test:prompt:sent", by="system:door", subject="run:late", facts={"late": True})
    return {"outcome": "refused", "reason": "planted"}


def late(request: str, number: str) -> dict[str, Any]:
    before = len(arrivals())
    one_ask(request, int(number), LATE)
    return {"arrived": arrivals()[before:]}


def reconcile() -> dict[str, Any]:
    """What a comparison of all counts finds."""
    from synthesis import reconciling

    account = reconciling.compare()
    found = [[one.kind, one.subject, one.detail] for one in account.mismatches]
    return {"counted": account.counted, "logged": account.logged, "mismatches": found}


def main() -> None:
    """Acts from standard input; one answer a line. The stand-in ends with the input."""
    django.setup()
    import synthesis.llm.openai_provider  # noqa: F401 - loaded once, before anything is forked
    from privacy import pacing
    from synthesis import gateway
    from tests.door_faults import pressed, recorded
    from tests.door_tasks import race, task
    from tests.half_packages import half_packages

    told = (make, ready, leave, trial, late, reconcile, race, task, recorded, pressed, half_packages)
    acts = {act.__name__: act for act in told}
    gateway.IN_VAIN = CALLS  # an endpoint that did not answer one trial is asked in the next
    pacing.Tick.wait = lambda tick, beat: beat()
    pacing.Tick.overrun = False
    for line in sys.stdin:
        act, *arguments = json.loads(line)
        print(json.dumps(acts[act](*arguments)), flush=True)


if __name__ == "__main__":
    sys.modules["tests.door_site"] = sys.modules["__main__"]
    main()
