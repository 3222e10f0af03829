"""Acts of tests.door_site about races and tasks: a cap that many want to pass, tasks that are killed or come twice."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from tests import spending
from tests.arrivals import folder
from tests.door_site import FORK, forked, open_door, plant_after, ready, run_of, shut, wait_for, wished


def race(request: str, processes: str, asks: str, calls: str, planted: str = "") -> dict[str, Any]:
    """Many processes reserve calls of one run at once, under a cap that lets ``calls`` more of them pass."""
    from synthesis.models import EgressManifest

    run, each = run_of(request), bound_of(request)
    before = int(spending.spent_by(run)["tokens"])
    caps = run.request.manifest.body["caps"] | {"tokens": before + each * int(calls) + each // 2}
    EgressManifest.objects.filter(request=run.request).update(body=run.request.manifest.body | {"caps": caps})
    gate, results = FORK.Barrier(int(processes)), FORK.SimpleQueue()
    workers = [
        forked(partial(racer, request, number, int(asks), gate, results, planted)) for number in range(int(processes))
    ]
    passed = sum(results.get() for _ in workers)
    for worker in workers:
        worker.join()
    return {"passed": passed, "cap": caps["tokens"], "spent": int(spending.spent_by(run_of(request))["tokens"])}


def bound_of(request: str) -> int:
    from synthesis import costs

    run = run_of(request)
    most = costs.bound(run, empty_prompt(run))
    return most.prompt_tokens + most.completion_tokens


def empty_prompt(run: Any) -> Any:
    from synthesis import envelope

    return envelope.builder(run.request).build((), iteration=1, proposals=5, records=9)


def racer(request: str, number: int, asks: int, gate: Any, results: Any, planted: str) -> None:
    from synthesis import costs

    if planted:
        costs.reserve = read_check_write

    run = run_of(request)
    prompt = empty_prompt(run)
    gate.wait()
    passed = 0
    for attempt in range(1, asks + 1):
        try:
            costs.reserve(run, prompt, sequence=SEQUENCES[planted] + number, attempt=attempt)
            passed += 1
        except costs.CapReached:
            pass
    results.put(passed)


SEQUENCES = {"": 1000, "planted": 2000}


def read_check_write(run: Any, prompt: Any, *, sequence: int, attempt: int) -> None:
    """The defect that a race must find: a sum that is read, compared and added to with no lock in between."""
    from synthesis import costs
    from synthesis.models import CallReservation

    most, spent = costs.bound(run, prompt), spending.spent_by(run)["tokens"]
    time.sleep(0.01)
    if spent + most.prompt_tokens + most.completion_tokens > run.request.manifest.body["caps"]["tokens"]:
        raise costs.CapReached("planted")
    CallReservation.objects.create(
        run=run, sequence=sequence, attempt=attempt, prompt_tokens=most.prompt_tokens,
        completion_tokens=most.completion_tokens, seconds=most.seconds,
    )  # fmt: skip


# --- row B3: tasks that are killed half-way, and tasks that come twice

TASKS = ("measure", "synthesise", "sweep")


def task(kind: str, how: str, number: str, planted: str = "") -> dict[str, Any]:
    """One task killed and taken up again, or worked twice at once; what is there afterwards."""
    from llmsynthor_site import tasks

    about = prepared(kind)
    arguments = [] if kind == "sweep" else [about]
    work = partial(PLANTS[planted], partial(getattr(tasks, kind), *arguments))
    door = forked(lambda: open_door(""))
    wait_for((folder() / "door.sock").exists)
    ends = [forked(partial(killed, kind, work, number)) if how == "killed" else forked(work)]
    if how == "killed":
        ends[0].join(120)
        lapse(about)
    ends.append(forked(work))
    for end in ends:
        end.join(120)
    shut(door)
    return {"ended": [end.exitcode for end in ends], **OUTCOMES[kind](about)}


def prepared(kind: str) -> str:
    """What the task is about: a request that waits for it, or an event that waits to be logged."""
    from audit import events

    if kind == "measure":
        return str(wished("embedded", epsilon="0.1").pk)
    if kind == "synthesise":
        return str(ready("embedded")["request"])
    subject = f"test:{uuid.uuid4()}"
    honest, events.flush = events.flush, lambda: 0
    events.record(action="test:task:waiting", by="system", subject=subject, facts={})
    events.flush = honest
    return subject


def killed(kind: str, work: Callable[[], None], number: str) -> None:
    """Die in the middle: each time a little later."""
    from audit import log
    from synthesis import jobs

    plant_after(kind == "sweep", log, "append_all")
    plant_after(kind != "sweep", jobs, "heartbeat", turn=1 + int(number) % 3)
    work()


# Defects that the row must find, each in the processes of the workers alone.


def anyone_claims(work: Callable[[], None]) -> None:
    """A job is taken whoever holds it, under the token that is there, and written to without one."""
    from django.db.models import Q

    from synthesis import jobs
    from synthesis.models import Job

    jobs.claim = lambda kind, about: Job.objects.get(kind=kind, request=about)
    jobs._held = lambda job: Q(pk=job.pk)
    work()


def names_forgotten(work: Callable[[], None]) -> None:
    """An event enters under a name made up as it enters, so the log cannot know it again."""
    from audit import log

    honest = log.append_all
    fresh = lambda told: honest([replace(one, event_id=uuid.uuid4().hex) for one in told])  # noqa: E731
    log.append_all = fresh
    work()


def nothing_forfeited(work: Callable[[], None]) -> None:
    """What a dead worker left set aside is forgotten by the next."""
    from privacy import ledger

    ledger.forfeit = lambda **_: None
    work()


PLANTS: dict[str, Callable[[Callable[[], None]], None]] = {
    "": lambda work: work(),
    "a claim without lease and token": anyone_claims,
    "an event without a name of its own": names_forgotten,
    "a dead worker's budget forgotten": nothing_forfeited,
}


def lapse(about: str) -> None:
    """Let the leases of whoever died run out."""
    from privacy.models import ReleaseRecord
    from synthesis.models import Job

    if not about.startswith("test:"):
        Job.objects.filter(request=about, done_at=None).update(leased_until="2001-01-01T00:00:00Z")
        ReleaseRecord.objects.filter(key=about, state="MEASURING").update(beat_at="2001-01-01T00:00:00Z")


def entries(subject: str, *actions: str) -> int:
    from audit import events
    from audit.models import LogEntry

    events.flush()
    return LogEntry.objects.filter(subject=subject, action__in=actions).count()


def of_measuring(request: str) -> dict[str, Any]:
    from decimal import Decimal

    from privacy.models import LedgerEntry

    def sum_of(*kinds: str) -> Decimal:
        mine = LedgerEntry.objects.filter(kind__in=kinds)
        mine = mine.filter(key=f"reserve:{request}") | mine.filter(reservation__key=f"reserve:{request}")
        return sum((entry.rho for entry in mine.distinct()), Decimal(0))

    done = entries(f"request:{request}", "synthesis:request:measured", "synthesis:request:failed")
    left = sum_of("RESERVE") - sum_of("COMMIT", "RELEASE_RESERVE", "FORFEIT")
    return {"outcomes": done, "unaccounted": str(left)}


def of_synthesis(request: str) -> dict[str, Any]:
    from audit.models import PromptRecord
    from synthesis.models import Package, Run

    run = str(Run.objects.get(request=request).pk)
    answered = PromptRecord.objects.filter(run=run, state="answered").values_list("sequence", flat=True)
    done = entries(f"request:{request}", "synthesis:request:checked")
    packages = Package.objects.filter(run__request=request).count()
    return {"outcomes": done, "unaccounted": str(packages - 1), "asked twice": len(answered) - len(set(answered))}


OUTCOMES: dict[str, Callable[[str], dict[str, Any]]] = {
    "measure": of_measuring,
    "synthesise": of_synthesis,
    "sweep": lambda subject: {"outcomes": entries(subject, "test:task:waiting"), "unaccounted": "0"},
}
