"""Many people and many jobs at once, on PostgreSQL and Redis, with the processes of production, on loopback.

    python -m benchmarks.load [--people 200] [--seconds 300] [--jobs 100] [--kill-seconds 60] [--job-seconds 2400]
        [--record docs/benchmarks/load.jsonl]

Makes a site of its own on servers of its own (both end with it), with datasets and requests behind the pages. Then

1. so many people of mixed roles are signed in, and each opens a page or fills in a form, with 5 to 15 seconds between;
2. so many requests wait at once for three workers, one of which is killed every ``--kill-seconds``, and started again.

The second part says every half minute how far its jobs are, and stops after ``--job-seconds`` however far that is: on
two cores a hundred take a quarter of an hour and more.

The last line is one JSON object. ``errors`` are answers that no page should give (and none at all); ``p95_ms`` is of
every answer. A job has ended when its request came as far as gate C, or failed. ``charged_twice`` counts requests with
more than one reservation, two charges for one table, or more charged than was reserved. It ends with status 1 when
a job did not end, a request was charged twice, or log and ledger do not agree.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import records

WORKERS = 3
DOOR_SECONDS, LEASE_SECONDS = 10, 45  # a killed worker's job waits for its lease
KEYS = ("people", "seconds", "requests", "errors", "p95_ms", "jobs", "jobs_ended", "charged_twice")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Load a site of its own.")
    parser.add_argument("--people", type=int, default=200)
    parser.add_argument("--seconds", type=int, default=300)
    parser.add_argument("--jobs", type=int, default=100)
    parser.add_argument("--kill-seconds", type=int, default=60)
    parser.add_argument("--job-seconds", type=int, default=2400, help="jobs that have not ended by then have not ended")
    parser.add_argument("--requests", type=int, default=2000, help="requests behind the pages, of 100 datasets")
    parser.add_argument("--record", type=Path, help="append the figures to this file, for benchmarks.report")
    asked = parser.parse_args(arguments)
    from benchmarks.postgres_server import Server, available

    if not available() or shutil.which("redis-server") is None:
        raise SystemExit("PostgreSQL and Redis are needed here")
    with tempfile.TemporaryDirectory(prefix="benchmark-load-") as folder:
        server = Server()
        try:
            told = on(server, Path(folder), asked)
        finally:
            server.close()
    if asked.record is not None:
        records.tell({"kind": "load", **told}, asked.record)
    print(json.dumps({key: told[key] for key in KEYS}))
    if told["jobs_ended"] != told["jobs"] or told["charged_twice"] or told["problems"]:
        sys.exit(1)


def on(server: Any, folder: Path, asked: argparse.Namespace) -> dict[str, Any]:
    """Set up the site there, with settings read once, and load it."""
    from llmsynthor_site.demo.processes import free_port  # imports no settings yet

    broker = free_port(7000 + secrets.randbelow(2000))
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "llmsynthor_site.settings", "SITE_DIR": str(folder), "PRODUCTION": "0",
        "DATABASE_URL": server.create("state"), "LOG_DATABASE_URL": server.create("log"),
        "BROKER_URL": f"redis://127.0.0.1:{broker}/0", "SECOND_FACTOR_ROLES": "", "MEASURING_BASE_SECONDS": "5",
        "DOOR_LEASE_SECONDS": str(DOOR_SECONDS), "JOB_LEASE_SECONDS": str(LEASE_SECONDS),
    }  # fmt: skip
    import django

    django.setup()
    from django.db import connections

    from benchmarks import load_jobs, load_people
    from llmsynthor_site.native.keeping import Kept

    try:
        with Kept() as processes:
            processes.redis(broker)
            dataset = load_jobs.prepare(requests=asked.requests)
            processes.door()
            processes.keep_worker("mail1", "mail")
            processes.keep_beat()
            port = processes.web(8100 + secrets.randbelow(500))
            people = load_people.walk(port, asked.people, asked.seconds, dataset, processes.check)
            say(**people)
            for number in range(1, WORKERS + 1):
                processes.keep_worker(f"worker{number}", "measure,synthesise")
            jobs = load_jobs.work(processes, dataset, asked.jobs, asked.kill_seconds, asked.job_seconds)
            say(**jobs)
    finally:
        connections.close_all()
    return {
        "people": asked.people,
        "seconds": asked.seconds,
        "jobs": asked.jobs,
        "kill_seconds": asked.kill_seconds,
        **people,
        **jobs,
    }


def say(**figures: Any) -> None:
    print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    main()
