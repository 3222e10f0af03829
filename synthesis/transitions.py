"""The one place where a request changes state: guard, compare-and-set, event, in one transaction."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.dispatch import Signal
from django.utils import timezone

from audit import events
from audit.actors import SYSTEM, actor
from audit.workflow import Action, Transition, WorkflowError
from privacy import exact_counts
from synthesis.models import SynthesisRequest
from synthesis.policies import GUARDS
from synthesis.states import Disclosure
from synthesis.states import RequestState as S
from synthesis.workflow import REQUEST

__all__ = ["DECIDED", "SEES_EXACT", "SYSTEM", "NotNow", "allowed_actions", "check", "move", "moved"]

SEES_EXACT = (S.COMPARING, S.CHECKING)
"""Where counts without noise are made and shown; a request that goes anywhere else has no more use for them."""
DECIDED = "the output gate is closed"

moved = Signal()
"""Sent in the transaction of every step, with ``request``, ``action`` and ``by``; for telling people alone."""


class NotNow(Exception):
    """The request is not, or no longer, in a state from which this action is possible."""


def check(request: SynthesisRequest, action: str, by: Any) -> Transition:
    """The table's row for this action, or a refusal that says why."""
    try:
        row = REQUEST.find(action, request.state)
    except WorkflowError:
        raise NotNow(f"That is not possible while the request is: {request.get_state_display()}.") from None
    if by == SYSTEM:
        return row
    by = as_of_now(by)
    if not row.permission or not by.has_perm(row.permission):
        raise PermissionDenied(f"Your roles do not allow: {row.label}.")
    if row.guard and not GUARDS[str(row.guard)](request, by):
        raise PermissionDenied(row.denial)
    return row


def as_of_now(person: Any) -> Any:
    """The person with the roles they hold at this moment: one may have been taken away since the page was asked for."""
    return get_user_model().objects.get(pk=person.pk)


@transaction.atomic
def move(request: SynthesisRequest, action: str, *, by: Any, facts: dict[str, Any] | None = None) -> SynthesisRequest:
    """Take one step of the workflow; ``by`` is a person or SYSTEM.

    The row is changed only if nobody changed it since it was read, so two people at once get one success.
    """
    row = check(request, action, by)
    unchanged = SynthesisRequest.objects.filter(pk=request.pk, version=request.version, state=request.state)
    moved_on = {} if row.target in (request.state, S.IN_REVIEW) else {"since": timezone.now(), "reminded_at": None}
    if not unchanged.update(state=row.target, version=request.version + 1, **moved_on):
        raise NotNow("Someone else changed this request meanwhile. Reload the page and look again.")
    told = {
        "request": str(request.pk),
        "from": str(request.state),
        "to": str(row.target),
        "version": request.version + 1,
        **(facts or {}),
    }
    request.state, request.version = row.target, request.version + 1
    if request.disclosure == Disclosure.STEWARDS and row.target not in SEES_EXACT:
        exact_counts.destroy(str(request.pk), reason=DECIDED)
    events.record(action=row.event, by=actor(by), subject=f"request:{request.pk}", facts=told)
    moved.send(SynthesisRequest, request=request, action=action, by=by)
    return request


def allowed_actions(request: SynthesisRequest, user: Any) -> list[Action]:
    """What this person could do, each with whether it is allowed now and, if not, why."""
    rows = [row for row in REQUEST.transitions if request.state in row.sources and row.permission]
    results = {str(row.guard): GUARDS[str(row.guard)](request, user) for row in rows if row.guard}
    offered = REQUEST.allowed_actions(
        request.state, has_perm=lambda perm: not perm or user.has_perm(perm), guard_results=results
    )
    return [action for action in offered if action.transition.permission]
