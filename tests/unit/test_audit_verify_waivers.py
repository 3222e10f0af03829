"""One vote where two are due: accepted under a waiver that the owner signed before, and under nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from audit import verify
from audit.commitments import vote_commitment
from tests.audit_story import PUB, SALT, Story, ballot, findings, vote, whole

SIGNED, ENDED = "privacy:waiver:signed", "privacy:waiver:ended"
SUBMITTED, CREATED, BUILT = "synthesis:request:submitted", "synthesis:request:created", "synthesis:package:built"
VOTE, REVEALED = "synthesis:vote:cast", "synthesis:votes:revealed"
WORDS = {"text_version": "1", "text_sha256": "ab", "reason": "A small house."}
TOLD = {"waiver": "w1", "version": "1", "text_sha256": "ab", "signed_at": "2030-01-01T00:00:00+00:00"}
Plant = Callable[[Story], Any]


def alone() -> Story:
    """The whole story, in which Tom never votes: the owner signed a waiver before Rita submitted."""
    story = whole()
    story.entries = [one for one in story.entries if (one[0], one[1]) != (VOTE, "user:tom")]
    for number in range(3):
        del story.facts(REVEALED, number)["votes"][1:]
    signed = (SIGNED, "user:olga", {"waiver": "w1", "dataset": "d1", **WORDS})
    story.entries.insert(story.find(SUBMITTED), signed)
    story.facts(SUBMITTED)["waiver"] = "w1"
    story.facts(BUILT)["one_steward"] = dict(TOLD)
    return story


def ended(at: Callable[[Story], int], by: str = "user:olga") -> Plant:
    facts = {"waiver": "w1", "dataset": "d1", "reason": "Enough."}
    return lambda story: story.entries.insert(at(story), (ENDED, by, facts))


def signed_by(name: str) -> Plant:
    def plant(story: Story) -> None:
        at = story.find(SIGNED)
        story.entries[at] = (SIGNED, name, story.entries[at][2])

    return plant


def signed_at(place: Callable[[Story], int]) -> Plant:
    def plant(story: Story) -> None:
        entry = story.entries.pop(story.find(SIGNED))
        story.entries.insert(place(story), entry)

    return plant


def told(action: str, **facts: Any) -> Plant:
    return lambda story: story.facts(action).update(facts)


def rejecting(story: Story) -> None:
    story.facts(VOTE)["decision_hash"] = vote_commitment(SALT.hex(), "reject")
    story.facts(REVEALED)["votes"][0]["decision"] = "reject"


def without(action: str) -> Plant:
    return lambda story: story.entries.pop(story.find(action))


ONE_VOTE, NOT_SIGNED = "was passed with 1 approvals", "that its dataset's owner did not sign, or has ended"
FORGED: dict[str, tuple[Plant, str]] = {
    "no waiver": (without(SIGNED), ONE_VOTE),
    "no waiver, named all the same": (without(SIGNED), NOT_SIGNED),
    "signed by the steward": (signed_by("user:sam"), "a waiver by somebody who does not own the dataset"),
    "signed by the requester": (signed_by("user:rita"), ONE_VOTE),
    "signed after it was submitted": (signed_at(lambda s: s.find(SUBMITTED) + 1), ONE_VOTE),
    "signed after the vote": (signed_at(lambda s: s.find(VOTE) + 1), NOT_SIGNED),
    "of another dataset": (told(SIGNED, dataset="d2"), ONE_VOTE),
    "of a request that names none": (lambda s: s.facts(SUBMITTED).pop("waiver"), ONE_VOTE),
    "another waiver named": (told(SUBMITTED, waiver="w2"), ONE_VOTE),
    "ended before it was submitted": (ended(lambda s: s.find(SUBMITTED)), NOT_SIGNED),
    "ended before the vote": (ended(lambda s: s.find(VOTE)), ONE_VOTE),
    "ended before the last vote": (ended(lambda s: s.find(VOTE, 2)), "gate 'output' of request q1 was passed with 1"),
    "ended by somebody else": (ended(lambda s: len(s.entries), "user:sam"), "by another than the dataset's owner"),
    "ended twice": (
        lambda s: (ended(lambda s: len(s.entries))(s), ended(lambda s: len(s.entries))(s)), "that does not stand",
    ),
    "request of no dataset": (without(CREATED), NOT_SIGNED),
    "a package that keeps it to itself": (lambda s: s.facts(BUILT).pop("one_steward"), "does not say under which"),
    "a package of another waiver": (told(BUILT, one_steward={**TOLD, "waiver": "w9"}), "does not say under which"),
    "a rejection": (rejecting, "was passed with 0 approvals"),
    "no vote at all": (without(VOTE), "was passed with 0 approvals"),
    "words left out": (lambda s: s.facts(SIGNED).pop("text_sha256"), "misses text_sha256"),
}  # fmt: skip


def test_one_vote_suffices_under_a_waiver(tmp_path: Path) -> None:
    report = verify.verify(alone().write(tmp_path / "export"), key=PUB)
    assert report.findings == []
    assert report.counts["gates passed under a waiver of the second steward"] == 3


def test_what_was_decided_before_a_waiver_ended_stays_decided(tmp_path: Path) -> None:
    story = alone()
    ended(lambda s: s.find("privacy:ledger:reserve"))(story)
    found = findings(story.write(tmp_path / "export"))
    assert not any("measure" in one for one in found), found
    assert any("gate 'output' of request q1 was passed with 1" in one for one in found), "from then on it takes two"


def test_two_votes_need_no_waiver(tmp_path: Path) -> None:
    story = alone()
    story.entries.insert(story.find(VOTE) + 1, vote("measure", "user:tom", "hq"))
    story.facts(REVEALED)["votes"].append(ballot("user:tom"))
    story.checkpoints = [size + 1 for size in story.checkpoints]
    assert findings(story.write(tmp_path / "export")) == []


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_waiver_is_found(tmp_path: Path, name: str) -> None:
    plant, expected = FORGED[name]
    story = alone()
    plant(story)
    found = findings(story.write(tmp_path / "export"))
    assert any(expected in one for one in found), found
