"""The benchmark of shards draws the same table with one worker and with two, and says so."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.statistical


SMALL = "import sys; from benchmarks import rows, shards; rows.TRAINING = 3000; shards.main(sys.argv[1:])"


def test_two_workers_draw_the_table_of_one(tmp_path: Path) -> None:
    """In a process of its own: the benchmark forks, and what captures this one's output is not to be forked."""
    options = ["--columns", "3", "--shard-rows", "300", "--record", str(tmp_path / "lines.jsonl")]
    asked = [sys.executable, "-c", SMALL, "--rows", "500", "1000", "--workers", "1", "2", *options]
    done = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True)
    *lines, last = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(line["rows"], line["workers"], line["shards"]) for line in lines] == [
        (500, 1, 2), (500, 2, 2), (1000, 1, 4), (1000, 2, 4),
    ]  # fmt: skip
    assert lines[0]["sha256"] == lines[1]["sha256"] != lines[2]["sha256"] == lines[3]["sha256"]
    assert all(line["violations"] == 0 for line in lines)
    assert (last["rows_ratio"], last["same_whatever_workers"]) == (2.0, True)
    assert len((tmp_path / "lines.jsonl").read_text().splitlines()) == 4
