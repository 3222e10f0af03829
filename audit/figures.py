"""What each prompt holds, in numbers: kept when its intent is recorded, and worked out again from its body."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from django.db.models import QuerySet

from audit import bodies, log, rendering
from audit.errors import AuditError
from audit.leaves import time_of
from audit.models import PromptFigures, PromptRecord
from audit.segments import DPValue, Prompt, UnfitSegment

KINDS = ("template", "declared", "dpvalue", "synthetic", "freetext")
AT_ONCE = 500
"""Bodies that one look at a statement opens at most; the next look goes on."""


def counted(prompt: Prompt) -> dict[str, Any]:
    """Bytes of text by kind of segment, and the distinct released cells by measurement ("1,0")."""
    sizes: Counter[str] = Counter()
    cells: dict[str, set[str]] = {}
    for message in prompt.messages:
        for segment in message.segments:
            sizes[segment.type.lower()] += len(rendering.text_of(segment).encode())
            if isinstance(segment, DPValue):
                cells.setdefault(segment.measurement, set()).add(",".join(map(str, segment.cell)))
    values = {measurement: sorted(found) for measurement, found in sorted(cells.items())}
    return {kind: sizes[kind] for kind in KINDS} | {"values": values}


def keep(record: PromptRecord, prompt: Prompt, *, total: int) -> PromptFigures:
    """Store what a recorded prompt holds; ``total`` is its length in bytes as it is sent."""
    figures = PromptFigures(record=record, at=_moment(record), total=total, **counted(prompt))
    PromptFigures.objects.bulk_create([figures], ignore_conflicts=True)
    return figures


def answered(record: PromptRecord, size: int) -> None:
    """Store how many bytes came back."""
    PromptFigures.objects.filter(record=record).update(answer=size)


def of(record: PromptRecord) -> PromptFigures:
    """Worked out from the recorded bodies, each checked against the log; unsaved.

    A body that was erased or does not match leaves its figures at 0 and ``readable`` False.
    """
    figures = PromptFigures(record=record, at=_moment(record))
    leaf = log.entry(_index(record))
    try:
        prompt = rendering.from_map(bodies.opened(record.map_id, expected=leaf.facts["map"]["hash"]))
        figures.total = len(bodies.opened(record.body_id, expected=leaf.facts["prompt"]["hash"]))
        for name, value in counted(prompt).items():
            setattr(figures, name, value)
        figures.answer = _answer_size(record)
    except (AuditError, UnfitSegment):
        figures.readable = False
    return figures


def catch_up(limit: int = AT_ONCE) -> int:
    """Count recorded prompts that have no figures yet, at most ``limit``; return how many are still without."""
    missing = list(_uncounted()[:limit])
    for record in missing:
        PromptFigures.objects.bulk_create([of(record)], ignore_conflicts=True)
    return _uncounted().count() if len(missing) == limit else 0


def differing() -> Iterator[tuple[PromptRecord, PromptFigures]]:
    """Every prompt whose stored figures are not those of its bodies, with the right ones; erased ones are left out."""
    names = ("total", "values", "answer", *KINDS)
    for record in PromptRecord.objects.exclude(intent_index=None).select_related("figures").iterator(chunk_size=500):
        stored = getattr(record, "figures", None)  # read before the right ones take its place
        right = of(record)
        if right.readable and any(getattr(right, name) != getattr(stored, name, None) for name in names):
            yield record, right


def _uncounted() -> QuerySet[PromptRecord]:
    return PromptRecord.objects.filter(figures=None).exclude(intent_index=None).order_by("pk")


def _moment(record: PromptRecord) -> Any:
    return time_of(log.entry(_index(record)).time)


def _index(record: PromptRecord) -> int:
    if record.intent_index is None:
        raise AuditError(f"intent {record.intent_id} is not in the log")
    return record.intent_index


def _answer_size(record: PromptRecord) -> int | None:
    if record.closed_index is None or not record.answer_id:
        return None
    return len(bodies.opened(record.answer_id, expected=log.entry(record.closed_index).facts["answer"]["hash"]))
