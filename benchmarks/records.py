"""What the benchmarks say: one JSON object a line, printed, and appended to a file that ``benchmarks.report`` reads."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

Line = dict[str, Any]
RUN = ("kind", "data", "shape", "synthesizer", "method", "rows", "columns", "epsilon", "delta", "seed", "apart", "jobs")
"""What tells one run from another."""


class BadRecords(ValueError):
    """A file of recorded lines that is not one; the message names file and line."""


def tell(line: Mapping[str, Any], path: Path | None) -> None:
    """Print the line, and append it where a file is given."""
    text = json.dumps(line)
    print(text, flush=True)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a") as stream:
            stream.write(text + "\n")


def read(folder: Path) -> list[Line]:
    """Every recorded line of the folder's ``*.jsonl``, file by file in alphabetical order."""
    return [line for path in sorted(folder.glob("*.jsonl")) for line in _lines(path)]


def latest(lines: list[Line]) -> list[Line]:
    """The last line about every run, in the order in which runs were first recorded."""
    found: dict[tuple[Any, ...], Line] = {}
    for line in lines:
        found[tuple(line.get(name) for name in RUN)] = line
    return list(found.values())


def mean(lines: list[Line], name: str, digits: int) -> str:
    return f"{sum(line[name] for line in lines) / len(lines):.{digits}f}"


def head(*names: str) -> list[str]:
    """The first two lines of a table in Markdown."""
    return [f"| {' | '.join(names)} |", "|---" * len(names) + "|"]


def positive(text: str) -> bool:
    """Whether this is a finite number above 0."""
    try:
        return 0 < float(text) < math.inf
    except ValueError:
        return False


def _lines(path: Path) -> list[Line]:
    found = []
    for number, text in enumerate(path.read_text().splitlines(), 1):
        try:
            line = json.loads(text)
        except ValueError:
            line = None
        if not isinstance(line, dict) or "kind" not in line:
            raise BadRecords(f"{path.name}, line {number}: not a recorded JSON object")
        found.append(line)
    return found
