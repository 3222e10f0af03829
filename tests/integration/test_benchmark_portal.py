"""The benchmark of the portal at a small size: every page answers, and none asks or holds more when there is more."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

MOST_QUERIES = 12


def run(*, datasets: int, requests: int, events: int) -> tuple[dict[str, Any], dict[str, tuple[int, int]]]:
    """The last line, and by page its queries and kilobytes."""
    sizes = ["--datasets", str(datasets), "--requests", str(requests), "--events", str(events), "--times", "1"]
    made = subprocess.run(
        [sys.executable, "-m", "benchmarks.portal", *sizes], capture_output=True, text=True, check=True, timeout=300,
        cwd=Path(__file__).resolve().parents[2],
    )  # fmt: skip
    lines = [line.split() for line in made.stdout.splitlines() if " queries " in line]
    pages = {f"{at} {line[6]} {plain(line[7])}": (int(line[2]), int(line[4])) for at, line in enumerate(lines)}
    return json.loads(made.stdout.splitlines()[-1]), pages


def plain(address: str) -> str:
    """An address without the ids in it, which differ from site to site."""
    return "/".join("ID" if len(part) > 30 else part for part in address.split("?")[0].split("/"))


def test_no_page_asks_more_or_grows_when_the_site_does() -> None:
    few, small = run(datasets=30, requests=300, events=6000)
    many, large = run(datasets=40, requests=1500, events=9000)
    assert few["pages"] == many["pages"] == len(large) > 80
    assert set(few) == {"pages", "max_queries", "p95_ms", "worst_page"}
    assert max(few["max_queries"], many["max_queries"]) <= MOST_QUERIES, many
    assert set(small) == set(large)
    grown = {page: (small[page], large[page]) for page in small if large[page][1] > 1.5 * small[page][1] + 20}
    assert not grown
