"""The package: formulas are disarmed, numbers are intact, and every file's hash is in the manifest."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from audit import verify_package
from audit.notes import PrivateKey
from synthesis import guarding, packaging

KEY = PrivateKey("llmsynthor/packages-test", bytes(range(32)))
LOG_KEY = PrivateKey("llmsynthor/log-test", bytes(range(1, 33))).public

FACTS = {
    "title": "Synthetic test", "dataset": "A table", "rows": 3, "package": "0b9f3c52-54a5-4ab5-9bb5-6a2e7d3e7c01",
    "privacy": {"unit": "one row", "neighbours": "add-remove", "rho": "0.01", "epsilon": "1", "delta": "0.000001"},
    "request": "6f1a", "release": "77c0", "manifest_of_egress": "ab", "proposer": "embedded", "seed": "5",
    "settings": "cd", "unprotected_quantities": ["when it was made"],
    "made_at": "2030-01-02T03:04:05+00:00",
}  # fmt: skip
REPORT = {
    "rows": 3, "tvd1_vs_noised": 0.01, "tvd2_vs_noised": 0.01, "columns": [], "targets": [],
    "within_noise": 1.0, "never_measured": [], "tables": [],
    "rules": [{"rule": 'x < 4 implies kind == "b"', "reason": "so it is", "violations": 0}],
}  # fmt: skip


@pytest.mark.parametrize("cell", ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", '=HYPERLINK("x")'])
def test_formulas_are_disarmed(cell: str) -> None:
    assert guarding.guard_cell(cell) == "'" + cell


@pytest.mark.parametrize("cell", ["-5", "+3.2", "-1e-9", "plain", "a=b", "", 7, -2.5, None])
def test_numbers_and_plain_text_stay(cell: object) -> None:
    assert guarding.guard_cell(cell) is cell


def write(folder: Path, *parts: pd.DataFrame) -> dict:
    with packaging.TableFiles(folder) as files:
        for part in parts:
            files.add(part)
    return packaging.write_package(
        folder, report=REPORT, facts=FACTS, key=KEY, log_key=LOG_KEY, papers={"dpia.md": "A draft"}
    )


def test_every_file_is_in_the_manifest_with_its_hash(tmp_path: Path) -> None:
    table = pd.DataFrame({"x": [1, -2, 3], "kind": ["=1", "b", None]})
    manifest = write(tmp_path, table)
    assert {file["name"] for file in manifest["files"]} == {
        "data.csv", "data.parquet", "quality.json", "README.md", "guarantee.txt", "VERIFY.txt", "sha256sums.txt",
        "attestation.json", "datapackage.json", "croissant.json", "prov.json", "data.xlsx", "report.html", "dpia.md",
    }  # fmt: skip
    for file in manifest["files"]:
        assert hashlib.sha256((tmp_path / file["name"]).read_bytes()).hexdigest() == file["sha256"]
    assert json.loads((tmp_path / "manifest.json").read_text()) == manifest


def test_csv_is_guarded_and_parquet_is_exact(tmp_path: Path) -> None:
    table = pd.DataFrame({"=x": [1, -2, 3], "kind": ["=1", "b", "-4"]})
    write(tmp_path, table)
    csv = pd.read_csv(tmp_path / "data.csv", dtype=str)
    assert list(csv.columns) == ["'=x", "kind"]
    assert list(csv["kind"]) == ["'=1", "b", "-4"]
    assert list(csv["'=x"]) == ["1", "-2", "3"]
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "data.parquet"), table, check_dtype=False)


def test_formulas_among_categories_are_disarmed_too() -> None:
    table = pd.DataFrame({"kind": pd.Categorical(["=1+1", "plain", None])})
    assert list(guarding.guarded(table)["kind"])[:2] == ["'=1+1", "plain"]


def test_a_table_in_one_part_is_what_pandas_writes_at_once(tmp_path: Path) -> None:
    table = pd.DataFrame({"x": [1, -2, 3], "kind": ["=1", "b", None], "y": pd.array([0.5, None, 2], dtype="Float64")})
    write(tmp_path, table)
    table.to_parquet(tmp_path / "whole.parquet", index=False)
    assert (tmp_path / "data.parquet").read_bytes() == (tmp_path / "whole.parquet").read_bytes()
    guarding.guarded(table).to_csv(tmp_path / "whole.csv", index=False, lineterminator="\n")
    assert (tmp_path / "data.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()


def test_parts_make_one_table_with_one_header(tmp_path: Path) -> None:
    empty = pd.DataFrame({"kind": pd.Series([None, None], dtype="str"), "x": pd.array([1, 2], dtype="Int64")})
    full = pd.DataFrame({"kind": pd.Series(["=1", "b"], dtype="str"), "x": pd.array([None, -4], dtype="Int64")})
    write(tmp_path, empty, full)
    found = pd.read_parquet(tmp_path / "data.parquet")
    pd.testing.assert_frame_equal(found, pd.concat([empty, full], ignore_index=True))
    assert pq.ParquetFile(tmp_path / "data.parquet").num_row_groups == 2
    assert (tmp_path / "data.csv").read_text() == "kind,x\n,1\n,2\n'=1,\nb,-4\n"


def test_a_cell_that_a_workbook_cannot_hold_costs_the_workbook_and_nothing_else(tmp_path: Path) -> None:
    """32,768 characters: README.md names column and rule, the other files hold every character."""
    table = pd.DataFrame({"x": ["y" * 32_768, "short"]})
    manifest = write(tmp_path, table)
    assert "data.xlsx" not in {file["name"] for file in manifest["files"]}
    readme = (tmp_path / "README.md").read_text()
    assert "There is no workbook (data.xlsx): column x: a cell of a workbook holds fewer than 32,767 chara" in readme
    assert "| data.xlsx |" not in readme
    assert verify_package.verify(tmp_path, KEY.public).found == []
    for found in (pd.read_csv(tmp_path / "data.csv"), pd.read_parquet(tmp_path / "data.parquet")):
        assert list(found["x"]) == list(table["x"])


def test_the_readme_lists_the_rules_every_record_keeps(tmp_path: Path) -> None:
    write(tmp_path, pd.DataFrame({"x": [1, 2, 3]}))
    assert '- `x < 4 implies kind == "b"`: so it is (0 of 3 records break it)' in (tmp_path / "README.md").read_text()


def test_the_readme_states_the_guarantee(tmp_path: Path) -> None:
    write(tmp_path, pd.DataFrame({"x": [1, 2, 3]}))
    text = (tmp_path / "README.md").read_text()
    assert "rho = 0.01" in text
    assert "epsilon = 1 at delta = 0.000001" in text
    assert "one row (add-remove neighbours)" in text


def test_the_guarantee_names_unit_neighbours_loss_and_what_it_leaves_out(tmp_path: Path) -> None:
    write(tmp_path, pd.DataFrame({"x": [1, 2, 3]}))
    text = " ".join((tmp_path / "guarantee.txt").read_text().split())
    assert "rho = 0.01, and so (epsilon, delta) differential privacy with epsilon = 1 at delta = 0.000001" in text
    assert "for tables that differ in one row (add-remove neighbours)" in text
    assert (
        '("unprotected_quantities" in manifest.json): when it was made.' in text.partition("WHAT IT DOES NOT COVER")[2]
    )
    assert "were found among the data" not in text


def test_the_same_table_and_facts_give_the_same_package(tmp_path: Path) -> None:
    for name in ("one", "other"):
        write(tmp_path / name, pd.DataFrame({"x": [1, 2, 3]}))
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "other" / path.name).read_bytes()
