"""How fast rows come out of a finished model, and with how much memory.

    python -m benchmarks.rows [--rows N] [--columns M] [--rules R] [--out FOLDER]

A generated table is measured at epsilon 1 and modelled; then the rows asked for are drawn, checked against the
released tables and the rules, decoded and written to Parquet and CSV by the product's own code, shard by shard.
The rules are "the first bin of this column implies not the last of that one". The last line is one JSON object:
``seconds_model`` is measuring and modelling, ``seconds_rows`` everything after it, ``peak_rss_mib`` the highest
memory of the whole process; on a busy machine the ``cpu_seconds`` say more.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before numpy: results must not depend on threads
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "llmsynthor_site.settings")
os.environ.setdefault("RUST_BACKTRACE", "0")

import argparse
import json
import resource
import tempfile
import time
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import fidelity, generated
from privacy import accounting
from privacy.dp.charging import MemoryLedger
from privacy.schema import Schema
from privacy.values import Release
from synthesis import checks, packaging
from synthesis.loop import Loop, LoopSettings

TRAINING = 100_000  # rows of the table that is measured
DELTA = Decimal("1e-9")


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, model, write the rows and print the figures."""
    asked = _arguments(arguments)
    schema, began = declared(asked.columns, asked.rules), _now()
    loop, release = finished_model(schema)
    modelled = _now()
    with tempfile.TemporaryDirectory() as scratch:
        report = write(loop, release, schema, rows=asked.rows, folder=Path(asked.out or scratch))
    done = _now()
    print(json.dumps({
        "rows": report["rows"], "columns": asked.columns, "rules": len(report["rules"]),
        "violations": sum(rule["violations"] for rule in report["rules"]),
        "tvd2_vs_noised": report["tvd2_vs_noised"],
        "seconds_model": _since(began, modelled, 0), "seconds_rows": _since(modelled, done, 0),
        "cpu_seconds_model": _since(began, modelled, 1), "cpu_seconds_rows": _since(modelled, done, 1),
        "peak_rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }))  # fmt: skip


def _now() -> tuple[float, float]:
    return time.monotonic(), time.process_time()


def _since(began: tuple[float, float], done: tuple[float, float], clock: int) -> float:
    return round(done[clock] - began[clock], 2)


def declared(columns: int, rules: int) -> Schema:
    """The generated table's declaration, with so many rules over neighbouring columns."""
    declaration: dict[str, Any] = json.loads(generated.declaration(generated.domain(columns)))
    plain = Schema.parse(json.dumps(declaration))
    declaration["rules"] = [{"rule": _rule(plain, number)} for number in range(rules)]
    return Schema.parse(json.dumps(declaration))


def _rule(schema: Schema, number: int) -> str:
    names = schema.domain.columns
    first, second = names[number % len(names)], names[(number + 1 + number // len(names)) % len(names)]
    lowest, highest = json.dumps(schema.labels(first)[0]), json.dumps(schema.labels(second)[-1])
    return f"{first} == {lowest} implies {second} != {highest}"


def finished_model(schema: Schema) -> tuple[Loop, Release]:
    """A loop over a release of the generated table, iterated until it explains it, and settled."""
    batch = next(generated.batches(schema.domain, TRAINING, np.random.default_rng(0)))
    codes = np.stack([column.astype(np.int64) for column in batch], axis=1)
    rho = accounting.rho_for(epsilon=Decimal(1), delta=DELTA)
    release = fidelity.measure(codes, schema.domain, ledger=MemoryLedger(rho), rho=rho, seed=0)
    loop, _ = fidelity.rebuild(release, settings=LoopSettings(), seed=0, rules=schema.rules)
    loop.records(1)
    return loop, release


def write(loop: Loop, release: Release, schema: Schema, *, rows: int, folder: Path) -> dict[str, Any]:
    """The rows as Parquet and CSV in the folder, as a run of the product writes them; its report."""
    check, rng = checks.Check(release, schema.rules), np.random.default_rng(0)
    with packaging.TableFiles(folder) as files:
        for shard in loop.shards(rows):
            check.add(shard)
            for part in packaging.parts(len(shard)):
                files.add(schema.decode(shard[part], rng))
    return check.report(schema.labels)


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--columns", type=int, default=15)
    parser.add_argument("--rules", type=int, default=0)
    parser.add_argument("--out", help="folder for data.csv and data.parquet; by default they are thrown away")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
