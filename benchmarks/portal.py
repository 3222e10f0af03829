"""How quickly the site's pages answer, and how many queries each asks, with a large site behind them.

    python -m benchmarks.portal [--datasets 200] [--requests 20000] [--events 500000] [--times 20] [--site DIR]

Fills a site of its own in a temporary folder (another database with DATABASE_URL and LOG_DATABASE_URL, which must be
empty), then asks for every list page of every role, the first page and a far one, as signed-in people do, through
Django's own test client: middleware, session, permissions and templates are within the time, a network is not.
A site given by name is kept, and used as it is where it was filled before.
Queries are all there are, in both databases, those for session, person and roles among them. The last line is one
JSON object; ``p95_ms`` is that of the slowest page.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

FAR = 999_999  # a page number beyond the last one shows the last one


@dataclass(frozen=True)
class Asked:
    """One page as one person saw it: milliseconds in ascending order, queries and the length of the answer.

    ``work`` are the milliseconds that this process worked for it, in ascending order: less than the time passed where
    other work keeps the machine busy.
    """

    who: str
    address: str
    times: list[float]
    work: list[float]
    queries: int
    length: int

    @property
    def p95(self) -> float:
        return most_of(self.times)

    @property
    def line(self) -> str:
        figures = f"{self.p95:8.1f} ms {self.queries:3d} queries {self.length // 1000:5d} kB"
        return f"{figures}  {self.who:12} {self.address} ({most_of(self.work)} ms of work)"


def most_of(times: list[float]) -> float:
    """What 19 in 20 of these, in ascending order, stay within."""
    return round(times[max(0, -(-len(times) * 95 // 100) - 1)], 1)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Time the pages of the site.")
    parser.add_argument("--datasets", type=int, default=200)
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--events", type=int, default=500_000)
    parser.add_argument("--times", type=int, default=20, help="how often each page is asked for")
    parser.add_argument("--site", help="a folder to keep the filled site in")
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="benchmark-portal-") as folder:
        os.environ["SITE_DIR"] = asked.site or folder
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "llmsynthor_site.settings")
        os.environ.setdefault("SECOND_FACTOR_ROLES", "")  # made people sign in by a session alone
        print(json.dumps(measured(asked.datasets, asked.requests, asked.events, asked.times)))


def measured(datasets: int, requests: int, events: int, times: int) -> dict[str, Any]:
    """Fill the site, ask for every page, print a line for each, and sum them up."""
    import django

    django.setup()
    begun, busy = time.perf_counter(), time.process_time()
    filled(datasets, requests, events)
    took = {"set_up_s": round(time.perf_counter() - begun, 1), "of_work_s": round(time.process_time() - busy, 1)}
    print(json.dumps(took), flush=True)
    found = []
    for who, address in pages():
        found.append(ask(who, address, times))
        print(found[-1].line, flush=True)
    return summed(found)


def summed(found: list[Asked]) -> dict[str, Any]:
    worst = max(found, key=lambda one: one.p95)
    return {
        "pages": len(found), "max_queries": max(one.queries for one in found), "p95_ms": worst.p95,
        "worst_page": f"{worst.who} {worst.address}",
    }  # fmt: skip


def filled(datasets: int, requests: int, events: int) -> None:
    from django.core.management import call_command
    from django.db import connections

    from audit import keys, log
    from benchmarks import desk, portal_site

    for alias in ("default", "log"):
        call_command("migrate", database=alias, verbosity=0)
    if log.size():
        return
    keys.make()
    desk.fill_log(events)
    log.checkpoint()
    portal_site.fill(datasets, requests)
    desk.fill_figures(min(requests, 20_000))
    for alias in ("default", "log"):
        with connections[alias].cursor() as cursor:
            cursor.execute("ANALYZE")


def pages() -> Iterator[tuple[str, str]]:
    """(who, address) of every list page of every role, and of the pages that hold a list."""
    for who in ("owner0", "steward0", "researcher0", "auditor0", "admin0"):
        yield from ((who, one) for one in ("/", "/notices/", f"/notices/?page={FAR}"))
    for who in ("owner0", "steward0", "researcher0", "auditor0"):
        yield from ((who, one) for one in ("/datasets/", f"/datasets/?page={FAR}", *of_requests()))
    for who in ("owner0", "steward0", "auditor0", "admin0"):
        yield from ((who, one) for one in ("/door/", "/door/switches/standing/", "/door/switches/lifted/"))
    for who in ("steward0", "auditor0", "admin0"):
        yield from ((who, one) for one in ("/door/findings/open/", f"/door/findings/closed/?page={FAR}"))
    yield "owner0", "/caps/"
    for who in ("owner0", "steward0", "admin0"):
        yield who, "/door/stop/"
    for who in ("owner0", "steward0", "auditor0"):
        yield from ((who, one) for one in of_dataset(who))
    yield "researcher0", "/requests/new/"
    yield from (("steward0", one) for one in of_a_run())
    yield from (("admin0", one) for one in of_people())
    yield from (("auditor0", one) for one in of_desk())


def of_requests() -> Iterator[str]:
    from synthesis.models import SynthesisRequest

    dataset = SynthesisRequest.objects.earliest("pk").dataset_id
    yield "/requests/"
    yield f"/requests/?page={FAR}"
    yield "/requests/?state=released"
    yield f"/requests/?dataset={dataset}"
    yield f"/requests/of/{dataset}/"


def of_dataset(who: str) -> Iterator[str]:
    from privacy.models import Dataset

    found = Dataset.objects.filter(owner__username="owner0").earliest("pk")
    yield f"/datasets/{found.pk}/"
    yield f"/datasets/{found.pk}/?page={FAR}"


def of_a_run() -> Iterator[str]:
    from benchmarks.portal_site import busiest_run

    run = busiest_run()
    yield f"/requests/{run.pk}/run/"
    yield f"/requests/{run.pk}/prompts/"


def of_people() -> Iterator[str]:
    from llmsynthor_site.models import User

    yield "/people/"
    yield f"/people/?page={FAR}"
    yield "/people/?name=researcher1"
    yield f"/people/{User.objects.get(username='owner0').pk}/"
    yield "/endpoints/"
    yield "/endpoints/1/"


def of_desk() -> Iterator[str]:
    yield from ("/desk/", "/desk/ledger/", "/desk/ledger/?before=60000", "/desk/ledger/?kind=COMMIT")
    yield from (
        "/desk/duties/",
        f"/desk/duties/?page={FAR}",
        "/desk/duties/?only=conflicts",
        "/desk/duties/?only=conflicts&since=2020-01-01",
    )
    yield from ("/desk/duties/?person=steward1", "/desk/exposure/", "/desk/exposure/?endpoint=e1")
    yield from ("/desk/access/", "/desk/access/?person=researcher1", "/desk/access/grants/", "/desk/access/people/")
    yield from ("/log/", "/log/?before=60", "/log/?action=privacy:ledger:commit", "/log/?by=user:7", "/log/check/")
    yield from ("/log/?words=gaussian", "/log/?subject=population:7", "/endpoints/")


def ask(who: str, address: str, times: int) -> Asked:
    """The page, asked for ``times`` times by somebody signed in; the first answer also counts its queries."""
    from django.contrib.auth import get_user_model
    from django.db import connections
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    client = Client()
    client.force_login(get_user_model().objects.get(username=who), backend="llmsynthor_site.backends.RoleBackend")
    with CaptureQueriesContext(connections["default"]) as state, CaptureQueriesContext(connections["log"]) as log:
        answer = client.get(address, HTTP_HOST="localhost")
        queries = len(state) + len(log)
    if answer.status_code != 200:
        raise SystemExit(f"{who} {address}: answered {answer.status_code}")
    taken, worked = [], []
    for _ in range(times):
        begun, busy = time.perf_counter(), time.process_time()
        client.get(address, HTTP_HOST="localhost")
        taken.append(1000 * (time.perf_counter() - begun))
        worked.append(1000 * (time.process_time() - busy))
    return Asked(who, address, sorted(taken), sorted(worked), queries, len(answer.content))


if __name__ == "__main__":
    main()
