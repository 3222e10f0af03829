"""The steps people take on a confirmation page of their own: what each asks, what follows, which service takes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django import forms

from synthesis import reviewing, services
from synthesis.forms import ReturnForm, RevokeForm


@dataclass(frozen=True)
class Step:
    """A step on a confirmation page of its own: what it asks, what follows, and which service takes it."""

    question: str
    consequence: str
    verb: str
    take: Callable[..., Any]
    done: str
    form: type[forms.Form] | None = None


STEPS = {
    "submit": Step(
        "Submit this request for review?",
        "What you have written is frozen as it stands. Data stewards decide, blind to each other's vote.",
        "Submit for review", services.submit, "Submitted. The data stewards now decide whether it may be measured.",
    ),
    "withdraw": Step(
        "Withdraw this request?",
        "It ends here and stays on record. No privacy loss has been spent. You can make a new request at any time.",
        "Withdraw", services.withdraw, "The request is withdrawn.",
    ),
    "return": Step(
        "Return this request with comments?",
        "The requester can change it and submit it again. Votes already cast stay on record and no longer count.",
        "Return with comments", services.return_with_comments, "Returned to the requester.", ReturnForm,
    ),
    "resume": Step(
        "Resume this run?",
        "It goes on inside the same egress manifest. Whatever made it pause may make it pause again.",
        "Resume", services.resume, "The run goes on.",
    ),
    "stop": Step(
        "Stop this run for good?",
        "The request ends without a table. The privacy loss of what was measured stays spent.",
        "Stop for good", services.stop, "The run is stopped.", RevokeForm,
    ),
    "claim": Step(
        "Say that you are looking at this request?",
        "Other stewards see your name on it for 48 hours. It binds nobody: they may still decide.",
        "Say so", reviewing.claim, "Other stewards see that you are looking at it.",
    ),
    "accept": Step(
        "Accept the condition?",
        "The steward's approval counts from now on, and you are bound by what it says. Reviewers read it.",
        "Accept", reviewing.accept_conditions, "Accepted: the approval counts.",
    ),
    "take_back": Step(
        "Take this request back to change it?",
        "Nobody decides on it until you submit it again. Votes and conditions of this round no longer count.",
        "Take it back", reviewing.take_back, "You have it back. Change it, then submit it again.",
    ),
    "recall": Step(
        "Recall this package?",
        "Nobody can download it any more, and whoever could is asked to stop using every copy and to say so. "
        "The loss stays spent.",
        "Recall", reviewing.recall, "The package is recalled.", RevokeForm,
    ),
    "acknowledge": Step(
        "Acknowledge the recall?",
        "You say that you know of it, and that you and everyone you gave a copy to have stopped using the table.",
        "Acknowledge", reviewing.acknowledge, "Thank you. The stewards see that you know.",
    ),
    "renew": Step(
        "Ask for more time?",
        "Stewards decide at gate C about the same package. Nothing is measured again, and nothing more is spent.",
        "Ask for more time", reviewing.ask_renewal, "The stewards decide about it.", RevokeForm,
    ),
    "revoke": Step(
        "Revoke this release?",
        "Nobody can download the package any more. Copies already taken stay where they are; the loss stays spent.",
        "Revoke", services.revoke, "The release is revoked.", RevokeForm,
    ),
}  # fmt: skip
