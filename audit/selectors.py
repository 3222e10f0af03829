"""Reading the log and the prompts, for pages. Nothing here writes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.paginator import Page, Paginator
from django.db.models import QuerySet

from audit import canonical, log, prompts, receipts, rendering, witnesses
from audit.errors import BodyBroken, BodyErased
from audit.leaves import Leaf, time_of
from audit.models import Checkpoint, LogEntry, PromptRecord
from audit.segments import Declared, DPValue, FreeText, Prompt, Segment, Synthetic, Template


@dataclass(frozen=True, slots=True)
class Filters:
    """What to show: an action or the beginning of one, exact person and subject, and a span of time."""

    action: str = ""
    by: str = ""
    subject: str = ""
    since: datetime | None = None
    until: datetime | None = None


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
class PromptView:
    """A prompt as it left and what came back; ``notice`` says why a part cannot be shown, if one cannot."""

    record: PromptRecord
    model: str
    parameters: str
    messages: tuple[MessageView, ...]
    answer: str
    entries: tuple[Leaf, ...]
    notice: str


@dataclass(frozen=True, slots=True)
class WitnessView:
    """When a witness was last shown the log, how many entries it had then and how many came since, and what ails it."""

    name: str
    kind: str
    size: int
    at: datetime | None
    behind: int
    problem: str
    since: datetime | None


def entries(filters: Filters = Filters(), *, page: int = 1, per_page: int = 50) -> Page[LogEntry]:
    """One page of the log, newest first; a page number out of range gives the nearest page."""
    found = _matching(filters).order_by("-index").defer("leaf_hash")
    return Paginator(found, per_page).get_page(page)


def leaf_of(entry: LogEntry) -> Leaf:
    """The entry as it was signed, read from its bytes and not from the columns beside it."""
    return Leaf.from_bytes(bytes(entry.leaf))


def actions() -> list[str]:
    """The actions that occur in the log, for a filter's list."""
    return sorted(LogEntry.objects.order_by().values_list("action", flat=True).distinct())


def about(subject: str) -> list[Leaf]:
    """Everything that happened to one subject (``request:7``), oldest first."""
    return [leaf_of(found) for found in LogEntry.objects.filter(subject=subject).order_by("index")]


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


def message_views(prompt: Prompt) -> tuple[MessageView, ...]:
    return tuple(_message_view(message) for message in prompt.messages)


def newest_checkpoint() -> Checkpoint | None:
    return Checkpoint.objects.order_by("-size").first()


def witnesses_seen() -> list[WitnessView]:
    """Every configured witness. Raises AuditError where the setting cannot be read."""
    return [_witness_view(one.name, one.kind, log.size()) for one in witnesses.configured()]


def _witness_view(name: str, kind: str, size: int) -> WitnessView:
    seen = receipts.seen(name)
    at, since = (time_of(text) if text else None for text in (seen.at, seen.since))
    return WitnessView(name, kind, seen.size, at, size - seen.size, seen.problem, since)


def _matching(filters: Filters) -> QuerySet[LogEntry]:
    found = LogEntry.objects.all()
    if filters.action:
        found = found.filter(action__startswith=filters.action)
    if filters.by:
        found = found.filter(by=filters.by)
    if filters.subject:
        found = found.filter(subject=filters.subject)
    if filters.since:
        found = found.filter(at__gte=filters.since)
    return found.filter(at__lte=filters.until) if filters.until else found


def _message_view(message: Any) -> MessageView:
    text = rendering.message_text(message)
    parts = [Part(text[span.start : span.end], span.type, _facts(span.segment)) for span in rendering.spans(message)]
    return MessageView(message.role, tuple(parts))


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
