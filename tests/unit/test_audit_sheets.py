"""A table for a spreadsheet that runs nothing."""

import csv
import io

import pytest

from audit.sheets import csv_lines, guarded


@pytest.mark.parametrize("live", ["=1+1", "+1", "-1", "@SUM(1)", "\t=1", "\r=1", "\n=1"])
def test_what_would_run_is_written_behind_a_quote(live):
    (row,) = csv.DictReader(io.StringIO("".join(csv_lines(["a"], [{"a": live}])), newline=""))
    assert row["a"].startswith("'")
    assert row["a"][1:] == live


@pytest.mark.parametrize("harmless", ["", "a=1", "12", 0, -5, -1.5, None, True])
def test_everything_else_stays_as_it_is(harmless):
    assert guarded(harmless) == harmless


def test_lists_and_objects_become_json_and_no_rows_still_have_a_head():
    assert "".join(csv_lines(["a", "b"], [])) == "a,b\r\n"
    (row,) = csv.DictReader(io.StringIO("".join(csv_lines(["a"], [{"a": {"y": [1], "x": "ü"}}]))))
    assert row["a"] == '{"x": "ü", "y": [1]}'
