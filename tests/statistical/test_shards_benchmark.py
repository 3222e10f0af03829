"""The benchmark of shards draws the same table with one worker and with two, and says so."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import rows, shards

pytestmark = pytest.mark.statistical


def test_two_workers_draw_the_table_of_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "TRAINING", 3000)
    options = ["--columns", "3", "--shard-rows", "300", "--record", str(tmp_path / "lines.jsonl")]
    shards.main(["--rows", "500", "1000", "--workers", "1", "2", *options])
    *lines, last = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line["rows"], line["workers"], line["shards"]) for line in lines] == [
        (500, 1, 2), (500, 2, 2), (1000, 1, 4), (1000, 2, 4),
    ]  # fmt: skip
    assert lines[0]["sha256"] == lines[1]["sha256"] != lines[2]["sha256"] == lines[3]["sha256"]
    assert all(line["violations"] == 0 for line in lines)
    assert (last["rows_ratio"], last["same_whatever_workers"]) == (2.0, True)
    assert len((tmp_path / "lines.jsonl").read_text().splitlines()) == 4
