"""The question about a table's columns worked out again: its prompt from the declaration, its hints from the answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from audit import entries
from audit.canonical import CanonicalError
from audit.recorded import Attempt
from audit.rendering import from_map
from synthesis import structure_envelope, structuring, suggestions
from synthesis.comparing import Difference, differences
from synthesis.hashing import hash_of
from synthesis.llm.answers import Rejected
from synthesis.models import Run

STEP = structuring.STEP
STRUCTURED = "synthesis:run:structured"


def compared(run: Run, attempts: Sequence[Attempt]) -> Iterator[Difference]:
    """How recorded attempts, the answer and what was made of it differ from what follows from the declaration.

    An attempt or answer that was erased is left out. Nothing is asked.
    """
    if run.request.snapshot.get("structure") is None:
        return
    expected = structure_envelope.question(run.request).prompt()
    for attempt in attempts:
        if attempt.map is not None:
            try:
                yield from differences(expected, from_map(attempt.map), run=str(run.pk), prompt=attempt.name)
            except (TypeError, CanonicalError):
                continue  # segments that cannot be read are told of wherever prompts are rendered again
    yield from _frozen(run, [attempt for attempt in attempts if attempt.answered])


def _frozen(run: Run, answered: Sequence[Attempt]) -> Iterator[Difference]:
    """The hints as they follow from the answer, stand in the log, and are kept: all three are one."""
    story = [leaf for leaf in entries.about(f"run:{run.pk}") if leaf.action == STRUCTURED]
    logged = story[-1].facts["hints"] if story else None
    kept = run.inference.hints
    if logged != kept or hash_of(kept) != run.inference.content_hash:
        yield Difference(str(run.pk), "", None, None, "the hints", str(logged), str(kept))
    yield from _rules(run, logged=story[-1].facts["rules_sha256"] if story else None)
    answer = answered[-1].answer if answered else None
    if (answered and answer is None) or run.inference.problem == structuring.ENDED:
        return
    follows, rules = _read(answer, run) if answer is not None else ([], [])
    if follows != kept:
        yield Difference(str(run.pk), "", None, None, "the hints of the recorded answer", str(follows), str(kept))
    if rules != (held := _held(run)):
        yield Difference(str(run.pk), "", None, None, "the rules of the recorded answer", str(rules), str(held))


def _rules(run: Run, *, logged: str | None) -> Iterator[Difference]:
    """Suggested rules as they are kept must be those whose hash is in the log."""
    held = hash_of(_held(run))
    if held != logged:
        yield Difference(str(run.pk), "", None, None, "the suggested rules", str(logged), held)


def _held(run: Run) -> list[list[str]]:
    return [[one.rule, one.reason] for one in run.request.suggested_rules.all()]


def _read(answer: bytes, run: Run) -> tuple[list[list[str]], list[list[str]]]:
    """Hints and rules as they follow from an answer."""
    try:
        found = structuring.understood(answer, run.request)
    except Rejected:
        return [], []
    fits, _ = suggestions.understood(run.request, found.rules)
    return [list(hint) for hint in found.hints], [[fit.rule, fit.reason] for fit in fits]
