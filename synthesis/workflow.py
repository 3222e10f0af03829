"""The request workflow as one table.

Everything that asks "may this happen now?" reads it: the services that change state, the buttons and
their tooltips, and the diagram in docs/workflow.md. Guards are named here and decided in policies.py.
"""

from __future__ import annotations

from audit.workflow import Transition, Workflow
from synthesis.states import RequestState as S

ASK, REVIEW, DOWNLOAD = "synthesis.make_request", "synthesis.review_request", "synthesis.download_package"
UNDECIDED = (S.RETURNED, S.SUBMITTED, S.IN_REVIEW, S.MEASURED, S.CHECKING)
BEFORE_MEASURING = (S.DRAFT, S.SUBMITTED, S.IN_REVIEW, S.RETURNED)


def step(
    name: str,
    label: str,
    sources: tuple[S, ...],
    target: S,
    event: str,
    *,
    permission: str = "",
    guard: str = "",
    denial: str = "",
) -> Transition:
    """A row of the table; no permission means that only the system takes this step."""
    return Transition(
        name=name, label=label, sources=sources, target=target, permission=permission, guard=guard or None,
        event=f"synthesis:request:{event}", denial=denial,
    )  # fmt: skip


MINE = "Only the person who made this request can do that."
OPEN_TO_ME = "Only the person who made this request can do that, while the dataset's owner lets them ask for it."
LOOKING = "A steward who may vote here says so, while no other one does."
NOT_MINE = (
    "Stewards decide on requests of other people, about datasets they do not own, once each, on what they were shown, "
    "and not in the 24 hours after others reset their password."
)

RULES_CLOSED = (
    "Stewards decide on rules of other people's requests, about datasets they do not own, while a rule is undecided and "
    "nobody has voted at gate B."
)

REQUEST = Workflow(
    name="request",
    initial=S.DRAFT,
    transitions=(
        step("submit", "Submit for review", (S.DRAFT, S.RETURNED), S.SUBMITTED, "submitted", permission=ASK, guard="may_ask", denial=OPEN_TO_ME),
        step("withdraw", "Withdraw", (*BEFORE_MEASURING, S.STRUCTURING), S.WITHDRAWN, "withdrawn", permission=ASK, guard="is_requester", denial=MINE),
        step("return", "Return with comments", (S.SUBMITTED, S.IN_REVIEW), S.RETURNED, "returned", permission=REVIEW, guard="may_vote_measure", denial=NOT_MINE),
        step("vote_measure", "Decide on measuring", (S.SUBMITTED, S.IN_REVIEW), S.IN_REVIEW, "reviewed_for_measuring", permission=REVIEW, guard="may_vote_measure", denial=NOT_MINE),
        step("condition", "State a condition", (S.SUBMITTED, S.IN_REVIEW), S.IN_REVIEW, "conditioned", permission=REVIEW, guard="may_vote_measure", denial=NOT_MINE),
        step("accept", "Accept the condition", (S.IN_REVIEW,), S.IN_REVIEW, "condition_accepted", permission=ASK, guard="may_accept", denial="The requester accepts a condition, once a steward has stated one."),
        step("take_back", "Take back to change it", (S.SUBMITTED, S.IN_REVIEW), S.RETURNED, "taken_back", permission=ASK, guard="is_requester", denial=MINE),
        *(step("claim", "Say that you are looking at it", (state,), state, "claimed", permission=REVIEW, guard="may_claim", denial=LOOKING) for state in (S.SUBMITTED, S.IN_REVIEW, S.MEASURED, S.CHECKING)),
        step("approve", "Approved at gate A", (S.IN_REVIEW,), S.APPROVED, "approved"),
        step("reject", "Rejected at a gate", (S.IN_REVIEW, S.MEASURED, S.CHECKING), S.REJECTED, "rejected"),
        step("structure", "The model is asked about the columns", (S.APPROVED,), S.STRUCTURING, "structuring"),
        step("reserve", "Privacy loss reserved", (S.APPROVED, S.STRUCTURING), S.RESERVED, "reserved"),
        step("measure", "Measuring begins", (S.RESERVED,), S.MEASURING, "measuring"),
        step("measured", "Statistics released", (S.MEASURING,), S.MEASURED, "measured"),
        step("reuse", "Released statistics used again", (S.APPROVED,), S.MEASURED, "statistics_reused"),
        step("vote_egress", "Decide on egress", (S.MEASURED,), S.MEASURED, "reviewed_for_egress", permission=REVIEW, guard="may_vote_egress", denial=NOT_MINE),
        step("decide_rule", "Decide on suggested rules", (S.MEASURED,), S.MEASURED, "rule_decided", permission=REVIEW, guard="may_decide_rules", denial=RULES_CLOSED),
        step("synthesise", "Egress approved", (S.MEASURED,), S.SYNTHESISING, "synthesising"),
        step("pause", "Something stands in the way", (S.SYNTHESISING,), S.PAUSED, "paused"),
        step("resume", "Resume", (S.PAUSED,), S.SYNTHESISING, "resumed", permission=REVIEW, guard="is_not_requester", denial="A steward who did not make the request resumes it."),
        step("stop", "Stop for good", (S.SYNTHESISING, S.PAUSED, S.COMPARING), S.FAILED, "stopped", permission="synthesis.stop_run", guard="is_not_requester", denial="A steward who did not make the request stops it."),
        step("compare", "Table made, disclosure to be checked", (S.SYNTHESISING,), S.COMPARING, "comparing"),
        step("check", "Table made and checked", (S.SYNTHESISING, S.COMPARING), S.CHECKING, "checked"),
        step("vote_output", "Decide on release", (S.CHECKING,), S.CHECKING, "reviewed_for_output", permission=REVIEW, guard="may_vote_output", denial=NOT_MINE),
        step("release", "Released", (S.CHECKING,), S.RELEASED, "released"),
        step("revoke", "Revoke", (S.RELEASED,), S.REVOKED, "revoked", permission=REVIEW, guard="is_not_requester", denial="A steward who did not make the request revokes it."),
        step("recall", "Recall", (S.RELEASED, S.EXPIRED), S.RECALLED, "recalled", permission=REVIEW, guard="is_not_requester", denial="A steward who did not make the request recalls it."),
        step("acknowledge", "Acknowledge the recall", (S.RECALLED,), S.RECALLED, "recall_acknowledged", permission=DOWNLOAD, guard="may_acknowledge", denial="Whoever was granted the package acknowledges its recall, once."),
        step("expire", "Time is over", (S.RELEASED,), S.EXPIRED, "expired"),
        step("renew", "Ask for more time", (S.EXPIRED,), S.CHECKING, "renewal_asked", permission=ASK, guard="may_ask", denial=OPEN_TO_ME),
        step("lapse", "Nobody decided in time", UNDECIDED, S.LAPSED, "lapsed"),
        step("fail", "Failed", (S.APPROVED, S.STRUCTURING, S.RESERVED, S.MEASURING, S.SYNTHESISING, S.PAUSED, S.COMPARING), S.FAILED, "failed"),
    ),
)  # fmt: skip

# Whose move it is, in words; used by the home page and the stage tracker.
WAITING_FOR: dict[str, str] = {
    S.DRAFT: "requester", S.RETURNED: "requester", S.SUBMITTED: "steward", S.IN_REVIEW: "steward",
    S.APPROVED: "system", S.STRUCTURING: "system", S.RESERVED: "system", S.MEASURING: "system", S.MEASURED: "steward",
    S.SYNTHESISING: "system", S.COMPARING: "system", S.PAUSED: "steward", S.CHECKING: "steward", S.RELEASED: "requester",
}  # fmt: skip
