"""Acts on a site of its own, in processes of its own: ``python -m tests.real_site ACT ARGUMENTS`` with SITE_DIR set.

Each act prints one JSON object. The tests that start these kill some of them half-way.
"""

from __future__ import annotations

import io
import json
import multiprocessing
import os
import re
import signal
import sys
import time
from decimal import Decimal
from typing import Any

import django

os.environ["DJANGO_SETTINGS_MODULE"] = "llmsynthor_site.settings"
os.environ["MEASURING_BASE_SECONDS"] = os.environ["CALL_RETRY_SECONDS"] = "0"
NOTHING = Decimal(0)


def make() -> dict[str, Any]:
    """Databases, keys, and an owner."""
    from django.core.management import call_command

    from audit import keys
    from tests import privacy_site

    for alias in ("default", "log"):
        call_command("migrate", database=alias, verbosity=0)
    keys.make()
    privacy_site.make_keys()
    privacy_site.person("olivia", "owner")
    return {}


def declare(population: str, rho: str) -> dict[str, Any]:
    """A dataset with one file, and nothing spent."""
    from llmsynthor_site.models import User
    from privacy import services
    from privacy.models import Population
    from tests import privacy_site

    declared = privacy_site.declaration(population=population, cap={"rho": rho, "delta": "1e-6"}, maximumRows=1000)
    dataset = services.register_dataset(by=User.objects.get(username="olivia"), declaration=declared)
    stream = io.BytesIO(privacy_site.table(20 + Population.objects.count()))  # one file, one population
    services.receive_upload(by=dataset.owner, dataset=dataset, stream=stream, filename="t.csv")
    return {"dataset": str(dataset.pk)}


def race(dataset: str, processes: str, asks: str, rho: str) -> dict[str, Any]:
    """Many processes reserve at once, again and again; what passed, what is spent, what the log says."""
    from django.db import connections

    from privacy import ledger, selectors

    assert ledger.reserve is not None  # loaded here once: the race is about the ledger, not about importing it
    selectors.dataset(dataset)
    connections.close_all()
    context = multiprocessing.get_context("fork")
    results, gate = context.Queue(), context.Barrier(int(processes))
    workers = [
        context.Process(target=_racer, args=(dataset, number, int(asks), rho, gate, results))
        for number in range(int(processes))
    ]
    begun = time.monotonic()
    for worker in workers:
        worker.start()
    passed = sum(results.get(timeout=300) for _ in workers)
    for worker in workers:
        worker.join()
    return {"passed": passed, "seconds": round(time.monotonic() - begun, 2), **figures(dataset)}


def _racer(dataset: str, number: int, asks: int, rho: str, gate: Any, results: Any) -> None:
    from django.db import connections

    from privacy import ledger, selectors
    from privacy.errors import CapExceeded

    found = selectors.dataset(dataset)
    gate.wait()
    passed = 0
    for ask in range(asks):
        try:
            key = f"{dataset}-{number}-{ask}"
            ledger.reserve(dataset=found, rho=Decimal(rho), delta=NOTHING, key=key, by="system")
            passed += 1
        except CapExceeded:
            pass
    connections.close_all()
    results.put(passed)


def figures(dataset: str) -> dict[str, Any]:
    """The sums of the ledger, the same sums from the log's own bytes, and what was let out."""
    from audit import events
    from audit.models import LogEntry
    from privacy import selectors
    from privacy.models import MeasurementRecord, ReleaseRecord

    events.flush()
    found = selectors.dataset(dataset)
    budget = selectors.budget(found.population_id)
    told = [
        (entry.action.removeprefix("privacy:ledger:"), json.loads(bytes(entry.leaf))["facts"])
        for entry in LogEntry.objects.filter(action__startswith="privacy:ledger:").order_by("index")
    ]
    mine = [(step, facts) for step, facts in told if facts["population"] == str(found.population_id)]
    logged = {kind: str(_sum(mine, kind)) for kind in ("reserve", "commit", "forfeit", "release_reserve")}
    released = MeasurementRecord.objects.filter(release__version__dataset=found).select_related("entry")
    return {
        "cap": str(budget.cap), "spent": str(budget.spent), "reserved": str(budget.reserved), "left": str(budget.left),
        "logged": logged, "released": str(sum((record.entry.rho for record in released), NOTHING)),
        "states": sorted(ReleaseRecord.objects.filter(version__dataset=found).values_list("state", flat=True)),
    }  # fmt: skip


def _sum(told: list[tuple[str, dict[str, Any]]], kind: str) -> Decimal:
    return sum((Decimal(facts["rho"]) for step, facts in told if step == kind), NOTHING)


def measure(dataset: str, key: str, point: str, how: str) -> dict[str, Any]:
    """Reserve, open and measure; at the named point the process is killed, or its transaction is rolled back."""
    from privacy import ledger, measuring, plans, selectors, services
    from privacy.errors import PrivacyError
    from tests.integration.test_privacy_measuring import Onlooker

    found = selectors.dataset(dataset)
    if point:
        _plant(point, how)
    try:
        ledger.reserve(dataset=found, rho=Decimal("0.01"), delta=NOTHING, key=key, by="system")
        plan = plans.all_pairs(selectors.domain(found))
        record = services.open_release(dataset=found, rho=Decimal("0.01"), plan=plan, key=key)
        measuring.run(plan, Onlooker(found), release=record)
    except (PrivacyError, RuntimeError) as problem:
        return {"ended": type(problem).__name__}
    return {"ended": "measured"}


POINTS = (
    "before reserve", "after reserve", "after opening", "before charge", "after charge",
    "after drawing", "before logging the release", "after logging the release", "before storing", "after storing",
)  # fmt: skip


def _plant(point: str, how: str) -> None:
    """Let the process die, or an error unwind, just before or after one function's call of that number."""
    from audit import events
    from privacy import ledger, measuring, services
    from privacy.dp import opendp_door

    when, what = point.split(" ", 1)
    places: dict[str, tuple[Any, str, int]] = {
        "reserve": (ledger, "reserve", 1), "opening": (services, "open_release", 1),
        "charge": (ledger, "commit_all", 2),
        "drawing": (opendp_door.GaussianVector, "release", 2), "logging the release": (events, "append", 1),
        "storing": (measuring.MeasurementRecord.objects, "bulk_create", 1),
    }  # fmt: skip
    holder, name, turn = places[what]
    honest, calls = getattr(holder, name), [0]

    def planted(*args: Any, **values: Any) -> Any:
        calls[0] += 1
        if calls[0] == turn and when == "before":
            _die(how)
        answer = honest(*args, **values)
        if calls[0] == turn and when == "after":
            _die(how)
        return answer

    setattr(holder, name, planted)


def _die(how: str) -> None:
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    raise RuntimeError("planted")


def resume(dataset: str, key: str) -> dict[str, Any]:
    """What the next worker does once the lease of a dead one is over."""
    from datetime import timedelta

    from django.utils import timezone

    from privacy.models import ReleaseRecord

    ReleaseRecord.objects.filter(key=key, state="MEASURING").update(beat_at=timezone.now() - timedelta(hours=1))
    return measure(dataset, key, "", "")


def compare() -> dict[str, Any]:
    """A request whose table is compared with its rows, charged, by the workers' own functions; what came of it."""
    from pathlib import Path
    from tempfile import mkdtemp

    from audit import export, keys, log, verify
    from llmsynthor_site import disclosing
    from llmsynthor_site.models import User
    from privacy import checking, selectors
    from synthesis import packing
    from synthesis.models import SynthesisRequest
    from tests import request_site

    begun = log.size()  # the races before left entries that no request stands behind
    house = request_site.peopled(User.objects.get(username="olivia"), rows=400)
    with request_site.open_door():
        request = house.synthesised(disclosure="charged")
    waited = request.state
    disclosing.compare(str(request.pk))
    packing.finish(str(request.pk))
    request = SynthesisRequest.objects.get(pk=request.pk)
    folder = Path(mkdtemp()) / "export"
    export.export(folder, by="user:amir", reason="To check it.")
    report = verify.verify(folder, key=str(keys.public()))
    return {
        "waited": waited, "state": request.state, "rho": str(request.rho),
        "findings": [one for one in report.findings if is_since(one["place"], begun) or str(request.pk) in str(one)],
        "spent": str(selectors.budget(house.dataset.population_id).spent),
        "check": str(checking.spent(str(request.pk))), "told": request.run.package.manifest["disclosure"],
    }  # fmt: skip


def is_since(place: str, index: int) -> bool:
    """Whether a finding's place is an entry from there on."""
    found = re.fullmatch(r"entry (\d+)", place)
    return found is not None and int(found[1]) >= index


ACTS = {
    "make": make,
    "declare": declare,
    "race": race,
    "figures": figures,
    "measure": measure,
    "resume": resume,
    "compare": compare,
}


def main() -> None:
    """Acts from standard input, one JSON list a line; one answer a line. A killed process leaves no answer."""
    django.setup()
    from privacy import pacing

    pacing.Tick.wait = lambda tick, beat: beat()
    pacing.Tick.overrun = False
    for line in sys.stdin:
        act, *arguments = json.loads(line)
        print(json.dumps(ACTS[act](*arguments)), flush=True)


if __name__ == "__main__":
    main()
