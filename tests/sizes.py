"""A pytest plugin: tests that run small by default and large with ``--sizes long``, whose figures are written down.

``make test-long`` runs the tests marked ``long_sizes`` at full size and keeps docs/reliability.md: a test that passes
replaces its own lines there, one that fails loses them. With ``--minutes`` tests that repeat something stop repeating
after so long, and the page says how often they did.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Generator, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

PAGE = Path(__file__).resolve().parent.parent / "docs" / "reliability.md"
HEAD = """# Reliability: what was tried, how often, and what came out

Written by `make test-long`, line by line: a test that passes writes what it measured, one that fails loses its lines
here. The same tests run in `make test` at smaller sizes. Every line called a control ran a planted defect, which the
test must catch. All sizes in full take hours; `make test-long MINUTES=5` stops repeating within each test after
that long. The size given is always the one that ran, and a test without a line has not run at full size yet.

| row | what was tried | test | size | figure | bound | day |
|---|---|---|---|---|---|---|
"""
Line = tuple[str, ...]
Note = Callable[[str, str, object, object, object], None]
Repeats = Callable[[int], Iterator[int]]
_NOTED = pytest.StashKey[list[Line]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--sizes", choices=["quick", "long"], default="quick", help="how large the large tests run")
    parser.addoption("--minutes", type=float, default=None, help="the longest a test goes on repeating")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """A test that exists at full size only is not part of a quick run."""
    if config.getoption("--sizes") == "long":
        return
    left_out = [item for item in items if item.get_closest_marker("long_only")]
    items[:] = [item for item in items if not item.get_closest_marker("long_only")]
    config.hook.pytest_deselected(items=left_out)


@pytest.fixture
def is_long(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--sizes") == "long")


@pytest.fixture
def repeats(request: pytest.FixtureRequest) -> Repeats:
    """Counts from 0 to below the number asked for, at least once, and no further once the minutes are over."""
    minutes = request.config.getoption("--minutes")
    return partial(numbers, end=None if minutes is None else time.monotonic() + 60 * minutes)


def numbers(wanted: int, *, end: float | None) -> Iterator[int]:
    for number in range(wanted):
        if number and end is not None and time.monotonic() > end:
            return
        yield number


@pytest.fixture
def note(request: pytest.FixtureRequest) -> Note:
    """Keep a figure for the page: row of the test table, what was tried, size, figure, and the bound it kept to."""
    lines = request.node.stash.setdefault(_NOTED, [])

    def keep(row: str, tried: str, size: object, figure: object, bound: object) -> None:
        lines.append((row, tried, _name(request.node), str(size), str(figure), str(bound)))

    return keep


def _name(item: pytest.Item) -> str:
    """The test's file and function; its parameters stand in what was tried."""
    return re.sub(r"\[.*\]$", "", item.nodeid.replace("\\", "/").removeprefix("tests/"))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[Any]) -> Generator[None, Any, None]:
    report = (yield).get_result()
    if item.config.getoption("--sizes") == "long" and item.get_closest_marker("long_sizes"):
        if report.failed:
            _write(dropped=lambda line: line[2] == _name(item))
        elif report.when == "call" and report.passed:
            day = datetime.now(UTC).date().isoformat()
            _write(*((*line, day) for line in item.stash.get(_NOTED, [])))


def _write(*fresh: Line, dropped: Callable[[Line], bool] = lambda line: False) -> None:
    """The page with these lines, each in the place of an earlier one of the same test and trial."""
    kept = {line[:3]: line for line in written() if not dropped(line)}
    kept |= {line[:3]: line for line in fresh}
    PAGE.write_text(HEAD + "".join(f"| {' | '.join(line)} |\n" for line in sorted(kept.values())))


def written() -> list[Line]:
    """The lines that the page holds now; those of an older form are not among them."""
    text = PAGE.read_text() if PAGE.exists() else ""
    rows = [tuple(cell.strip() for cell in line.strip("|\n").split(" | ")) for line in text.splitlines()]
    return [row for row in rows if len(row) == 7 and "::" in row[2]]
