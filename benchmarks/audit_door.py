"""What the door adds to a call: calls through it beside calls made directly, on SQLite and on PostgreSQL.

``python -m benchmarks.audit_door [--calls 300] [--postgres URL]``. The door and the endpoint are processes of their
own; the calls come one after another. Prints one JSON object a database, and as its last line one of both.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.processes import ROOT

ASKED_MILLISECONDS = 15
SERVER = "postgres://postgres@127.0.0.1:5432"


def measured(environment: dict[str, str], calls: int) -> dict[str, Any]:
    """A new site, its door and an endpoint; what the calls took."""
    command = [sys.executable, "-m", "benchmarks.audit_door_site"]
    with child(environment, *command, "endpoint") as endpoint:
        address = told(endpoint)
        subprocess.run([*command, "make", address], env=environment, cwd=ROOT, check=True, stdout=sys.stderr)
        with child(environment, sys.executable, "manage.py", "run_door") as door:
            told(door)
            done = subprocess.run(
                [*command, "measure", str(calls)], env=environment, cwd=ROOT, check=True, capture_output=True, text=True
            )
    return dict(json.loads(done.stdout.splitlines()[-1]))


@contextlib.contextmanager
def child(environment: dict[str, str], *command: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(command, env=environment, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(30)


def told(process: subprocess.Popen[str]) -> str:
    """The first line a process says, which it says when it is ready."""
    line = process.stdout.readline() if process.stdout else ""
    if not line:
        raise SystemExit("a process of the benchmark ended before it was ready")
    return line.strip()


@contextlib.contextmanager
def databases(server: str) -> Iterator[dict[str, str]]:
    """Two new databases on the server, for as long as the measuring takes; the settings that name them."""
    import psycopg

    names = [f"door_{uuid.uuid4().hex[:12]}_{part}" for part in ("state", "log")]
    with psycopg.connect(f"{server}/postgres", autocommit=True, connect_timeout=5) as connection:
        for name in names:
            connection.execute(f"CREATE DATABASE {name}")
        try:
            yield {"DATABASE_URL": f"{server}/{names[0]}", "LOG_DATABASE_URL": f"{server}/{names[1]}"}
        finally:
            for name in names:
                connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def without_urls() -> dict[str, str]:
    """This environment, which may name databases of the machine's own site."""
    return {name: value for name, value in os.environ.items() if not name.endswith("DATABASE_URL")}


def fsync_milliseconds(folder: Path) -> float:
    """The middle of 50 writes to the disk: what no call through the door can be faster than a few times of."""
    taken = []
    with (folder / "probe").open("wb") as file:
        for _ in range(50):
            began = time.perf_counter()
            file.write(b"x" * 200)
            file.flush()
            os.fsync(file.fileno())
            taken.append(time.perf_counter() - began)
    return round(1000 * sorted(taken)[25], 3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=300)
    parser.add_argument("--postgres", default=SERVER, help="a server on which databases may be made; '' leaves it out")
    options = parser.parse_args()
    lines: dict[str, Any] = {}
    for vendor in ("sqlite", "postgresql") if options.postgres else ("sqlite",):
        with contextlib.ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            urls = stack.enter_context(databases(options.postgres)) if vendor == "postgresql" else {}
            kept = {
                name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "LOG_DATABASE_URL")
            }
            environment = {**kept, **urls, "SITE_DIR": str(folder), "PYTHONUNBUFFERED": "1"}
            lines[vendor] = measured(environment, options.calls) | {"fsync_ms": fsync_milliseconds(folder)}
        print(json.dumps({"kind": "door", "database": vendor, **lines[vendor]}), flush=True)
    kept_to = all(line["door_added_p50_ms"] <= ASKED_MILLISECONDS for line in lines.values())
    print(json.dumps({"kind": "door", "asked_p50_ms": ASKED_MILLISECONDS, "kept": kept_to, **lines}))


if __name__ == "__main__":
    main()
