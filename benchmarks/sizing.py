"""How many workers a site needs: a queue of requests, simulated with service times from recorded figures.

    python -m benchmarks.sizing [--seed S] [--record FILE]

Requests come at random moments of a working day of eight hours. Each keeps a measuring worker busy until its tick
(``privacy/pacing.py``, with the site's own pace), and later a synthesising worker for as long as the recorded
figures say (``docs/benchmarks/growth.jsonl`` for the model, ``docs/benchmarks/shards.jsonl`` for rows), and for the
answers of a language model. Times vary around those by a gamma distribution whose standard deviation is half its
mean. For every case the fewest workers are found with which 95 of 100 jobs wait at most five minutes; nothing of it
is measured on a cluster. One JSON line for each case.
"""

from __future__ import annotations

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "llmsynthor_site.settings")
os.environ.setdefault("RUST_BACKTRACE", "0")

import argparse
import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import records
from benchmarks.records import Line
from privacy.pacing import Pace, tick
from privacy.values import Domain

RECORDED = Path(__file__).resolve().parent.parent / "docs" / "benchmarks"
HOURS, DAYS = 8, 100
CODES = 12  # of a column, as in the generated tables
LARGEST = 10_000  # cells of a table that a plan measures
ANSWERS, ANSWER_SECONDS = 5, 10.0  # of a language model, for one request
MOST_SYNTHETIC = 1_000_000
PATIENCE = 300.0  # seconds that 95 of 100 jobs may wait
MOST_WORKERS = 500
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Case:
    """A kind of table, by rows and columns of the data, and how many requests a day it is asked for."""

    rows: int
    columns: int
    requests: int


CASES = (
    Case(100_000, 15, 20), Case(1_000_000, 15, 100), Case(1_000_000, 15, 1000), Case(1_000_000, 30, 100),
    Case(10_000_000, 30, 100), Case(10_000_000, 100, 50), Case(100_000_000, 100, 20),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Figures:
    """CPU seconds as they were recorded: of a model by its columns, of one drawn and written row by its columns."""

    model: tuple[tuple[int, float], ...]
    row_and_column: float

    @classmethod
    def of(cls, lines: Sequence[Line]) -> Figures:
        """BadRecords where either kind was never recorded."""
        grown = sorted((line["columns"], line["cpu_seconds"]) for line in lines if line["kind"] == "growth")
        drawn = [line for line in lines if line["kind"] == "shards"]
        if not grown or not drawn:
            raise records.BadRecords("sizing needs recorded lines of the kinds growth and shards")
        most = max(drawn, key=lambda line: line["rows"])
        seconds = most["cpu_seconds_drawing"] + most["cpu_seconds_writing"]
        return cls(tuple(grown), seconds / most["rows"] / most["columns"])

    def synthesis(self, case: Case) -> float:
        """Seconds of one synthesising worker for one request."""
        columns, seconds = zip(*self.model, strict=True)
        model = float(np.interp(case.columns, columns, seconds))
        return model + self.row_and_column * min(case.rows, MOST_SYNTHETIC) * case.columns + ANSWERS * ANSWER_SECONDS


def measuring(case: Case, pace: Pace) -> float:
    """Seconds of one measuring worker for one request: until the tick, whatever counting took."""
    domain = Domain.from_mapping({f"c{place}": CODES for place in range(case.columns)})
    return tick(domain, rows=case.rows, largest=LARGEST, pace=pace)


def waits(workers: int, arrivals: Floats, services: Floats) -> Floats:
    """Seconds that each job waits for the first of so many workers, first come first served."""
    free = [0.0] * workers
    found = np.empty(len(arrivals))
    for job, (arrival, service) in enumerate(zip(arrivals.tolist(), services.tolist(), strict=True)):
        begins = max(arrival, heapq.heappop(free))
        found[job] = begins - arrival
        heapq.heappush(free, begins + service)
    return found


def day_of_waits(case: Case, seconds: float, workers: int, rng: np.random.Generator) -> Floats:
    """The waits of many days together; what is left at the end of a day is worked off before the next."""
    found = []
    for _ in range(DAYS):
        arrivals = np.sort(rng.uniform(0, HOURS * 3600, rng.poisson(case.requests)))
        found.append(waits(workers, arrivals, rng.gamma(4.0, seconds / 4.0, len(arrivals))))
    return np.concatenate(found)


def fewest(case: Case, seconds: float, *, seed: int) -> tuple[int, float]:
    """The fewest workers with which 95 of 100 jobs wait at most PATIENCE, and what those wait at most."""
    for workers in range(1, MOST_WORKERS + 1):
        found = day_of_waits(case, seconds, workers, np.random.default_rng([seed, workers]))
        wait = float(np.quantile(found, 0.95)) if len(found) else 0.0
        if wait <= PATIENCE:
            return workers, wait
    raise ValueError(f"more than {MOST_WORKERS} workers would be needed")


def sized(case: Case, figures: Figures, pace: Pace, *, seed: int) -> Line:
    measure, synthesise = measuring(case, pace), figures.synthesis(case)
    measurers, first = fewest(case, measure, seed=seed)
    synthesisers, second = fewest(case, synthesise, seed=seed)
    return {
        "kind": "sizing", "rows": case.rows, "columns": case.columns, "method": f"{case.requests} requests a day",
        "requests": case.requests, "seed": seed, "measure_seconds": round(measure), "measurers": measurers,
        "measure_wait_p95": round(first), "synthesise_seconds": round(synthesise), "synthesisers": synthesisers,
        "synthesise_wait_p95": round(second),
    }  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> None:
    asked = _arguments(arguments)
    from django.conf import settings

    pace: dict[str, Any] = settings.MEASURING_PACE
    try:
        figures = Figures.of(records.latest(records.read(asked.results)))
    except records.BadRecords as error:
        raise SystemExit(str(error)) from None
    for case in CASES:
        records.tell(sized(case, figures, Pace(**pace), seed=asked.seed), asked.record)


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--results", type=Path, default=RECORDED, help="the folder of recorded lines")
    parser.add_argument("--record", type=Path, help="a file to append the lines to")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
