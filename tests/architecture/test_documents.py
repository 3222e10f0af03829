"""What ARCHITECTURE.md and the README name is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NAMED = re.compile(r"`((?:[\w.-]+/)+[\w.-]*|[\w-]+\.(?:md|toml|lock))(?:::(\w+))?`")
LINKED = re.compile(r"\]\(([^)#:]+)\)|src=\"([^\":]+)\"")
DOCUMENTS = ["ARCHITECTURE.md", "README.md", *(str(path.relative_to(ROOT)) for path in (ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_files_and_tests_that_are_named_exist(document: str) -> None:
    text = (ROOT / document).read_text()
    missing = []
    for name, test in NAMED.findall(text):
        path = ROOT / name
        if not path.exists() or (test and f"def {test}(" not in path.read_text()):
            missing.append(f"{name}::{test}" if test else name)
    assert missing == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document: str) -> None:
    folder = (ROOT / document).parent
    links = [first or second for first, second in LINKED.findall((ROOT / document).read_text())]
    assert [link for link in links if not (folder / link).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_no_placeholder_is_left(document: str) -> None:
    assert re.findall(r"^(?:FIGURES|PROMISES|TODO|TBD)$", (ROOT / document).read_text(), re.M) == []


def test_every_promise_names_a_file_and_a_test() -> None:
    rows = re.findall(r"^\| (\d+) \| .+? \| (.+) \| (.+) \|$", (ROOT / "ARCHITECTURE.md").read_text(), re.M)
    assert [int(number) for number, _, _ in rows] == list(range(1, 11))
    assert all("`" in kept and "`tests/" in shown for _, kept, shown in rows)
