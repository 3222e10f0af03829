"""The page of the long tests: a test that passes replaces its own lines, one that fails loses them, the others stay."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests import sizes

LINE = ("C1", "a race", "unit/test_x.py::test_race", "10 requests", "5 passed", "5 fit", "2030-01-01")
OTHER = ("C2", "a kill", "unit/test_x.py::test_kill", "3 runs", "0 lost", "0", "2030-01-01")


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(sizes, "PAGE", tmp_path / "page.md")
    return tmp_path / "page.md"


def test_lines_are_kept_replaced_and_dropped(page: Path) -> None:
    sizes._write(LINE, OTHER)
    assert sizes.written() == [LINE, OTHER]
    again = (*LINE[:3], "20 requests", "5 passed", "5 fit", "2030-01-02")
    sizes._write(again)
    assert sizes.written() == [again, OTHER]
    sizes._write(dropped=lambda line: line[2].endswith("test_race"))
    assert sizes.written() == [OTHER]
    assert page.read_text() == sizes.HEAD + f"| {' | '.join(OTHER)} |\n"


def test_what_is_no_line_of_a_test_is_not_kept(page: Path) -> None:
    page.write_text(sizes.HEAD + "| C5 | planted leak | 1 | seen |\n")
    assert sizes.written() == []


def test_repeating_ends_with_the_minutes_but_not_before_once() -> None:
    now = time.monotonic()
    assert list(sizes.numbers(5, end=now - 1)) == [0]
    assert list(sizes.numbers(5, end=now + 600)) == list(sizes.numbers(5, end=None)) == [0, 1, 2, 3, 4]
    assert list(sizes.numbers(0, end=now - 1)) == []
