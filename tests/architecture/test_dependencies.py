"""Of every package that the project names, docs/dependencies.md says why it is here, and of no other."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NAME = re.compile(r"[A-Za-z0-9._-]+")


def named() -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    return {match.group() for group in groups for one in group if (match := NAME.match(one))}


def told() -> list[tuple[str, str]]:
    """(package, why) of every row of the page's tables."""
    rows = re.findall(r"^\| ([^|]+) \| ([^|]+) \|", (ROOT / "docs" / "dependencies.md").read_text(), re.M)
    return [(name, why) for names, why in rows if names != "package" for name in names.split(", ")]


def test_each_is_there_for_a_reason() -> None:
    assert sorted(name for name, _ in told()) == sorted(named())
    assert all(len(why) > 3 for _, why in told())


def test_everything_is_locked_with_its_hashes() -> None:
    """Every requirement of the lock that production installs has a fixed version and at least one hash."""
    lock = (ROOT / "requirements.lock").read_text()
    blocks = re.split(r"\n(?=[a-z0-9])", lock)
    pinned = [block for block in blocks if not block.startswith("#")]
    assert len(pinned) > 50
    assert [block.splitlines()[0] for block in pinned if "==" not in block or "--hash=sha256:" not in block] == []
