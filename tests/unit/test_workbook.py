"""The workbook holds the table exactly and runs nothing; what it cannot hold is named by column and rule."""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path

import openpyxl
import pandas as pd
import pytest

from synthesis import workbook


def written(table: pd.DataFrame, folder: Path) -> tuple[str, Path]:
    folder.mkdir(exist_ok=True)
    table.to_parquet(folder / "data.parquet", index=False)
    return workbook.write({"data": folder / "data.parquet"}, folder / "data.xlsx"), folder / "data.xlsx"


def test_numbers_moments_and_missing_values_are_kept_and_formulas_are_text(tmp_path: Path) -> None:
    table = pd.DataFrame(
        {
            "=n": pd.array([1, -2, None], dtype="Int64"), "text": ["=1+1", "plain", None], "signed": ["-4", "+x", "@y"],
            "large": [2**53 + 1, 5, -(2**60)], "share": [0.1, -2.5, 1e300],
            "day": pd.to_datetime(["2030-01-01 00:00:00", "2030-01-02 03:04:05", None]), "yes": [True, False, True],
        }
    )  # fmt: skip
    assert written(table, tmp_path / "p")[0] == ""
    header, *rows = openpyxl.load_workbook(tmp_path / "p" / "data.xlsx").active.iter_rows()
    assert [cell.value for cell in header] == ["'=n", "text", "signed", "large", "share", "day", "yes"]
    assert [cell.value for cell in rows[0]] == [1, "'=1+1", "-4", str(2**53 + 1), 0.1, datetime(2030, 1, 1), True]
    assert [cell.value for cell in rows[1]][:3] == [-2, "plain", "'+x"]
    assert [cell.value for cell in rows[2]] == [None, None, "'@y", str(-(2**60)), 1e300, None, True]
    assert not any(cell.data_type == "f" for row in rows for cell in row)


def test_pandas_reads_it(tmp_path: Path) -> None:
    table = pd.DataFrame({"x": range(200), "kind": ["a", "b"] * 100})
    _, path = written(table, tmp_path / "p")
    pd.testing.assert_frame_equal(pd.read_excel(path, engine="openpyxl"), table, check_dtype=False)


def test_the_same_table_gives_the_same_bytes(tmp_path: Path) -> None:
    table = pd.DataFrame({"x": range(50)})
    _, one = written(table, tmp_path / "one")
    time.sleep(1.1)  # times in a workbook are whole seconds
    _, two = written(table, tmp_path / "two")
    assert one.read_bytes() == two.read_bytes()


def test_the_longest_cells_it_holds_are_kept_whole(tmp_path: Path) -> None:
    table = pd.DataFrame({"x": ["=" + "y" * 32_765, "\U0001f600" * 16_383]})
    said, path = written(table, tmp_path / "p")
    found = [cell.value for (cell,) in openpyxl.load_workbook(path).active.iter_rows(min_row=2)]
    assert (said, found) == ("", ["'" + table["x"][0], table["x"][1]])


@pytest.mark.parametrize(
    ("table", "rule"),
    [
        (
            pd.DataFrame({"a": ["x"], "long": ["y" * 32_768]}),
            "column long: a cell of a workbook holds fewer than 32,767",
        ),
        (
            pd.DataFrame({"smile": ["\U0001f600" * 16_384]}),
            "column smile: a cell of a workbook holds fewer than 32,767",
        ),
        (
            pd.DataFrame({"kind": pd.Categorical(["a", "y" * 32_767])}),
            "column kind: a cell of a workbook holds fewer than 32,767",
        ),
        (pd.DataFrame({"bell": ["ding\a"]}), "column bell: a workbook holds no control characters"),
        (pd.DataFrame({"x": range(500_001)}), "workbooks are written for at most 500,000 cells"),
        (pd.DataFrame({f"c{at}": [1] for at in range(16_385)}), "at most 1,048,575 rows and 16,384 columns"),
    ],
    ids=["a long cell", "emoji", "a category", "a control character", "many cells", "many columns"],
)
def test_what_it_cannot_hold_is_named_and_nothing_is_written(table: pd.DataFrame, rule: str, tmp_path: Path) -> None:
    said, path = written(table, tmp_path / "p")
    assert rule in said
    assert "y" * 100 not in said
    assert not path.exists()
