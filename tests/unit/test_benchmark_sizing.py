"""The simulation behind the page on sizing: it queues as a queue does, and says what more work asks for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks import records, report_sizing, sizing
from benchmarks.sizing import Case, Figures
from privacy.pacing import Pace

PACE = Pace(base_seconds=15, nanoseconds_per_row=20, microseconds_per_cell=100)
LINES: list[records.Line] = [
    {"kind": "growth", "rows": 20_000, "columns": 10, "cpu_seconds": 20.0, "peak_mib": 200},
    {"kind": "growth", "rows": 20_000, "columns": 30, "cpu_seconds": 60.0, "peak_mib": 250},
    {"kind": "shards", "rows": 1000, "columns": 10, "workers": 1, "shards": 2, "cpu_seconds_drawing": 0.9,
     "peak_mib": 90, "cpu_seconds_writing": 0.1, "seconds_drawing": 2.0, "worker_peak_mib": 80},
]  # fmt: skip


def test_jobs_wait_for_the_first_free_worker() -> None:
    arrivals, services = np.array([0.0, 1.0, 2.0, 30.0]), np.full(4, 10.0)
    assert sizing.waits(1, arrivals, services).tolist() == [0, 9, 18, 0]
    assert sizing.waits(2, arrivals, services).tolist() == [0, 0, 8, 0]


def test_waits_are_those_of_theory() -> None:
    """One worker that is busy half of the time, with times of a gamma law: the mean wait by Pollaczek and Khinchine."""
    rng = np.random.default_rng(1)
    arrivals = np.cumsum(rng.exponential(20.0, 200_000))
    services = rng.gamma(4.0, 10.0 / 4.0, len(arrivals))
    expected = 0.5 * 10.0 * (1 + 1 / 4) / (2 * (1 - 0.5))
    assert sizing.waits(1, arrivals, services).mean() == pytest.approx(expected, rel=0.03)


def test_figures_are_read_between_and_by_row() -> None:
    figures = Figures.of(LINES)
    small, large = Case(1000, 20, 1), Case(10**9, 20, 1)
    answers = sizing.ANSWERS * sizing.ANSWER_SECONDS
    assert figures.synthesis(small) == pytest.approx(40 + 1000 * 20 * 1e-4 + answers)
    assert figures.synthesis(large) == pytest.approx(40 + sizing.MOST_SYNTHETIC * 20 * 1e-4 + answers)
    with pytest.raises(records.BadRecords, match="growth and shards"):
        Figures.of(LINES[:2])


def test_more_requests_need_more_workers_and_the_same_seed_says_the_same() -> None:
    figures = Figures.of(LINES)
    few, many = (sizing.sized(Case(10_000, 20, requests), figures, PACE, seed=3) for requests in (20, 2000))
    assert few["synthesisers"] < many["synthesisers"]
    assert many["synthesisers"] >= 2000 * many["synthesise_seconds"] / (8 * 3600) * 0.9, (
        "or the work would not be done in a day"
    )
    assert many == sizing.sized(Case(10_000, 20, 2000), figures, PACE, seed=3)
    assert sizing.measuring(Case(10**8, 20, 1), PACE) > sizing.measuring(Case(10**4, 20, 1), PACE)


def test_the_page_holds_the_recorded_figures(tmp_path: Path) -> None:
    line = sizing.sized(Case(10_000, 20, 20), Figures.of(LINES), PACE, seed=0)
    text, figures = report_sizing.page([*LINES, line])
    assert figures == {}
    assert f"| 10,000 | 20 | 20 | {line['measure_seconds']} | 1 | {line['synthesise_seconds']} | 1 |" in text
    assert "| 30 | 60 | 250 |" in text
    assert "| 1,000 | 1 | 2 | 1 | 0.1 | 80 | 90 |" in text
    assert report_sizing.page(LINES) == ("", {})
