"""Processes that append to one log for some seconds: ``python -m benchmarks.audit_writers WRITERS SECONDS``."""

from __future__ import annotations

import json
import multiprocessing
import secrets
import sys
import time
from typing import Any

import django

FACTS = {
    "population": "6f1c1f0e-8a1f-4f0e-9c6b-1d6f0a5e7b11", "entry": "481", "request": "release:20250101:7",
    "rho": "0.001250000000", "delta": "0", "mechanism": "discrete gaussian", "cliques": [["age", "income"]],
    "sensitivity": "1.4142135623730951", "scale": "28.284271247461902",
}  # fmt: skip


def main(writers: int, seconds: float) -> dict[str, Any]:
    from django.core.management import call_command
    from django.db import connections

    from audit import keys, log

    call_command("migrate", database="log", verbosity=0)
    keys.make()
    _append()
    log.checkpoint()
    context = multiprocessing.get_context("fork")
    gate, counts = context.Barrier(writers), context.Queue()
    waited = _waits()
    connections.close_all()
    started = [context.Process(target=_writer, args=(seconds, gate, counts)) for _ in range(writers)]
    for each in started:
        each.start()
    found = [counts.get(timeout=seconds + 120) for _ in started]
    for each in started:
        each.join()
    appended = sum(count for count, _ in found)
    if log.size() != appended + 1 + writers:
        raise SystemExit(f"{appended} appends were acknowledged, the log holds {log.size()}")
    rate = round(appended / max(taken for _, taken in found))
    return {"rate": rate, "waits": round((_waits() - waited) / (appended + writers), 2)}


def _waits() -> int:
    """How often PostgreSQL has waited for the disk with its log; 0 on SQLite, which does not count."""
    from django.db import connections

    if connections["log"].vendor != "postgresql":
        return 0
    with connections["log"].cursor() as cursor:
        cursor.execute("SELECT wal_sync FROM pg_stat_wal")
        return int(cursor.fetchone()[0])


def _append() -> None:
    from audit import log

    log.append(
        event_id=secrets.token_hex(16), action="benchmark:entry:made", by="system", subject="population:1", facts=FACTS
    )


def _writer(seconds: float, gate: Any, counts: Any) -> None:
    _append()  # connects, and imports what is imported late
    gate.wait()
    count, began = 0, time.monotonic()
    while (taken := time.monotonic() - began) < seconds:
        _append()
        count += 1
    counts.put((count, taken))


if __name__ == "__main__":
    django.setup()
    print(json.dumps(main(int(sys.argv[1]), float(sys.argv[2]))))
