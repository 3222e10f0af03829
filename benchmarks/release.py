"""How fast every table of pairs is released from the encrypted vault, beside the bare exact count of the same.

    python -m benchmarks.release [--rows 10000000] [--columns 15] [--context]

A generated table is uploaded as an owner's file would be: coded, bounded, sealed. Then two processes, one after
the other, each alone: the bare one counts all tables of pairs in DuckDB from plain Parquet; the other
releases them: reservation, one ledger entry and one log entry for each table before the vault is read,
decryption, counting, OpenDP's noise, storing. It also releases every one-way table, as the plan does. The
wait for a release's tick is not part of it. Every released table is compared with the exact one: none may
be further off than its noise explains.

The last line is one JSON object; ``cells`` are those of the tables of pairs, ``peak_rss_mib`` is the highest memory of
the releasing process. With ``--context`` the same tables are also released by OpenDP's own Context over Polars,
which needs the package ``polars``, and the object is another one that compares the two.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


def main(arguments: Sequence[str] | None = None) -> None:
    asked = _arguments(arguments)
    if asked.stage:
        print(json.dumps(STAGES[asked.stage](asked)))
        return
    with tempfile.TemporaryDirectory(prefix="benchmark-release-") as folder:
        asked.folder = Path(folder)
        if asked.context:
            _stage("context_check", asked)
        prepared = _stage("prepare", asked)
        print(json.dumps({"prepared": prepared}), flush=True)
        bare, release = _stage("bare", asked), _stage("release", asked)
        context = _stage("context", asked) if asked.context else None
    print(json.dumps(_figures(asked, bare, release) if context is None else _compared(asked, release, context)))


def _figures(asked: argparse.Namespace, bare: dict[str, Any], release: dict[str, Any]) -> dict[str, Any]:
    return {
        "rows": asked.rows,
        "columns": asked.columns,
        "tables": bare["tables"],
        "cells": bare["cells"],
        "bare_seconds": bare["seconds"],
        "release_seconds": release["seconds"],
        "ratio": round(release["seconds"] / bare["seconds"], 3),
        "peak_rss_mib": release["peak_rss_mib"],
    }


def _compared(asked: argparse.Namespace, release: dict[str, Any], context: dict[str, Any]) -> dict[str, Any]:
    return {
        "rows": asked.rows,
        "columns": asked.columns,
        "tables": context["tables"],
        "release_seconds": release["seconds"],
        "context_seconds": context["seconds"],
        "times_faster": round(context["seconds"] / release["seconds"], 1),
        "peak_rss_mib": release["peak_rss_mib"],
        "context_peak_rss_mib": context["peak_rss_mib"],
    }


def _stage(name: str, asked: argparse.Namespace) -> dict[str, Any]:
    """Run one stage in a process of its own, with a site of its own; what it says in its last line."""
    options = ["--rows", str(asked.rows), "--columns", str(asked.columns), "--folder", str(asked.folder)]
    changes = {
        "SITE_DIR": str(asked.folder / "site"),
        "DJANGO_SETTINGS_MODULE": "llmsynthor_site.settings",
        "LIMIT_UPLOAD_BYTES": str(2**40),
        "LIMIT_UPLOAD_ROWS": str(max(asked.rows, 1)),
        "LIMIT_INGEST_SECONDS": str(24 * 3600),
        "RUST_BACKTRACE": "0",
    }
    environment = {key: value for key, value in os.environ.items() if not key.endswith("DATABASE_URL")} | changes
    command = [sys.executable, "-m", "benchmarks.release", "--stage", name, *options]
    done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"the stage '{name}' of the benchmark failed")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def peak_rss_mib() -> int:
    """The highest resident memory of this process so far; unlike getrusage's, nothing of its parent's."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) // 1024


def _site() -> ModuleType:
    import django

    django.setup()
    from benchmarks import release_site

    return release_site


def _prepare(asked: argparse.Namespace) -> dict[str, Any]:
    from benchmarks import generated

    domain = generated.domain(asked.columns)
    generated.write(domain, rows=asked.rows, folder=asked.folder)
    return _site().upload(generated.declaration(domain), asked.folder / "table.csv")


def _bare(asked: argparse.Namespace) -> dict[str, Any]:
    """The exact counts alone; they stay in the benchmark's folder, to be compared with."""
    import duckdb
    import numpy as np

    from benchmarks import generated

    domain, path = generated.domain(asked.columns), asked.folder / "codes.parquet"
    connection, found, began = duckdb.connect(), {}, time.monotonic()
    for pair in combinations(domain.columns, 2):
        query = f"SELECT {pair[0]} AS a, {pair[1]} AS b, count(*) AS n FROM '{path}' GROUP BY ALL"
        found[" ".join(pair)] = connection.execute(query).fetchnumpy()
    seconds = time.monotonic() - began
    tables = {}
    for name, groups in found.items():
        tables[name] = np.zeros([domain.size(column) for column in name.split()], dtype=np.int64)
        tables[name][groups["a"], groups["b"]] = groups["n"]
    np.savez(asked.folder / "exact.npz", **tables)  # type: ignore[arg-type]
    return {"seconds": round(seconds, 3), "tables": len(tables), "cells": sum(table.size for table in tables.values())}


def _release(asked: argparse.Namespace) -> dict[str, Any]:
    return _site().release(asked.folder / "exact.npz") | {"peak_rss_mib": peak_rss_mib()}


def _context_check(asked: argparse.Namespace) -> dict[str, Any]:
    from benchmarks import release_context

    return release_context.available()


def _context(asked: argparse.Namespace) -> dict[str, Any]:
    from benchmarks import generated, release_context

    found = release_context.release(asked.folder / "codes.parquet", generated.domain(asked.columns))
    return found | {"peak_rss_mib": peak_rss_mib()}


STAGES = {"prepare": _prepare, "bare": _bare, "release": _release, "context": _context, "context_check": _context_check}


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--columns", type=int, default=15, help="at least 2")
    parser.add_argument("--context", action="store_true", help="compare with OpenDP's Context over Polars instead")
    parser.add_argument("--stage", choices=sorted(STAGES), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args(arguments)
    if asked.rows < 1 or asked.columns < 2:
        parser.error("at least one row and two columns")
    return asked


if __name__ == "__main__":
    main()
