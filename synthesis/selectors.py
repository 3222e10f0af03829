"""Reading requests, for pages: what waits for whom, and what one person may see of a request."""

from __future__ import annotations

from typing import Any

from django.core.paginator import Page, Paginator
from django.db.models import Case, Count, Exists, Max, OuterRef, Q, QuerySet, Value, When
from django.utils import timezone

from privacy import overviews
from synthesis import policies
from synthesis.models import Condition, DownloadGrant, Run, SynthesisRequest, Vote
from synthesis.states import Gate
from synthesis.states import RequestState as S
from synthesis.workflow import REVIEW, WAITING_FOR

LONG = ("snapshot", "purpose", "context", "dataset__declaration")
"""Long columns that no line of a list shows."""

BODIES = ("package__manifest", "package__run__report", "package__run__request__snapshot")
"""What no line of a list of grants shows."""

STAGES: tuple[tuple[str, tuple[S, ...]], ...] = (
    ("Draft", (S.DRAFT, S.RETURNED)),
    ("Gate A: measure", (S.SUBMITTED, S.IN_REVIEW)),
    ("Measuring", (S.APPROVED, S.RESERVED, S.MEASURING)),
    ("Gate B: egress", (S.MEASURED,)),
    ("Synthesis", (S.SYNTHESISING, S.PAUSED, S.COMPARING)),
    ("Gate C: output", (S.CHECKING,)),
    ("Released", (S.RELEASED, S.EXPIRED, S.REVOKED, S.RECALLED)),
)


def visible_to(user: Any) -> QuerySet[SynthesisRequest]:
    """Requests this person may open (the rule of policies.may_see, as a query)."""
    others = Q(pk=None)
    if user.has_perm("privacy.register_dataset"):
        others = Q(dataset__in=overviews.owned_by(user)) & ~Q(state=S.DRAFT)
    elif user.has_perm("synthesis.view_request"):
        others = ~Q(state=S.DRAFT)
    found = SynthesisRequest.objects.filter(Q(requester=user) | others)
    return found.select_related("dataset", "requester", "endpoint", "waiver__signed_by")


def page_of(
    found: QuerySet[SynthesisRequest],
    number: Any,
    *,
    size: int,
    with_: tuple[str, ...] = ("dataset", "requester", "waiver"),
) -> Page[Any]:
    """One page of a list: keys alone are walked through to come to it, and only its own rows are read whole."""
    keys: QuerySet[Any, Any] = found.select_related(None).order_by("-created_at", "pk").values_list("pk", flat=True)
    page: Page[Any] = Paginator(keys, size).get_page(number)
    rows = SynthesisRequest.objects.select_related(*with_).defer(*LONG).in_bulk(list(page.object_list))
    shown: Page[Any] = page
    shown.object_list = [rows[key] for key in page.object_list if key in rows]
    return shown


def request(request_id: Any) -> SynthesisRequest:
    return SynthesisRequest.objects.get(pk=request_id)


def waiting_for(user: Any) -> QuerySet[SynthesisRequest]:
    """Requests whose next step this person can take now (the rule of is_my_move, as a query)."""
    wanted = Q(requester=user, state__in=states_of("requester")) | answers_awaited(user)
    if user.has_perm(REVIEW):
        at_gates = Q(state__in=[])
        for gate, states in policies.STATES_OF_GATE.items():
            at_gates |= Q(state__in=states) & ~Q(Exists(votes_of(user, gate)))
        wanted |= ~Q(requester=user) & (Q(state=S.PAUSED) | at_gates & ~Q(dataset__owner=user))
    return visible_to(user).filter(wanted, state__in=[*states_of("requester"), *states_of("steward"), S.RECALLED])


def answers_awaited(user: Any) -> Q:
    """Requests that wait for this person besides: to accept a condition, or to say that a recall is known."""
    stated = Condition.objects.filter(request=OuterRef("pk"), round=OuterRef("round"), accepted_at=None)
    taken = DownloadGrant.objects.filter(package__run__request=OuterRef("pk"), user=user, acknowledged_at=None)
    return Q(requester=user, state=S.IN_REVIEW) & Q(Exists(stated)) | Q(state=S.RECALLED) & Q(Exists(taken))


def votes_of(user: Any, gate: Gate) -> QuerySet[Vote]:
    """This person's vote at a gate of the outer query's request, in its present round."""
    return Vote.objects.filter(request=OuterRef("pk"), round=OuterRef("round"), gate=gate, voter=user)


def states_of(whose: str) -> list[str]:
    return [state for state, mover in WAITING_FOR.items() if mover == whose]


def is_my_move(request: SynthesisRequest, user: Any) -> bool:
    whose = WAITING_FOR.get(request.state)
    if request.state == S.RECALLED:
        return policies.may_acknowledge(request, user)
    if request.state == S.IN_REVIEW and policies.may_accept(request, user):
        return True
    if whose == "requester":
        return policies.is_requester(request, user)
    gate = policies.open_gate(request)
    if whose == "steward" and user.has_perm(REVIEW):
        return policies.may_vote(request, user, gate) if gate else policies.is_not_requester(request, user)
    return False


def waiting_for_others(user: Any) -> QuerySet[SynthesisRequest]:
    """Open requests this person made, decided on already, or owns the data of, that wait for somebody else."""
    theirs = Q(requester=user) | Q(dataset__in=overviews.owned_by(user))
    if user.has_perm(REVIEW):
        for gate, states in policies.STATES_OF_GATE.items():
            theirs |= Q(state__in=states) & Q(Exists(votes_of(user, gate)))
    found = visible_to(user).filter(theirs, state__in=[*states_of("steward"), *states_of("system")])
    return found.exclude(answers_awaited(user))


def stages(request: SynthesisRequest) -> list[dict[str, Any]]:
    """The stage tracker: every stage as done, current or to come; a request that ended stops at its stage."""
    known = stages_of(request)
    position = next((i for i, (_, states) in enumerate(known) if request.state in states), None)
    if position is None:
        return [{"name": name, "status": "ended"} for name, _ in known]
    words = ["done" if i < position else "current" if i == position else "to come" for i in range(len(known))]
    if words[-1] == "current":
        words[-1] = "done" if request.state == S.RELEASED else "ended"
    return [{"name": name, "status": word} for (name, _), word in zip(known, words, strict=True)]


def stages_of(request: SynthesisRequest) -> tuple[tuple[str, tuple[S, ...]], ...]:
    """The stages a request goes through: only some ask a model about the columns first."""
    asks = (("The model is asked", (S.STRUCTURING,)),) if request.structuring else ()
    return (*STAGES[:2], *asks, *STAGES[2:])


def whose_move(request: SynthesisRequest) -> str:
    return {
        "requester": str(request.requester),
        "steward": "a data steward",
        "system": "the appliance",
        None: "nobody: it has ended",
    }[WAITING_FOR.get(request.state)]


def votes_shown(request: SynthesisRequest) -> list[Vote]:
    """Votes of every round at gates that are decided, oldest first; those of an open gate stay blind, for everyone,
    pages and API alike."""
    return [vote for vote in request.votes.select_related("voter") if policies.may_see_vote(request, vote)]


def my_vote(request: SynthesisRequest, gate: Gate, user: Any) -> Vote | None:
    return policies.votes(request, gate).filter(voter=user).first()


def grants_of(user: Any) -> QuerySet[DownloadGrant]:
    return DownloadGrant.objects.filter(user=user).select_related("package__run__request__dataset")


def grants_about(dataset: Any) -> QuerySet[DownloadGrant]:
    """Who may download what was made from a dataset, newest first, and what they have downloaded so far."""
    found = DownloadGrant.objects.filter(package__run__request__dataset=dataset)
    told = {
        "downloads": Count("receipts"),
        "last_download": Max("receipts__at"),
        "is_over": Case(When(expires_at__lte=timezone.now(), then=Value(True)), default=Value(False)),
    }
    rows = found.select_related("user", "package__run__request").defer(*BODIES)
    return rows.annotate(**told).order_by("-issued_at", "pk")


def iterations(run: Run) -> list[dict[str, Any]]:
    """The figures of every iteration so far, oldest first."""
    return [event.data for event in run.events.filter(kind="iteration")]


def told(run: Run, kind: str) -> dict[str, Any] | None:
    """The newest event of this kind, or None."""
    found = run.events.filter(kind=kind).last()
    return found.data if found else None


def note_for(request: SynthesisRequest, user: Any) -> str:
    """The last comment; what a worker said of its own trouble is for reviewers alone."""
    from_a_worker = request.state in (S.FAILED, S.PAUSED)
    if from_a_worker and not user.has_perm("synthesis.view_request"):
        return "The people who review requests can see why."
    return request.note
