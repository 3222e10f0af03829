"""The release benchmark runs from end to end, and its figures are of what it says."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def run(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks.release", *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)


def test_the_last_line_is_one_object_with_the_named_figures() -> None:
    done = run("--rows", "30000", "--columns", "4")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert list(found) == [
        "rows", "columns", "tables", "cells", "bare_seconds", "release_seconds", "ratio", "peak_rss_mib",
    ]  # fmt: skip
    assert (found["rows"], found["columns"], found["tables"]) == (30000, 4, 6)
    assert found["cells"] == 4 * 9 + 4 * 14 + 4 * 19 + 9 * 14 + 9 * 19 + 14 * 19
    assert found["ratio"] == pytest.approx(found["release_seconds"] / found["bare_seconds"], abs=0.001)
    assert 50 < found["peak_rss_mib"] < 1024


@pytest.mark.skipif(find_spec("polars") is not None, reason="polars is installed")
def test_without_polars_the_comparison_says_what_to_install() -> None:
    done = run("--rows", "10", "--columns", "2", "--context")
    assert done.returncode != 0
    assert "pip install" in done.stderr


def test_impossible_sizes_are_refused() -> None:
    for options in (["--rows", "0"], ["--columns", "1"]):
        done = run(*options)
        assert done.returncode == 2
        assert "at least one row and two columns" in done.stderr
