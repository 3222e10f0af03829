"""Rows drawn in shards: how time and memory grow with rows and with workers, and whether the table stays the same.

    python -m benchmarks.shards [--rows N ...] [--workers W ...] [--columns M] [--shard-rows R] [--record FILE]

A generated table is measured at epsilon 1 and modelled once. Then tables of so many rows are drawn by so many
processes, each taking the next shard that nobody has, into Parquet parts, and the parts are checked, decoded and
written as Parquet and CSV, by the product's own code. One JSON line for each: ``cpu_seconds_drawing`` of all workers
together, ``cpu_seconds_writing`` of the one that writes, ``worker_peak_mib`` the highest memory of a worker,
``peak_mib`` of the writer, ``sha256`` of the CSV: the same for the same rows, however many workers. The last line
compares most with fewest rows: memory should not grow, and time should grow as rows do.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before numpy: results must not depend on threads
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "llmsynthor_site.settings")
os.environ.setdefault("RUST_BACKTRACE", "0")

import argparse
import dataclasses
import json
import multiprocessing
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import django
import numpy as np
import pyarrow.parquet as pq

from benchmarks import records as recorded
from benchmarks import rows
from benchmarks.release import peak_rss_mib
from privacy.schema import Schema
from privacy.values import Release
from synthesis import checks, packaging

FORKED = multiprocessing.get_context("fork")  # the model is there at once


def main(arguments: Sequence[str] | None = None) -> None:
    asked = _arguments(arguments)
    django.setup()
    from synthesis.sharding import Order

    schema = rows.declared(asked.columns, 2)
    loop, release = rows.finished_model(schema)
    finished = dataclasses.replace(loop.finished(), shard_rows=asked.shard_rows)
    lines = []
    for count in asked.rows:
        for workers in asked.workers:
            order = Order(finished, None, release.domain, count, {})
            with tempfile.TemporaryDirectory(prefix="benchmark-shards-") as folder:
                lines.append(_one(order, release, schema, workers=workers, folder=Path(folder)))
            recorded.tell(lines[-1], asked.record)
    print(json.dumps(_compared(lines)))


def _one(order: Any, release: Release, schema: Schema, *, workers: int, folder: Path) -> dict[str, Any]:
    began = time.monotonic()
    helpers = _drawn(order, folder, workers)
    drawn = time.monotonic()
    report = FORKED.Queue()
    writer = FORKED.Process(target=_write, args=(order, release, schema, folder, report))
    writer.start()
    written: dict[str, Any] = report.get()
    writer.join()
    return {
        "kind": "shards", "method": f"workers {workers}", "workers": workers, "rows": order.rows,
        "columns": len(release.domain.columns), "shards": len(order.finished.sizes(order.rows)),
        "seconds_drawing": round(drawn - began, 2), "seconds_writing": round(time.monotonic() - drawn, 2),
        "cpu_seconds_drawing": round(sum(each["cpu"] for each in helpers), 2),
        "worker_peak_mib": max(each["peak"] for each in helpers), **written,
    }  # fmt: skip


def _drawn(order: Any, folder: Path, workers: int) -> list[dict[str, Any]]:
    """Every part, drawn by so many processes; what each took."""
    following, told = FORKED.Value("i", 0), FORKED.Queue()
    processes = [FORKED.Process(target=_work, args=(order, folder, following, told)) for _ in range(workers)]
    for process in processes:
        process.start()
    found = [told.get() for _ in processes]
    for process in processes:
        process.join()
    return found


def _work(order: Any, folder: Path, following: Any, told: Any) -> None:
    """One worker: the next shard, until there is none."""
    from synthesis.sharding import packed

    while True:
        with following.get_lock():
            number = following.value
            following.value += 1
        if number >= len(order.finished.sizes(order.rows)):
            break
        records, swap = order.draw(number)
        pq.write_table(packed(records, swap, order.domain), folder / f"{number}.parquet")
    told.put({"cpu": time.process_time(), "peak": peak_rss_mib()})


def _write(order: Any, release: Release, schema: Schema, folder: Path, report: Any) -> None:
    """The parts as one table, as a run of the product writes them."""
    check = checks.Check(release, schema.rules)
    with packaging.TableFiles(folder / "out") as files:
        for number, shard in enumerate(_parts(order, folder)):
            rng = np.random.default_rng([0, number])
            check.add(shard)
            for part in packaging.parts(len(shard)):
                files.add(schema.decode(shard[part], rng))
    told = check.report(schema.labels)
    report.put({
        "violations": check.violations, "tvd2_vs_noised": told["tvd2_vs_noised"],
        "sha256": packaging.sha256_of(folder / "out" / "data.csv"),
        "cpu_seconds_writing": round(time.process_time(), 2), "peak_mib": peak_rss_mib(),
    })  # fmt: skip


def _parts(order: Any, folder: Path) -> Iterator[Any]:
    from synthesis.sharding import unpacked

    for number in range(len(order.finished.sizes(order.rows))):
        yield unpacked(pq.read_table(folder / f"{number}.parquet"), order.domain)[0]


def _compared(lines: list[dict[str, Any]]) -> dict[str, Any]:
    few, many = min(lines, key=lambda line: line["rows"]), max(lines, key=lambda line: line["rows"])
    tables = {(line["rows"], line["sha256"]) for line in lines}
    return {
        "rows": many["rows"], "rows_ratio": round(many["rows"] / few["rows"], 2),
        "cpu_ratio": round(_cpu(many) / _cpu(few), 2),
        "memory_ratio": round(max(many["worker_peak_mib"], many["peak_mib"])
                              / max(few["worker_peak_mib"], few["peak_mib"]), 2),
        "same_whatever_workers": len(tables) == len({rows for rows, _ in tables}),
    }  # fmt: skip


def _cpu(line: dict[str, Any]) -> float:
    return float(line["cpu_seconds_drawing"] + line["cpu_seconds_writing"])


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[400_000, 1_600_000])
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--columns", type=int, default=15)
    parser.add_argument("--shard-rows", type=int, default=200_000)
    parser.add_argument("--record", type=Path, help="a file to append the lines to")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
