"""What changed from one prompt to the next, piece by piece. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

from audit import rendering
from audit.segments import Message, Prompt, Segment

Change = Literal["same", "gone", "new"]
AROUND = 2
"""Unchanged pieces that stay on each side of a change, so that a reader sees where it is."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Segments that changed together, or did not. ``folded`` stand between changes, too many to show."""

    change: Change
    segments: tuple[Segment, ...]
    folded: bool = False

    @property
    def letters(self) -> int:
        return sum(len(rendering.text_of(segment)) for segment in self.segments)


@dataclass(frozen=True, slots=True)
class Difference:
    """One message, before and now. ``gone`` and ``new`` count segments."""

    role: str
    pieces: tuple[Piece, ...]

    @property
    def gone(self) -> int:
        return _count(self.pieces, "gone")

    @property
    def new(self) -> int:
        return _count(self.pieces, "new")


def compare(before: Prompt, now: Prompt) -> tuple[Difference, ...]:
    """Message by message in their order; segments are the same when kind and text are, wherever they came from."""
    longest = max(len(before.messages), len(now.messages))
    return tuple(_message(_at(before, place), _at(now, place)) for place in range(longest))


def _message(before: Message | None, now: Message | None) -> Difference:
    old, new = (() if message is None else message.segments for message in (before, now))
    matched = SequenceMatcher(None, _keys(old), _keys(new), autojunk=len(old) > 2000)
    pieces: list[Piece] = []
    for kind, old_from, old_to, new_from, new_to in matched.get_opcodes():
        if kind == "equal":
            pieces += _unchanged(new[new_from:new_to], first=new_from == 0, last=new_to == len(new))
            continue
        pieces += [Piece("gone", old[old_from:old_to])] if old_to > old_from else []
        pieces += [Piece("new", new[new_from:new_to])] if new_to > new_from else []
    shown = now or before
    return Difference(shown.role if shown else "", tuple(pieces))


def _unchanged(segments: tuple[Segment, ...], *, first: bool, last: bool) -> list[Piece]:
    """The ends next to a change, and one folded piece for what lies between them."""
    head, tail = (0 if first else AROUND), (0 if last else AROUND)
    if len(segments) <= head + tail + 1:
        return [Piece("same", segments)]
    stop = len(segments) - tail
    parts = [
        Piece("same", segments[:head]), Piece("same", segments[head:stop], folded=True), Piece("same", segments[stop:]),
    ]  # fmt: skip
    return [part for part in parts if part.segments]


def _keys(segments: Sequence[Segment]) -> list[tuple[str, str]]:
    return [(segment.type, rendering.text_of(segment)) for segment in segments]


def _at(prompt: Prompt, place: int) -> Message | None:
    return prompt.messages[place] if place < len(prompt.messages) else None


def _count(pieces: tuple[Piece, ...], change: Change) -> int:
    return sum(len(piece.segments) for piece in pieces if piece.change == change)
