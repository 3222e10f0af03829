"""What was recorded of a run's prompts and of a release, read from the log and the bodies beside it alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from audit import bodies, canonical, entries, log
from audit.errors import BodyBroken, BodyErased
from audit.leaves import Leaf


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt to send one prompt. A body that was erased, or does not match its hash, is None.

    ``answered``: whether an answer was recorded, even if it was erased since. ``problems`` say what is broken.
    """

    intent: str
    index: int
    sequence: int
    attempt: int
    endpoint: str
    prompt: bytes | None
    map: bytes | None
    answer: bytes | None
    answered: bool
    erased: frozenset[str]
    problems: tuple[str, ...]

    @property
    def name(self) -> str:
        return f"{self.sequence}.{self.attempt}"


def attempts(run: str) -> list[Attempt]:
    """Every attempt of a run, by sequence and attempt."""
    intents, outcomes = dict[str, Leaf](), dict[str, Leaf]()
    for leaf in entries.about(f"run:{run}"):
        kept = {"audit:prompt:intent": intents, "audit:prompt:outcome": outcomes}.get(leaf.action)
        if kept is not None:
            kept[str(leaf.facts["intent"])] = leaf
    found = [_attempt(leaf, outcomes.get(intent)) for intent, leaf in intents.items()]
    return sorted(found, key=lambda each: (each.sequence, each.attempt))


def started(run: str) -> Leaf | None:
    """The entry of a run's latest start, which tells its environment."""
    found = [leaf for leaf in entries.about(f"run:{run}") if leaf.action == "synthesis:run:started"]
    return found[-1] if found else None


def released(release: str) -> tuple[Leaf, dict[str, Any]]:
    """The entry of a finished release and its tables by charge. BodyErased, or BodyBroken where there is none."""
    leaf = log.find(f"measured-{release}")
    if leaf is None or not leaf.facts.get("tables"):
        raise BodyBroken(f"the log holds no tables of release {release}")
    kept = leaf.facts["tables"]
    tables: dict[str, Any] = canonical.loads(bodies.opened(kept["id"], expected=kept["hash"]))
    return leaf, tables


def charges(population: str) -> dict[str, int]:
    """The charges of a population: ledger entry to index in the log."""
    story = entries.about(f"population:{population}")
    return {str(leaf.facts["entry"]): leaf.index for leaf in story if leaf.action == "privacy:ledger:commit"}


def _attempt(intent: Leaf, outcome: Leaf | None) -> Attempt:
    facts: dict[str, Any] = {"prompt": intent.facts["prompt"], "map": intent.facts["map"], "answer": None}
    if outcome is not None:
        facts["answer"] = outcome.facts["answer"]
    opened, erased, problems = _opened(facts)
    return Attempt(
        str(intent.facts["intent"]), intent.index, int(intent.facts["sequence"]), int(intent.facts["attempt"]),
        str(intent.facts["endpoint"]), opened["prompt"], opened["map"], opened["answer"], facts["answer"] is not None,
        erased, problems,
    )  # fmt: skip


def _opened(facts: Mapping[str, Any]) -> tuple[dict[str, bytes | None], frozenset[str], tuple[str, ...]]:
    found: dict[str, bytes | None] = dict.fromkeys(facts)
    erased, problems = set[str](), list[str]()
    for name, kept in facts.items():
        try:
            found[name] = bodies.opened(kept["id"], expected=kept["hash"]) if kept else None
        except BodyErased:
            erased.add(name)
        except BodyBroken as problem:
            problems.append(f"{name}: {problem}")
    return found, frozenset(erased), tuple(problems)
