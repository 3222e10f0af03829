"""Questions about columns in a signed export: an honest one holds, and each thing an insider could forge is found."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from audit import rendering
from audit.segments import Declared, DPValue, FreeText, Message, Prompt, Segment, Synthetic, Template, found_in
from tests.audit_story import PROMPT, Story, findings, prompt_entries, whole

HINTS = [["age", "pay"], ["sex", "age", "pay"]]
SHA = hashlib.sha256(json.dumps(HINTS).encode()).hexdigest()
ABOUT = '"about people"'
RULES = {"rules": 0, "rules_sha256": hashlib.sha256(b"[]").hexdigest()}
RESERVED, INTENT = "synthesis:request:reserved", "audit:prompt:intent"
STRUCTURING, STRUCTURED = "synthesis:run:structuring", "synthesis:run:structured"


def question(*more: Segment) -> Prompt:
    said = (Template("structure-rules", "Which? "), Declared('"c01"', "dataset:d1:declaration"))
    told = (Message("system", said), Message("user", (FreeText(ABOUT, "request:q1:gate:measure"), *more)))
    return Prompt(PROMPT.model, PROMPT.parameters, None, told)


def asked(*more: Segment) -> Story:
    """A story in which a model is asked about the columns between gate A and the charge."""
    story = whole()
    story.facts("synthesis:request:submitted").update(about_sha256=hashlib.sha256(ABOUT.encode()).hexdigest())
    made = prompt_entries(story, "i0", 0)
    facts = made[0][2]
    facts["prompt"] = story.keep("i0-prompt", rendering.render(question(*more)))
    facts["map"] = story.keep("i0-map", rendering.to_map(question(*more)))
    one = {"request": "q1", "run": "u1"}
    at = story.find("privacy:ledger:reserve")
    story.entries[at:at] = [
        (STRUCTURING, "system", {**one, "content_hash": "hq", "prompt_sha256": "p"}),
        *made,
        (STRUCTURED, "system", {**one, "calls": 1, "hints": HINTS, "hints_sha256": SHA, "problem": "", **RULES}),
    ]
    after = story.find("privacy:ledger:reserve") + 1
    story.entries.insert(after, (RESERVED, "system", {"request": "q1", "hints_sha256": SHA}))
    story.checkpoints = [10, 23, 26]
    return story


def test_an_honest_question_holds_and_is_counted(tmp_path: Path) -> None:
    from audit import verify
    from tests.audit_story import PUB

    report = verify.verify(asked().write(tmp_path / "export"), key=PUB)
    assert report.findings == []
    assert report.counts["questions about columns"] == 1


def test_a_question_without_an_answer_holds(tmp_path: Path) -> None:
    story = asked()
    nothing = {"hints": [], "hints_sha256": hashlib.sha256(b"[]").hexdigest()}
    story.facts(STRUCTURED).update(nothing, problem="the model refused to answer")
    story.facts(RESERVED).update(hints_sha256=nothing["hints_sha256"])
    assert findings(story.write(tmp_path / "export")) == []


def moved(action: str, to: str, *, after: bool = False) -> Callable[[Story], None]:
    def plant(story: Story) -> None:
        entry = story.entries.pop(story.find(action))
        story.entries.insert(story.find(to) + after, entry)

    return plant


def told(action: str, **facts: Any) -> Callable[[Story], None]:
    return lambda story: story.facts(action).update(facts)


def dropped(action: str) -> Callable[[Story], Any]:
    return lambda story: story.entries.pop(story.find(action))


def twice(story: Story) -> None:
    story.entries.insert(story.find(STRUCTURED), story.entries[story.find(STRUCTURING)])


DEFECTS: dict[str, tuple[Callable[[Story], Any], str]] = {
    "before gate A": (moved(STRUCTURING, "synthesis:request:approved"), "before gate 'measure' approved it"),
    "without a beginning": (dropped(STRUCTURING), "did not say it began"),
    "begun twice": (twice, "begins twice"),
    "asked after its end": (moved(STRUCTURED, INTENT), "did not say it began, or is over"),
    "paid for meanwhile": (moved(STRUCTURED, RESERVED), "paid for while its columns are asked about"),
    "never ended": (dropped(STRUCTURED), "paid for while its columns are asked about"),
    "other calls": (told(STRUCTURED, calls=2), "other calls than the 1 in the log"),
    "other hints": (told(STRUCTURED, hints=[["sex", "pay"]]), "not those whose hash it names"),
    "other words": (told("synthesis:request:submitted", about_sha256="0" * 64), "not the one submitted"),
    "another plan": (told(RESERVED, hints_sha256="0" * 64), "other hints than those in the log"),
    "hints left out": (lambda story: story.facts(RESERVED).pop("hints_sha256"), "other hints than those in the log"),
}


@pytest.mark.parametrize("name", DEFECTS)
def test_a_forged_story_of_a_question_is_found(tmp_path: Path, name: str) -> None:
    plant, expected = DEFECTS[name]
    story = asked()
    plant(story)
    found = findings(story.write(tmp_path / "export"))
    assert any(expected in one for one in found), found


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        (DPValue(41, "r1", "e2", (1, 0)), "holds a DPVALUE"),
        (Synthetic(7, "loop"), "holds a SYNTHETIC"),
        (Declared('["kilo"]', found_in("r1")), "labels that a release found"),
    ],
)
def test_a_question_that_holds_more_than_the_declaration_is_found(tmp_path: Path, part: Segment, expected: str) -> None:
    found = findings(asked(part).write(tmp_path / "export"))
    assert any(expected in one for one in found), found


DECIDED = "synthesis:request:rule_decided"
RULE = {"request": "q1", "rule": 1, "rule_sha256": "h", "decision": "accept"}


def decided(story: Story, by: str = "user:sam", **facts: Any) -> Story:
    """A rule is decided on once the statistics are there."""
    story.entries.insert(story.find("privacy:release:measured") + 1, (DECIDED, by, RULE | facts))
    story.checkpoints = [10, 24, 27]
    return story


def test_decisions_of_a_steward_before_gate_b_hold(tmp_path: Path) -> None:
    story = asked()
    decided(story)
    assert findings(story.write(tmp_path / "export")) == []


RULE_DEFECTS: dict[str, tuple[Callable[[Story], Any], str]] = {
    "of one's own": (lambda story: decided(story, "user:rita"), "whoever asked decided"),
    "twice": (lambda story: [decided(story), decided(story, "user:tom")], "decided on twice"),
    "too late": (lambda story: story.entries.append((DECIDED, "user:sam", RULE)), "after votes at gate 'egress'"),
}


@pytest.mark.parametrize("name", RULE_DEFECTS)
def test_a_forged_decision_on_a_rule_is_found(tmp_path: Path, name: str) -> None:
    plant, expected = RULE_DEFECTS[name]
    story = asked()
    plant(story)
    found = findings(story.write(tmp_path / "export"))
    assert any(expected in one for one in found), found
