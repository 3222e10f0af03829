"""The benchmark of rows writes what it was asked for and says so in one line of JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from benchmarks import rows
from synthesis import packaging

pytestmark = pytest.mark.statistical


def test_rows_are_written_in_parts_and_keep_the_rules(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "TRAINING", 3000)
    monkeypatch.setattr(packaging, "PART_ROWS", 400)
    rows.main(["--rows", "1000", "--columns", "3", "--rules", "2", "--out", str(tmp_path)])
    said = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert {"rows", "columns", "seconds_model", "seconds_rows", "peak_rss_mib"} <= said.keys()
    assert (said["rows"], said["columns"], said["rules"], said["violations"]) == (1000, 3, 2, 0)
    written = pq.ParquetFile(tmp_path / "data.parquet")
    assert (written.metadata.num_rows, written.num_row_groups) == (1000, 3)
    table = pd.read_csv(tmp_path / "data.csv")
    assert len(table) == 1000
    assert rows.declared(3, 2).rules[0].text == 'c00 == "level 00" implies c01 != "80 to 89"'
    assert not ((table["c00"] == "level 00") & (table["c01"] >= 80)).any()
