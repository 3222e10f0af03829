"""Reading prompts, for pages: every piece marked, the run around it, and what changed since the call before.

Nothing here writes. The log's entries are read in audit/entries.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from django.db.models import QuerySet

from audit import canonical, comparing, log, prompts, rendering
from audit.errors import BodyBroken, BodyErased
from audit.leaves import Leaf
from audit.models import PromptRecord
from audit.segments import Declared, DPValue, FreeText, Prompt, Segment, Synthetic, Template


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a message: its text, its kind, and what a page may link it to."""

    text: str
    type: str
    facts: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class MessageView:
    role: str
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Changed:
    """Pieces that stayed, went or came together; ``folded`` ones are told by their length alone."""

    change: comparing.Change
    parts: tuple[Part, ...]
    folded: bool
    letters: int


@dataclass(frozen=True, slots=True)
class ChangedMessage:
    role: str
    pieces: tuple[Changed, ...]
    gone: int
    new: int


@dataclass(frozen=True, slots=True)
class Attempt:
    """One recorded call in the tree of its run, and the page it is read on."""

    record: PromptRecord
    address: str


@dataclass(frozen=True, slots=True)
class PromptView:
    """A prompt as it left and what came back; ``notice`` says why a part cannot be shown, if one cannot."""

    record: PromptRecord
    model: str
    parameters: str
    messages: tuple[MessageView, ...]
    answer: str
    entries: tuple[Leaf, ...]
    notice: str

    @property
    def numbers(self) -> tuple[Part, ...]:
        """Every released or synthetic number in it, in the order of the text."""
        parts = (part for message in self.messages for part in message.parts)
        return tuple(part for part in parts if part.type in ("DPVALUE", "SYNTHETIC"))


def prompts_of(run: str) -> QuerySet[PromptRecord]:
    """The prompts of one run, in the order they were composed, retries included."""
    return PromptRecord.objects.filter(run=run)


def prompt_view(record: PromptRecord) -> PromptView:
    """A prompt with its segments marked, its answer, and the log entries that tell its story."""
    model, parameters, messages, notice = "", "", tuple[MessageView, ...](), ""
    try:
        prompt = prompts.load_prompt(record)
        model, parameters = prompt.model.value, prompt.parameters.value
        messages = message_views(prompt)
        answer = _answer(record)
    except (BodyErased, BodyBroken) as error:
        answer, notice = "", str(error)
    return PromptView(record, model, parameters, messages, answer, _story(record), notice)


def run_tree(run: str, *, address: Callable[[PromptRecord], str]) -> list[tuple[int, list[Attempt]]]:
    """Every prompt of a run by the iteration it belongs to, attempts in order."""
    attempts = [Attempt(one, address(one)) for one in prompts_of(run)]
    return [(number, list(found)) for number, found in groupby(attempts, key=lambda one: one.record.sequence)]


def viewer(record: PromptRecord, tree: list[tuple[int, list[Attempt]]], *, compared: bool) -> dict[str, Any]:
    """All that the page of one prompt shows; with ``compared`` what changed, in the place of the whole text."""
    calls = [attempt for _, found in tree for attempt in found]
    place = next((at for at, attempt in enumerate(calls) if attempt.record == record), 0)
    previous = calls[place - 1] if place else None
    return {
        "view": prompt_view(record),
        "tree": tree,
        "previous": previous,
        "following": calls[place + 1] if place + 1 < len(calls) else None,
        **(changes(previous.record, record) if compared and previous else {"changes": None}),
    }


def changes(before: PromptRecord, now: PromptRecord) -> dict[str, Any]:
    """What changed between two calls, or why that cannot be told."""
    try:
        found = comparing.compare(prompts.load_prompt(before), prompts.load_prompt(now))
    except (BodyErased, BodyBroken) as error:
        return {"changes": (), "untold": str(error)}
    return {"changes": tuple(_changed_message(one) for one in found)}


def _changed_message(one: comparing.Difference) -> ChangedMessage:
    pieces = (Changed(piece.change, _parts(piece.segments), piece.folded, piece.letters) for piece in one.pieces)
    return ChangedMessage(one.role, tuple(pieces), one.gone, one.new)


def message_views(prompt: Prompt) -> tuple[MessageView, ...]:
    return tuple(_message_view(message) for message in prompt.messages)


def _message_view(message: Any) -> MessageView:
    return MessageView(message.role, _parts(message.segments))


def _parts(segments: tuple[Segment, ...]) -> tuple[Part, ...]:
    return tuple(Part(rendering.text_of(one), one.type, _facts(one)) for one in segments)


def _facts(segment: Segment) -> dict[str, str]:
    match segment:
        case Template():
            return {"template": segment.name, "sha256": segment.sha256}
        case Declared():
            return {"source": segment.source}
        case DPValue():
            cell = ",".join(map(str, segment.cell))
            return {"release": segment.release, "measurement": segment.measurement, "cell": cell}
        case Synthetic():
            return {"origin": segment.origin}
        case FreeText():
            return {"approval": segment.approval}


def _answer(record: PromptRecord) -> str:
    if not record.answer_id:
        return ""
    raw = prompts.answer(record.intent_id)
    try:
        return canonical.parse(raw, floats=True)["choices"][0]["message"]["content"] or ""
    except (canonical.CanonicalError, KeyError, IndexError, TypeError):
        return raw.decode(errors="replace")


def _story(record: PromptRecord) -> tuple[Leaf, ...]:
    steps = (log.find(f"{record.intent_id}:{step}") for step in ("intent", "sending", "closed"))
    return tuple(leaf for leaf in steps if leaf is not None)
