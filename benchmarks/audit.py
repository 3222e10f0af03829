"""How many entries a second the log takes, and how long an export of many takes to verify.

    python -m benchmarks.audit [--seconds 4] [--repeats 3] [--entries 10000 30000 100000] [--server URL]

Writers are processes; each appends one entry at a time and waits until it is on the disk. PostgreSQL is a server of the
benchmark's own, with its own defaults, unless one is given (then in a database of its own, dropped afterwards). Every
trial also counts how often a second the disk itself can be written to and waited for (``disk``): an append alone
cannot be faster, and on a busy machine that number moves. Trials are repeated, the middle one counts.

An export is made of entries like those of a running site, and verified by ``python -m audit.verify`` in a process
of its own. ``growth`` is the exponent of its time in the number of entries: 1 is linear. The last line is one JSON
object.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import audit_export, postgres_server

ROOT = Path(__file__).resolve().parent.parent
WRITERS = {"postgresql": (1, 8, 32), "sqlite": (1, 4)}
PROBE = 0.3


def main(arguments: Sequence[str] | None = None) -> None:
    asked = _arguments(arguments)
    with tempfile.TemporaryDirectory(prefix="benchmark-audit-") as folder:
        appends = {**_postgres(asked, Path(folder)), **_trials("sqlite", asked, Path(folder), "")}
        verifying = [audit_export.verified(Path(folder), entries) for entries in asked.entries]
    figures: dict[str, Any] = {"appends": appends, "verifying": verifying}
    if len(verifying) > 1:
        figures["growth"] = audit_export.growth(verifying)
    print(json.dumps(figures))


def _postgres(asked: argparse.Namespace, folder: Path) -> dict[str, Any]:
    if asked.server:
        return _trials("postgresql", asked, folder, asked.server)
    if not postgres_server.available():
        print("no PostgreSQL on this machine: those figures are left out", file=sys.stderr)
        return {}
    server = postgres_server.Server()
    try:
        return _trials("postgresql", asked, folder, server.url("postgres"))
    finally:
        server.close()


def _trials(kind: str, asked: argparse.Namespace, folder: Path, server: str) -> dict[str, Any]:
    """The middle of the repeats, by number of writers; the repeats go round, so that a busy minute hits all alike."""
    rates: dict[int, list[dict[str, float]]] = {writers: [] for writers in WRITERS[kind]}
    for _ in range(asked.repeats):
        for writers, found in rates.items():
            found.append(_trial(folder, server, writers, asked.seconds))
            print(json.dumps({"database": kind, "writers": writers, **found[-1]}), flush=True)
    return {f"{kind} {writers}": _middle(found) for writers, found in rates.items()}


def _middle(found: list[dict[str, float]]) -> dict[str, float]:
    rate, disk = (statistics.median(one[name] for one in found) for name in ("rate", "disk"))
    best = max(one["rate"] for one in found)
    return {"rate": rate, "best": best, "disk": disk, "per_wait": round(rate / disk, 2)}


def _trial(folder: Path, server: str, writers: int, seconds: float) -> dict[str, float]:
    """A new site and database, this many writers at once; entries a second, and the disk's own pace around it."""
    name = f"benchmark_{secrets.token_hex(6)}"
    environment = {key: value for key, value in os.environ.items() if not key.endswith("DATABASE_URL")}
    environment |= {"SITE_DIR": str(folder / name), "DJANGO_SETTINGS_MODULE": "llmsynthor_site.settings"}
    if server:
        postgres_server.statement(server, f'CREATE DATABASE "{name}"')
        environment["LOG_DATABASE_URL"] = server.rpartition("/")[0] + f"/{name}"
    before = _disk(folder)
    command = [sys.executable, "-m", "benchmarks.audit_writers", str(writers), str(seconds)]
    done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    if server:
        postgres_server.statement(server, f'DROP DATABASE "{name}" WITH (FORCE)')
    return found | {"disk": round((before + _disk(folder)) / 2)}


def _disk(folder: Path) -> float:
    """Writes a second of 8 KiB, each waited for, as a database's log does."""
    with (folder / "probe").open("wb") as file:
        count, began = 0, time.monotonic()
        while time.monotonic() - began < PROBE:
            os.pwrite(file.fileno(), bytes(8192), 0)
            os.fdatasync(file.fileno())
            count += 1
        return count / (time.monotonic() - began)


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=4.0, help="how long each trial appends")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--entries", type=int, nargs="*", default=[10_000, 30_000, 100_000])
    parser.add_argument("--server", default="", help="postgres://role@host:port/database of a running server")
    asked = parser.parse_args(arguments)
    if asked.seconds <= 0 or asked.repeats < 1 or any(entries < 100 for entries in asked.entries):
        parser.error("some seconds, one repeat, and a hundred entries at least")
    return asked


if __name__ == "__main__":
    main()
