"""A pytest plugin: tests that run small by default and large with ``--sizes long``, whose figures are written down.

``make test-long`` runs the tests marked ``long_sizes`` at full size and writes docs/reliability.md.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parent.parent / "docs" / "reliability.md"
HEAD = """# Reliability: what was tried, how often, and what came out

Written by `make test-long`, which fails where a line is not as promised. The same tests run in `make test` at
smaller sizes. Every line with a control also ran a planted defect, which the same test must catch.

Last run: {day}

| row | test | size | result |
|---|---|---|---|
"""
Note = Callable[[str, str, object, object], None]
_notes: list[tuple[str, str, object, object]] = []


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--sizes", choices=["quick", "long"], default="quick", help="how large the large tests run")


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
def note() -> Note:
    """Keep a figure for the page: row of the test table, what was tried, size, result."""

    def keep(row: str, test: str, size: object, result: object) -> None:
        _notes.append((row, test, size, result))

    return keep


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Only a run in which everything passed is written down."""
    if session.config.getoption("--sizes") != "long" or exitstatus != 0 or not _notes:
        return
    lines = [f"| {row} | {test} | {size} | {result} |\n" for row, test, size, result in sorted(_notes, key=str)]
    PAGE.write_text(HEAD.format(day=datetime.now(UTC).date().isoformat()) + "".join(lines))
