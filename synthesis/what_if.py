"""The what-if sentence of a request: which sentences may be asked for, and what is approved with one.

A what-if is the one text of a researcher's own that may be in a prompt. It is part of what gate A approves, its
hash is in the log with the submission, and gate B's manifest holds it word for word.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from audit import canonical
from audit.actors import actor
from audit.rendering import visible
from audit.segments import FreeText, approved_with
from synthesis.hashing import hash_of
from synthesis.loop import Reach
from synthesis.states import Proposer

if TYPE_CHECKING:
    from synthesis.models import SynthesisRequest

MOST = 200
REACH = Reach()
"""What a manifest declares from now on; a run keeps to the one in its manifest."""


def problem_of(sentence: str, *, proposer: str, told: bool) -> str:
    """Which rule this sentence breaks, or an empty string. ``told``: whether any column's name is public."""
    if not sentence:
        return ""
    if proposer != Proposer.OPENAI:
        return "Only a language model can read a what-if sentence: choose one, or leave the sentence out."
    if not told:
        return "The owner made no column's name public, so that no model could know what the sentence speaks of."
    if len(sentence) > MOST:
        return f"A what-if sentence has at most {MOST} characters."
    if not sentence.isprintable() or visible(sentence) != sentence:
        return "A what-if sentence is one line of characters that can be seen: no line breaks, no invisible ones."
    return ""


def segment(sentence: str, approval: str) -> FreeText:
    """The sentence as it stands in a prompt: quoted, so that it cannot end the JSON around it."""
    return FreeText(canonical.dumps(sentence).decode(), approval)


def facts_of_submission(request: SynthesisRequest) -> dict[str, str]:
    """What the log keeps of texts when a request is submitted: their hashes, which prompts are compared with."""
    told = {"what_if_sha256": hash_of(request.what_if)} if request.what_if else {}
    if request.structuring and request.about:
        told["about_sha256"] = hash_of(request.about)
    return told


def in_manifest(request: SynthesisRequest) -> dict[str, Any]:
    """The manifest's entries on free text: word for word, by whom, and how far it may move the table."""
    if not request.what_if:
        return {"free_text": []}
    approval = approved_with(request.content_hash)
    told = {"text": request.what_if, "approval": approval, "by": actor(request.requester), "use": "what-if sentence"}
    return {"free_text": [told], "what_if": asdict(REACH)}
