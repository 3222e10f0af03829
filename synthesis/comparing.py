"""Two prompts, segment by segment: where they differ, and what stands there in each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import zip_longest

from audit.rendering import text_of
from audit.segments import Message, Prompt, Segment

MISSING = "nothing"
Place = tuple[int | None, int | None]
"""Message and segment, both counted from 1; the parts that no message holds have neither."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as it should be, and where: run, prompt (sequence.attempt), message, segment."""

    run: str
    prompt: str
    message: int | None
    segment: int | None
    what: str
    expected: str
    found: str

    def in_words(self) -> str:
        places = (("run", self.run), ("prompt", self.prompt), ("message", self.message), ("segment", self.segment))
        where = ", ".join(f"{name} {value}" for name, value in places if value not in ("", None))
        return f"{where}: {self.what}: expected {self.expected}, found {self.found}"


def differences(expected: Prompt, found: Prompt, *, run: str, prompt: str) -> Iterator[Difference]:
    """Everything in which a recorded prompt differs from the one that was worked out again."""
    for (message, segment), one, other in _pairs(expected, found):
        if one != other:
            yield Difference(run, prompt, message, segment, _what(one, other), _told(one), _told(other))
    for number, (mine, theirs) in enumerate(zip(expected.messages, found.messages, strict=False), start=1):
        if mine.role != theirs.role:
            yield Difference(run, prompt, number, None, "role", mine.role, theirs.role)


def _pairs(expected: Prompt, found: Prompt) -> Iterator[tuple[Place, Segment | None, Segment | None]]:
    for name in ("model", "parameters", "response_schema"):
        yield (None, None), getattr(expected, name), getattr(found, name)
    for number, (one, other) in enumerate(zip_longest(expected.messages, found.messages), start=1):
        for place, (mine, theirs) in enumerate(zip_longest(_segments(one), _segments(other)), start=1):
            yield (number, place), mine, theirs


def _segments(message: Message | None) -> tuple[Segment, ...]:
    return message.segments if message is not None else ()


def _what(one: Segment | None, other: Segment | None) -> str:
    kinds = dict.fromkeys(segment.type for segment in (one, other) if segment is not None)
    return " or ".join(kinds)


def _told(segment: Segment | None) -> str:
    """A segment's text, and where it says that it came from."""
    if segment is None:
        return MISSING
    origins = {name: value for name, value in asdict(segment).items() if name not in ("value", "text")}
    return f"{text_of(segment)} ({', '.join(f'{name} {value}' for name, value in origins.items())})"
