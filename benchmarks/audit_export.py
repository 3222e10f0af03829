"""An export of many entries, like those of a running site, and how long ``python -m audit.verify`` takes for it.

Request after request: votes, a reservation, charges, a release, two prompts with a checkpoint each, a download.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from audit import canonical, notes
from audit.leaves import time_text
from audit.merkle import Frontier, leaf_hash
from benchmarks import processes
from tests import audit_story

FIRST = datetime(2030, 1, 1, tzinfo=UTC)
ONCE = {"privacy:dataset:registered", "privacy:ledger:cap_set", "audit:export:made"}


def verified(folder: Path, entries: int) -> dict[str, float]:
    """Seconds (of the clock, and of the processor alone) and memory that verifying so many entries takes."""
    export = folder / f"export-{entries}"
    held = _write(export, entries)
    command = [sys.executable, "-m", "audit.verify", str(export), "--key", audit_story.PUB, "--json"]
    done = processes.run(command, seconds=600)
    if done.failure or done.said["verdict"] != "holds" or done.said["size"] != held:
        raise SystemExit(f"verifying failed: {done.failure or done.said['findings'][:3]}")
    return {"entries": held, "seconds": done.seconds, "cpu_seconds": done.cpu_seconds, "peak_mib": done.peak_mib}


def growth(found: Sequence[dict[str, float]]) -> float:
    """The exponent of processor time in the number of entries, between the smallest and the largest."""
    first, last = found[0], found[-1]
    ratio = last["cpu_seconds"] / first["cpu_seconds"]
    return round(math.log(ratio) / math.log(last["entries"] / first["entries"]), 2)


def _write(folder: Path, wanted: int) -> int:
    """The export of at least one whole request, up to so many entries; how many it holds."""
    story = audit_story.whole()
    tree = Frontier()
    (folder / "checkpoints").mkdir(parents=True)
    with (folder / "entries.jsonl").open("wb") as lines, (folder / "bodies.jsonl").open("wb") as bodies:
        for action, by, facts in _entries(story, wanted):
            line = _line(tree.size, action, by, facts)
            lines.write(line + b"\n")
            tree = tree.with_leaf(leaf_hash(line))
            for name in [fact["id"] for fact in facts.values() if isinstance(fact, dict) and "id" in fact]:
                story.bodies.setdefault(name, story.bodies[name.partition(".")[0]])
                bodies.write(story.body_line(name))
            if action == "audit:prompt:intent":
                _checkpoint(folder, tree)
    final = _checkpoint(folder, tree)
    (folder / "log.pub").write_text(f"{audit_story.PUB}\n")
    audit_story.sign_manifest(folder, final, audit_story.KEY)
    return tree.size


def _entries(story: audit_story.Story, wanted: int) -> Iterator[tuple[str, str, dict[str, Any]]]:
    repeated = [entry for entry in story.entries if entry[0] not in ONCE]
    turns = max(1, (wanted - len(ONCE)) // (len(repeated) + 1))
    for action, by, facts in story.entries[:2]:
        yield action, by, facts | ({"rho": str(turns)} if "rho" in facts else {})
    for turn in range(turns):
        for action, by, facts in repeated:
            yield action, by, facts if turn == 0 else _renamed(facts, f".{turn}")
            if turn and action == "privacy:release:measured":  # the repeated prompts tell the first release's numbers
                yield "privacy:release:reused", by, REUSED | {"request": f"q1.{turn}"}
    yield story.entries[-1]


def _renamed(value: Any, suffix: str) -> Any:
    if isinstance(value, dict):
        return {key: _named(key, inner, suffix) for key, inner in value.items()}
    if isinstance(value, list):
        return [f"{each}{suffix}" if isinstance(each, str) else _renamed(each, suffix) for each in value]
    return value


REUSED = {"release": "r1", "population": "p1", "version": "v1"}
# Contents are alike in all requests, since their prompts say which content was approved; what names them is not.
OWN = {"request", "entry", "reservation", "release", "measurements", "intent", "run", "grant", "id", "package"}


def _named(key: str, value: Any, suffix: str) -> Any:
    if isinstance(value, dict | list):
        return _renamed(value, suffix)
    return f"{value}{suffix}" if key in OWN else value


def _line(index: int, action: str, by: str, facts: dict[str, Any]) -> bytes:
    told = {"version": 1, "index": index, "event": f"e{index}", "action": action, "by": by, "subject": "log:test"}
    return canonical.dumps({**told, "time": time_text(FIRST + timedelta(seconds=index)), "facts": facts})


def _checkpoint(folder: Path, tree: Frontier) -> notes.Checkpoint:
    checkpoint = notes.Checkpoint(audit_story.KEY.name, tree.size, tree.root())
    (folder / "checkpoints" / f"{tree.size:012d}.note").write_bytes(checkpoint.signed(audit_story.KEY))
    return checkpoint
