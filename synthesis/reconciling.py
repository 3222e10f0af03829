"""Do the door's own count, the log, and what the endpoints report agree? What does not becomes a finding."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.utils import timezone

from audit import canonical, events, log, prompts
from audit.actors import actor
from audit.errors import BodyBroken, BodyErased
from audit.leaves import Leaf
from audit.models import LogEntry, PromptRecord
from synthesis import tally
from synthesis.models import CallFinding, Endpoint
from synthesis.states import EMBEDDED
from synthesis.tally import Counted
from synthesis.transitions import SYSTEM

CLOSE = "synthesis.close_finding"
FIGURES = ("calls", "prompt_tokens", "completion_tokens")
Figures = Mapping[str, Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class Mismatch:
    kind: str
    subject: str
    detail: str


@dataclass(frozen=True, slots=True)
class Account:
    """What was compared: calls by each count, and everything that disagreed."""

    counted: int
    logged: int
    mismatches: tuple[Mismatch, ...]


@dataclass(slots=True)
class Story:
    """What the log tells of one intent: whether sending began, and how it was closed."""

    sending: bool = False
    outcome: Mapping[str, Any] | None = None
    in_doubt: bool = False

    @property
    def sent(self) -> bool:
        return self.outcome is not None and bool(self.outcome["sent"])


def compare(*, since: datetime | None = None, reported: Figures | None = None) -> Account:
    """Compare the counts of every call since a moment; ``reported`` are figures from an endpoint's own account.

    ``reported``: endpoint name -> calls, prompt_tokens and completion_tokens over the same time.
    """
    stories = logged(since)
    for intent, one in tally.read().items():  # a call that was counted is asked for, whenever its entries were made
        if intent not in stories and (since is None or one.at is None or one.at >= since):
            stories[intent] = story_of(intent)
    counted = tally.read()  # again, and last: the door counts first, so a call that ends meanwhile is whole here
    found = [mismatch for intent, story in stories.items() for mismatch in of_one(intent, story, counted.get(intent))]
    found += of_endpoints(stories, reported or {})
    times = sum(counted[intent].times for intent in stories if intent in counted)
    return Account(times, sum(story.sent for story in stories.values()), tuple(found))


def logged(since: datetime | None) -> dict[str, Story]:
    entries = LogEntry.objects.filter(action__startswith="audit:prompt:").exclude(action="audit:prompt:intent")
    if since is not None:
        entries = entries.filter(at__gte=since)
    began = {str(Leaf.from_bytes(bytes(one)).facts["intent"]) for one in entries.values_list("leaf", flat=True)}
    return {intent: story_of(intent) for intent in began}


def story_of(intent: str) -> Story:
    story = Story(sending=log.find(f"{intent}:sending") is not None)
    closed = log.find(f"{intent}:closed")
    if closed is not None and closed.action == "audit:prompt:outcome":
        story.outcome = closed.facts
    story.in_doubt = closed is not None and story.outcome is None
    return story


def of_one(intent: str, story: Story, counted: Counted | None) -> Iterator[Mismatch]:
    """Every way in which the door's count and the log disagree about one intent."""
    subject, times = f"intent:{intent}", counted.times if counted else 0
    if counted is not None and not story.sending:
        yield Mismatch("unlogged call", subject, "the door counted a call that the log does not hold")
        return
    if times > 1:
        yield Mismatch("repeated call", subject, f"the door counted {times} calls under one intent")
    if story.sent and not times:
        yield Mismatch("uncounted call", subject, "the log holds a call that the door did not count")
    if story.outcome is not None and not story.sent and times:
        yield Mismatch("unlogged call", subject, "the door counted a call that the log says was never sent")
    if counted is not None and times:
        yield from of_bytes(subject, intent, counted)
    if story.sent and counted is not None:
        yield from of_usage(subject, intent, story, counted)


def of_bytes(subject: str, intent: str, counted: Counted) -> Iterator[Mismatch]:
    record = PromptRecord.objects.filter(intent_id=intent).first()
    try:
        if record is None or sha256(prompts.load_body(record)).hexdigest() != counted.sha256:
            yield Mismatch("other bytes", subject, "the door counted other bytes than the log recorded")
    except BodyErased:
        return  # its hash is gone with its salt: nothing is left to compare
    except BodyBroken:
        yield Mismatch("other bytes", subject, "the recorded prompt does not match its hash in the log")


def of_usage(subject: str, intent: str, story: Story, counted: Counted) -> Iterator[Mismatch]:
    """The door's figures, the log's, and those inside the recorded answer itself."""
    outcome = story.outcome or {}
    if outcome["answer"] is not None and counted.usage != outcome["usage"]:
        yield Mismatch("usage differs", subject, "the door and the log hold different figures of usage")
    told = in_answer(intent) if outcome["answer"] is not None else None
    if told is not None and any(outcome["usage"].get(name) != number for name, number in told.items()):
        yield Mismatch("usage differs", subject, "the log's figures of usage are not those of the recorded answer")


def in_answer(intent: str) -> dict[str, int] | None:
    """The tokens an endpoint reported inside its answer; None where it did not, or where the answer was erased."""
    try:
        told = canonical.parse(prompts.answer(intent), floats=True)["usage"]
        return {name: told[name] for name in FIGURES[1:]}
    except (BodyErased, BodyBroken, canonical.CanonicalError, KeyError, TypeError):
        return None


def endpoints() -> set[str]:
    """Every name that an account can be about; the embedded proposer has none, since nothing of it leaves."""
    asked = PromptRecord.objects.exclude(endpoint=EMBEDDED).values_list("endpoint", flat=True).distinct()
    return {*asked, *Endpoint.objects.values_list("name", flat=True)}


def of_endpoints(stories: Mapping[str, Story], reported: Figures) -> Iterator[Mismatch]:
    """The log's sums beside an endpoint's own account. Calls in doubt may or may not be in it."""
    endpoints = dict(PromptRecord.objects.exclude(endpoint=EMBEDDED).values_list("intent_id", "endpoint"))
    for name, figures in sorted(reported.items()):
        mine = [story for intent, story in stories.items() if endpoints.get(intent) == name]
        doubts = sum(story.in_doubt for story in mine)
        for figure, low in sums([story for story in mine if story.sent]).items():
            high = low + doubts if figure == "calls" else None if doubts else low
            told = figures.get(figure)
            if told is not None and (told < low or (high is not None and told > high)):
                words = f"{figure}: the log holds {low}, {doubts} calls in doubt apart; the endpoint reports {told}"
                yield Mismatch("endpoint differs", f"endpoint:{name}", words)


def sums(sent: list[Story]) -> dict[str, int]:
    used = [(story.outcome or {})["usage"] for story in sent]
    tokens = {name: sum(int(each.get(name, 0)) for each in used) for name in FIGURES[1:]}
    return {"calls": len(sent), **tokens}


@transaction.atomic
def open_findings(account: Account) -> list[CallFinding]:
    """A finding for every mismatch that has none yet; one that somebody closed stays closed."""
    made = []
    for one in account.mismatches:
        finding, new = CallFinding.objects.get_or_create(kind=one.kind, subject=one.subject, detail=one.detail)
        if new:
            facts = {"finding": finding.pk, "kind": one.kind, "subject": one.subject, "detail": one.detail}
            events.record(action="synthesis:finding:opened", by=SYSTEM, subject=one.subject, facts=facts)
            made.append(finding)
    return made


@transaction.atomic
def close(*, by: Any, finding: CallFinding, reason: str) -> CallFinding:
    """Say what it was. The finding and both sides of it stay on record."""
    if not by.has_perm(CLOSE):
        raise PermissionDenied("Findings are closed by stewards and administrators.")
    if not reason.strip():
        raise ValidationError({"reason": "Say what was found out."})
    now = timezone.now()
    words = {"closed_by": actor(by), "closed_at": now, "close_reason": reason.strip()[:500]}
    if not CallFinding.objects.filter(pk=finding.pk, closed_at=None).update(**words):
        raise ValidationError("This finding was closed before.")
    facts = {"finding": finding.pk, "kind": finding.kind, "subject": finding.subject, "reason": words["close_reason"]}
    events.record(action="synthesis:finding:closed", by=actor(by), subject=finding.subject, facts=facts)
    finding.refresh_from_db()
    return finding
