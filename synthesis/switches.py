"""Setting and lifting kill switches: anyone who may stop sets one, and somebody else lifts it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.core.exceptions import ObjectDoesNotExist, PermissionDenied, ValidationError
from django.db import transaction
from django.utils import timezone

from audit import events
from audit.actors import actor
from privacy import selectors as privacy
from synthesis import halts, jobs
from synthesis import selectors as requests
from synthesis.models import KillSwitch, SynthesisRequest
from synthesis.states import JobKind
from synthesis.states import RequestState as S
from synthesis.transitions import SYSTEM, move

STOP, LIFT = "synthesis.stop_egress", "synthesis.lift_stop"
CONSOLE = "console"
LONGEST_REASON = 500
OFFERED = 25
SCOPES = ("dataset", "request")
NOT_YOURS = "This kill switch is not about a dataset of yours."
STOPPABLE = (S.APPROVED, S.RESERVED, S.MEASURING, S.MEASURED, S.SYNTHESISING, S.PAUSED)


@transaction.atomic
def set_switch(*, by: Any, target: str, reason: str) -> KillSwitch:
    """Stop what ``target`` names at once: no prompt of it is recorded, and none that was recorded leaves.

    Raises ValidationError for an unknown target, a missing reason, or one that stands already.
    """
    reason = said(reason)
    if by != CONSOLE and not (by.has_perm(STOP) and may_name(by, target)):
        raise PermissionDenied("Stewards, owners (of their own datasets) and administrators set a kill switch.")
    check_target(target)
    if KillSwitch.objects.filter(target=target, lifted_at=None).exists():
        raise ValidationError({"target": "A kill switch stands here already."})
    made = KillSwitch.objects.create(target=target, reason=reason, set_by=actor(by))
    tell(made, "set", by, reason)
    return made


@transaction.atomic
def lift(*, by: Any, switch: KillSwitch, reason: str) -> KillSwitch:
    """Take a switch away and let the runs that it paused go on. Whoever set it cannot lift it."""
    switch = KillSwitch.objects.select_for_update().get(pk=switch.pk)
    reason = said(reason)
    if denial := why_not_lift(switch, by):
        raise PermissionDenied(denial)
    if switch.lifted_at is not None:
        raise ValidationError("This kill switch was lifted before.")
    switch.lifted_by, switch.lifted_at, switch.lift_reason = actor(by), timezone.now(), reason
    switch.save(update_fields=["lifted_by", "lifted_at", "lift_reason"])
    tell(switch, "lifted", by, reason)
    resume_paused_by(switch)
    return switch


def why_not_lift(switch: KillSwitch, by: Any, *, named: bool | None = None) -> str:
    """Why this person may not lift it, or an empty string. ``named``: whether they may name its target, if known."""
    if by == CONSOLE:
        return ""
    if not by.has_perm(LIFT):
        return "A kill switch is lifted by a steward or by the dataset's owner."
    if switch.set_by == actor(by):
        return "Whoever set a kill switch cannot lift it: ask a second person."
    return "" if (may_name(by, switch.target) if named is None else named) else NOT_YOURS


def resume_paused_by(switch: KillSwitch) -> None:
    for request in SynthesisRequest.objects.select_for_update().filter(state=S.PAUSED, note=halts.notice(switch)):
        move(request, "resume", by=SYSTEM, facts={"switch": switch.pk})
        jobs.enqueue(request, JobKind.SYNTHESISE)


def tell(switch: KillSwitch, what: str, by: Any, reason: str) -> None:
    facts = {"switch": switch.pk, "target": switch.target, "reason": reason}
    events.record(action=f"synthesis:kill_switch:{what}", by=actor(by), subject=switch.target, facts=facts)


def said(reason: str) -> str:
    if not reason.strip():
        raise ValidationError({"reason": "Say why: everybody who meets the switch will ask."})
    if len(reason.strip()) > LONGEST_REASON:
        raise ValidationError({"reason": f"A reason has at most {LONGEST_REASON} characters."})
    return reason.strip()


def check_target(target: str) -> None:
    """Raises ValidationError unless the target names everything, or a dataset or request that exists."""
    scope, _, key = target.partition(":")
    try:
        if target != halts.ALL:
            {"dataset": privacy.dataset, "request": requests.request}[scope](UUID(key))
    except (KeyError, ValueError, ObjectDoesNotExist):
        raise ValidationError({"target": "There is no such dataset or request."}) from None


def may_name(user: Any, target: str) -> bool:
    """Whether this person may stop it or let it go on: reviewers name datasets and requests too, others everything."""
    scope, _, key = target.partition(":")
    if scope == halts.ALL or not user.has_perm("synthesis.view_request"):
        return target == halts.ALL
    try:
        return within(user, scope).filter(pk=UUID(key)).exists()
    except (KeyError, ValueError):
        return False


def within(user: Any, scope: str) -> Any:
    """The datasets, or the running requests, of which this person may name one. KeyError for another scope."""
    return {
        "dataset": lambda: privacy.datasets_for(user),
        "request": lambda: requests.visible_to(user).filter(state__in=STOPPABLE),
    }[scope]()


def names(user: Any, targets: Iterable[str]) -> dict[str, str]:
    """What those of these targets are called that this person may name; two queries for all of them."""
    told = {halts.ALL: "Everything"}
    if not user.has_perm("synthesis.view_request"):
        return told
    parts = [target.partition(":") for target in targets]
    keys = {scope: [key for kind, _, key in parts if kind == scope] for scope in SCOPES}
    told |= {f"dataset:{one.pk}": f"Dataset: {one}" for one in within(user, "dataset").filter(pk__in=keys["dataset"])}
    running = within(user, "request").filter(pk__in=keys["request"])
    return told | {f"request:{one.pk}": f"Request: {one.title} ({one.reference})" for one in running}


def anonymous(target: str) -> str:
    """What a target is called where somebody may not know its name."""
    scope, _, key = target.partition(":")
    return f"{scope.capitalize()} {key[:8]}"


def choices(user: Any, wished: str = "") -> list[tuple[str, str]]:
    """What the form offers: everything, what the page before named, and the datasets and runs most likely meant.

    What is not among them is stopped from its own page, which names it in the address.
    """
    offered = [halts.ALL, *([wished] if wished and may_name(user, wished) else [])]
    if user.has_perm("synthesis.view_request"):
        running = within(user, "request").order_by("-changed_at")[:OFFERED]
        offered += [f"dataset:{one.pk}" for one in within(user, "dataset")[:OFFERED]]
        offered += [f"request:{one.pk}" for one in running]
    told = names(user, offered)
    return [(target, told[target]) for target in dict.fromkeys(offered)]
