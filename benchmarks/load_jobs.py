"""Jobs that wait for workers of which one is killed again and again, for `benchmarks.load`."""

from __future__ import annotations

import io
import json
import os
import random
import signal
import time
from collections import Counter
from decimal import Decimal
from typing import Any

from django.core.management import CommandError, call_command
from django.db.models import Count, Sum

from benchmarks import portal_site
from llmsynthor_site import services as people
from llmsynthor_site.models import User
from privacy import services as datasets
from privacy.models import Dataset, LedgerEntry
from synthesis import policies, services
from synthesis.models import Job, SynthesisRequest
from synthesis.states import Decision, Gate, Proposer
from synthesis.states import RequestState as S

ROWS = 400
WORD_SECONDS = 30  # between two words of how far they are
ENDED = (S.CHECKING, S.FAILED)
EPSILON, DELTA = Decimal("0.5"), Decimal("1e-6")
FIELDS = [
    {"name": "sex", "type": "string", "categories": ["f", "m"], "constraints": {"required": True}},
    {"name": "age", "type": "integer", "constraints": {"minimum": 0, "maximum": 99}, "bins": {"equalWidth": 10}},
]


def prepare(*, requests: int) -> Any:
    """Databases, keys, a full site, and one dataset with a real file; the dataset."""
    for alias in ("default", "log"):
        call_command("migrate", database=alias, verbosity=0)
    for command in ("make_keys", "make_vault_keys"):
        call_command(command, verbosity=0, stdout=io.StringIO())
    portal_site.fill(100, requests)
    owner = User.objects.create(username="olga", email="olga@hospital.example")
    people.grant_role(by=None, user=owner, role="owner")
    declared = {
        "title": "Load", "population": "people of the load test", "purposes": ["testing"], "maximumRows": 1000,
        "privacyUnit": {"kind": "row", "means": "one person"}, "cap": {"rho": "50", "delta": "1e-3"}, "fields": FIELDS,
    }  # fmt: skip
    chance = random.Random(1)
    lines = ["sex,age", *(f"{chance.choice('fm')},{chance.randrange(100)}" for _ in range(ROWS))]
    dataset = datasets.register_dataset(by=owner, declaration=json.dumps(declared))
    stream = io.BytesIO("\n".join(lines).encode())
    datasets.receive_upload(by=owner, dataset=dataset, stream=stream, filename="load.csv")
    return Dataset.objects.get(pk=dataset.pk)


def work(processes: Any, dataset: Any, number: int, kill_seconds: int, seconds: int) -> dict[str, Any]:
    """Let them wait all at once, kill a worker every so often, and see how each request ends."""
    began = time.monotonic()
    asked = [waiting(dataset) for _ in range(number)]
    queued, killed, chance = time.monotonic(), 0, random.Random(2)
    next_kill, next_word = queued + kill_seconds, queued + WORD_SECONDS
    while time.monotonic() < began + seconds:
        processes.check()
        approve_measured(asked)
        states = standing(asked)
        if ended(states) == number:
            break
        if time.monotonic() >= next_kill:
            next_kill, killed = next_kill + kill_seconds, killed + 1
            kill(processes, f"worker{1 + chance.randrange(3)}")
        if time.monotonic() >= next_word:
            next_word += WORD_SECONDS
            print(json.dumps({"after_seconds": round(time.monotonic() - began), "states": states}), flush=True)
        time.sleep(0.5)
    states, claims = standing(asked), Job.objects.filter(request__in=asked, fencing_token__gt=1).count()
    return {
        "jobs_ended": ended(states), "charged_twice": charged_twice(asked), "killed": killed,
        "states": states, "claimed_again": claims, "job_seconds": round(time.monotonic() - began),
        "problems": problems(),
    }  # fmt: skip


def standing(asked: list[Any]) -> dict[str, int]:
    """How many of them are in each state."""
    return dict(Counter(SynthesisRequest.objects.filter(pk__in=asked).values_list("state", flat=True)))


def ended(states: dict[str, int]) -> int:
    return sum(states.get(state, 0) for state in ENDED)


def waiting(dataset: Any) -> Any:
    """A request through gate A; its key. The message to the workers is sent with the second vote."""
    researcher = User.objects.get(username="researcher0")
    wish = {"title": "Load", "purpose": "To see.", "context": "Nobody's.", "rows": 200, "endpoint": None}
    request = services.create_request(
        by=researcher, dataset=dataset, epsilon=EPSILON, delta=DELTA, proposer=Proposer.EMBEDDED, **wish
    )
    services.submit(by=researcher, request=request)
    for name in ("steward0", "steward1"):
        vote(request.pk, name, Gate.MEASURE)
    return request.pk


def vote(key: Any, name: str, gate: Gate) -> None:
    request = SynthesisRequest.objects.get(pk=key)
    seen = policies.content_hash(request, gate)
    by = User.objects.get(username=name)
    services.vote(by=by, request=request, gate=gate, decision=Decision.APPROVE, comment="", seen_hash=seen)


def approve_measured(asked: list[Any]) -> None:
    for request in SynthesisRequest.objects.filter(pk__in=asked, state=S.MEASURED):
        vote(request.pk, "steward0", Gate.EGRESS)


def kill(processes: Any, name: str) -> None:
    """A worker and everything it started, as when its machine loses power; such an end is not one of its own."""
    _, child = processes.members[name]
    processes.restarted.pop(name, None)
    os.killpg(child.pid, signal.SIGKILL)


def charged_twice(asked: list[Any]) -> int:
    """Requests with two reservations, two charges for the same step, or more charged than was reserved."""
    names = [str(key) for key in asked]
    lines = LedgerEntry.objects.filter(request__in=names)
    twice = set(
        lines.filter(kind="RESERVE").values("request").annotate(n=Count("pk")).filter(n__gt=1)
        .values_list("request", flat=True)
    )  # fmt: skip
    for reserved in lines.filter(kind="RESERVE"):
        charges = reserved.charges.filter(kind="COMMIT")
        steps = Counter(json.dumps(one.facts, sort_keys=True) for one in charges)
        if (charges.aggregate(rho=Sum("rho"))["rho"] or 0) > reserved.rho or max(steps.values(), default=0) > 1:
            twice.add(reserved.request)
    return len(twice)


def problems() -> str:
    """What the log's own check finds, or nothing."""
    try:
        call_command("verify_log", stdout=io.StringIO(), stderr=io.StringIO())
    except (CommandError, SystemExit) as problem:
        return str(problem) or "the log does not hold"
    return ""
