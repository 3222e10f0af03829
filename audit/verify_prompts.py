"""Was every prompt recorded before it left, closed once, and made of nothing but what it may be made of?"""

from __future__ import annotations

import bisect
from collections import defaultdict
from typing import Any

from audit import canonical, rendering
from audit.archive import Archive, KeptBody
from audit.findings import Findings
from audit.leaves import Leaf, time_of
from audit.segments import SEGMENT_TYPES, Declared, DPValue, FreeText, Prompt, Synthetic, Template, found_in
from audit.verify_free_texts import FreeTexts
from audit.verify_structures import STRUCTURE, beyond_declaration

COUNTED = {kind.type: f"segments {kind.type}" for kind in SEGMENT_TYPES}
COUNTED[Synthetic.type] += ", recorded, not recomputed"
USES = ("privacy:release:measured", "privacy:release:reused")
CLOSING = ("audit:prompt:outcome", "audit:prompt:in_doubt")


def check(archive: Archive, findings: Findings) -> None:
    stories: dict[str, list[Leaf]] = defaultdict(list)
    for leaf in archive.leaves:
        if leaf.action.startswith("audit:prompt:"):
            stories[str(leaf.facts.get("intent"))].append(leaf)
    releases = Releases(archive)
    probes = {leaf.facts["probe"] for leaf in archive.leaves if leaf.action == "synthesis:endpoint:probing"}
    attempts: set[tuple[Any, ...]] = set()
    signed = sorted(archive.checkpoints)
    for intent, story in stories.items():
        if _begins_with_intent(intent, story, findings):
            _closed_once(intent, story, archive, findings)
            _sent_after_checkpoint(intent, story, signed, findings)
            _attempt_is_new(story[0], attempts, findings)
            _rendered_again(story[0], archive, releases, findings, probe=story[0].facts["run"] in probes)


def _begins_with_intent(intent: str, story: list[Leaf], findings: Findings) -> bool:
    findings.counts["prompts"] += 1
    begun = [leaf.action for leaf in story].count("audit:prompt:intent") == 1
    first = story[0].action == "audit:prompt:intent"
    return findings.expect(
        begun and first, "prompts", f"intent {intent}", "was sent or closed without one intent recorded before"
    )


def _closed_once(intent: str, story: list[Leaf], archive: Archive, findings: Findings) -> None:
    closing = [leaf for leaf in story if leaf.action in CLOSING]
    place = f"intent {intent}"
    if not closing:
        # A prompt may be on its way while the export is made; its own deadline says how long.
        running = time_of(story[-1].facts["deadline"]) >= time_of(archive.leaves[-1].time)
        findings.expect(running, "prompts", place, "has neither an outcome nor an in_doubt")
        findings.counts["prompts under way"] += running
        return
    findings.expect(len(closing) == 1, "prompts", place, f"is closed {len(closing)} times")
    findings.expect(story[-1] is closing[-1], "prompts", place, "goes on after it was closed")
    findings.counts["prompts in doubt"] += closing[0].action == "audit:prompt:in_doubt"


def _sent_after_checkpoint(intent: str, story: list[Leaf], sizes: list[int], findings: Findings) -> None:
    sending = [leaf for leaf in story if leaf.action == "audit:prompt:sending"]
    place = f"intent {intent}"
    outcome = next((leaf for leaf in story if leaf.action == "audit:prompt:outcome"), None)
    if outcome is not None:
        tokens = {leaf.facts["token"] for leaf in sending}
        claimed = outcome.facts["sent"] or outcome.facts["token"]  # who claims a prompt may still not send it
        matches = outcome.facts["token"] in tokens if claimed else not sending
        findings.expect(matches, "prompts", place, "its outcome does not belong to the one who sent it")
    findings.expect(len(sending) <= 1, "prompts", place, f"was sent {len(sending)} times")
    for leaf in sending:
        at = bisect.bisect_right(sizes, story[0].index)
        anchored = at < len(sizes) and sizes[at] <= leaf.index
        findings.expect(anchored, "prompts", place, "was sent with no checkpoint signed over its intent")


def _attempt_is_new(intent: Leaf, attempts: set[tuple[Any, ...]], findings: Findings) -> None:
    attempt = tuple(intent.facts[name] for name in ("run", "sequence", "attempt"))
    place = f"entry {intent.index}"
    findings.expect(attempt not in attempts, "prompts", place, "the same attempt has two intents")
    attempts.add(attempt)


def _rendered_again(intent: Leaf, archive: Archive, releases: Releases, findings: Findings, *, probe: bool) -> None:
    kept = [archive.bodies.get(intent.facts[name]["id"]) for name in ("prompt", "map")]
    body, segments = kept
    if body is None or segments is None:
        left_out = {intent.facts[name]["id"] for name in ("prompt", "map")} <= archive.withheld
        findings.counts["prompts not included, not replayable"] += left_out
        return  # what is neither here nor said to be left out was found missing already
    if body.erased or segments.erased:
        findings.counts["prompts erased, not replayable"] += 1
        return
    place = f"prompt of entry {intent.index}"
    try:
        prompt = rendering.from_map(segments.data)
        rendered = rendering.render(prompt)
    except (TypeError, canonical.CanonicalError) as error:  # UnfitSegment is a TypeError
        findings.broken("rendering", place, str(error))
        return
    message = f"rendered again from its segments it has other bytes, first at byte {_parting(rendered, body.data)}"
    if findings.expect(rendered == body.data, "rendering", place, message):
        findings.counts["prompts rendered again, byte for byte"] += 1
    _values(prompt, intent, releases, findings)
    if probe:
        kinds = {type(segment) for message in prompt.messages for segment in message.segments}
        findings.expect(kinds <= {Template}, "prompts", place, "a probe holds more than fixed wording")
    elif intent.facts["sequence"] == STRUCTURE:
        unfit = beyond_declaration(prompt)
        findings.expect(not unfit, "prompts", place, f"a question about columns holds {unfit}")


def _parting(one: bytes, other: bytes) -> int:
    """The first byte, counted from 1, at which two texts part."""
    shorter = min(len(one), len(other))
    return next((at + 1 for at in range(shorter) if one[at] != other[at]), shorter + 1)


def _values(prompt: Prompt, intent: Leaf, releases: Releases, findings: Findings) -> None:
    for which, message in enumerate(prompt.messages, 1):
        for at, segment in enumerate(message.segments, 1):
            findings.counts[COUNTED[segment.type]] += 1
            place = f"prompt of entry {intent.index}, message {which}, segment {at}"
            if isinstance(segment, DPValue):
                reason = releases.problem(segment, intent=intent, findings=findings)
                findings.expect(not reason, "dp values", place, reason)
            elif isinstance(segment, Declared) and segment.source.startswith("release:"):
                reason = releases.problem_of_labels(segment, intent=intent, findings=findings)
                findings.expect(not reason, "found labels", place, reason)
            elif isinstance(segment, FreeText):
                reason = releases.texts.problem(segment, intent, findings)
                findings.expect(not reason, "free texts", place, reason)


class Releases:
    """What was let out of the vault, when, for whom, paid by which charges, and (where attached) the tables."""

    def __init__(self, archive: Archive) -> None:
        self.requests: dict[str, str] = {}
        self.users: dict[str, dict[str, int]] = defaultdict(dict)
        self.at: dict[str, int] = {}
        self.paid: dict[str, frozenset[str]] = {}
        self.tables: dict[str, dict[str, Any]] = {}
        self.labels: dict[str, list[list[str]] | None] = {}
        self.held: set[str] = set()
        self.texts = FreeTexts(archive)
        for leaf in archive.leaves:
            if leaf.action == "synthesis:run:started":
                self.requests[str(leaf.facts["run"])] = str(leaf.facts["request"])
            elif leaf.action == "privacy:ledger:commit" and leaf.facts.get("held"):
                self.held.add(str(leaf.facts["entry"]))
            elif leaf.action in USES:
                for name in (str(leaf.facts["release"]), found_in(leaf.facts["release"])):
                    self.users[name].setdefault(str(leaf.facts["request"]), leaf.index)
            if leaf.action == "privacy:release:measured":
                name = str(leaf.facts["release"])
                self.at[name] = leaf.index
                self.paid[name] = frozenset(leaf.facts["measurements"])
                tables = leaf.facts.get("tables")
                self.tables[name] = _tables(archive.bodies.get(tables["id"])) if tables else {}
                keys = leaf.facts.get("keys")
                found = _tables(archive.bodies.get(keys["id"])) if keys else {}
                self.labels[found_in(name)] = [each["labels"] for each in found.values()] if found or not keys else None
                self.at[found_in(name)] = leaf.index

    def foreign(self, release: str, intent: Leaf) -> bool:
        """Whether the request behind this prompt neither had this release measured nor took it over before."""
        request = self.requests.get(str(intent.facts["run"]))  # that a run must say whose it is, is checked elsewhere
        return request is not None and self.users[release].get(request, intent.index) >= intent.index

    def problem_of_labels(self, labels: Declared, *, intent: Leaf, findings: Findings) -> str:
        """Why these labels may not be in a prompt: they must be those of one column since its keys were found, or one
        of them.
        """
        if self.at.get(labels.source, intent.index) >= intent.index:
            return f"labels of {labels.source}, which was not measured before"
        if self.foreign(labels.source, intent):
            return f"labels of {labels.source}, which is another request's"
        found = self.labels[labels.source]
        if found is None:
            return ""
        try:
            told = canonical.parse(labels.value)
        except canonical.CanonicalError:
            return "labels that are no list"
        if told not in found and not any(told in labels for labels in found):
            return "labels that key discovery did not let out"
        findings.counts["found labels matched to the release"] += 1
        return ""

    def problem(self, value: DPValue, *, intent: Leaf, findings: Findings) -> str:
        """Why this value may not be in a prompt, or an empty string."""
        if self.at.get(value.release, intent.index) >= intent.index:
            return f"a value of release {value.release}, which was not measured before"
        if self.foreign(value.release, intent):
            return f"a value of release {value.release}, which is another request's"
        if value.measurement not in self.paid[value.release]:
            return f"a value that no charge of release {value.release} paid for"
        if value.measurement in self.held:
            return f"a value of a table that release {value.release} held back"
        table = self.tables[value.release].get(value.measurement)
        if table is None:
            findings.counts["dp values whose table is not in the log"] += 1
            return ""
        findings.counts["dp values matched to the released table"] += 1
        released = _cell(table, value.cell)
        told = "the table has no such cell" if released is None else f"{released} was released"
        return "" if released == value.value else f"a value that differs from the one released: {value.value}, {told}"


def _tables(body: KeptBody | None) -> dict[str, Any]:
    if body is None or body.erased:
        return {}
    try:
        found = canonical.loads(body.data)
    except canonical.CanonicalError:
        return {}
    return found if isinstance(found, dict) else {}


def _cell(table: dict[str, Any], cell: tuple[int, ...]) -> int | None:
    """The count in one cell of a flat, row-major table; None outside of it."""
    shape, position = table["shape"], 0
    if len(cell) != len(shape):
        return None
    for code, size in zip(cell, shape, strict=True):
        if not 0 <= code < size:
            return None
        position = position * size + code
    return int(table["counts"][position])
