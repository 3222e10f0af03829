"""Separation of duties: for each request who asked, who voted, who downloaded, and where one person did too much."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet

from audit.actors import actor
from audit.approvals import REVEALED, VOTE
from audit.commitments import vote_commitment
from audit.entries import leaf_of
from audit.models import LogEntry
from llmsynthor_site.models import RoleGrant, User
from privacy import overviews
from synthesis import policies
from synthesis.models import Receipt, SynthesisRequest, Vote
from synthesis.states import Gate, RequestState

SLACK = timedelta(seconds=5)
"""A role is written a moment before what it allows; so much later it came after."""
Roles = dict[tuple[int, str], list[RoleGrant]]
Requests = QuerySet[SynthesisRequest]
TAKEN = "grant__package__run__request"


@dataclass(slots=True)
class Line:
    """One request and everybody who had a part in it; ``conflicts`` say in words what should not be."""

    request: SynthesisRequest
    votes: list[Vote] = field(default_factory=list)
    receipts: list[Receipt] = field(default_factory=list)
    conflicts: list[str] = field(default_factory=list)

    @property
    def gates(self) -> list[tuple[str, list[dict[str, Any]]]]:
        """Who voted at each gate, in order of time; at a gate that is open, not how."""
        shown = [(gate, [vote for vote in self.votes if vote.gate == gate]) for gate in Gate]
        return [(gate.label, [self._told(vote) for vote in votes]) for gate, votes in shown if votes]

    def _told(self, vote: Vote) -> dict[str, Any]:
        blind = self.is_blind(vote.gate, vote.round)
        return {"vote": vote, "how": "voted, still blind" if blind else vote.get_decision_display()}

    def is_blind(self, gate: str, number: int) -> bool:
        """Whether votes of this gate and round are still hidden."""
        return number == self.request.round and policies.open_gate(self.request) == gate

    @property
    def downloaders(self) -> list[tuple[User, int]]:
        """Who downloaded files of it, and how many times."""
        counted = Counter(receipt.user_id for receipt in self.receipts)
        people = {receipt.user_id: receipt.user for receipt in self.receipts}
        return [(people[pk], number) for pk, number in counted.items()]


def found(*, person: str = "", since: datetime | None = None, until: datetime | None = None) -> Requests:
    """Submitted requests in which this person had a part, newest first."""
    dated = {"created_at__gte": since, "created_at__lte": until}
    known = SynthesisRequest.objects.exclude(state=RequestState.DRAFT).order_by("-created_at", "-pk")
    known = known.filter(**{name: value for name, value in dated.items() if value})
    if person:
        known = known.filter(had_a_part(User.objects.filter(username=person).values("pk")[:1]))
    return known.select_related("dataset__owner", "requester", "waiver").defer("snapshot", "purpose", "context")


def had_a_part(person: Any) -> Q:
    """Whoever asked, owns the dataset, voted or downloaded; each from an index. ``person``: a query of one key."""
    voted = Vote.objects.filter(voter=person).order_by().values("request")
    taken = Receipt.objects.filter(user=person).order_by().values(TAKEN)
    return Q(requester=person) | Q(dataset__in=overviews.owned_by(person)) | Q(pk__in=voted) | Q(pk__in=taken)


def report(**asked: Any) -> list[Line]:
    """Every request that fits, with its conflicts; the number of queries does not grow with them."""
    return lines_of(list(found(**asked)))


def lines_of(requests: list[SynthesisRequest]) -> list[Line]:
    """These requests with votes, downloads and conflicts, from three queries."""
    lines = {request.pk: Line(request) for request in requests}
    for vote in Vote.objects.filter(request__in=lines).select_related("voter").defer("comment").order_by("cast_at"):
        lines[vote.request_id].votes.append(vote)
    receipts = Receipt.objects.filter(**{f"{TAKEN}__in": lines}).select_related("user", "grant__package__run")
    for receipt in receipts.defer("grant__package__manifest", "grant__package__run__report").order_by("at"):
        lines[receipt.grant.package.run.request_id].receipts.append(receipt)
    roles = held_since({user for line in lines.values() for user in people_in(line)})
    for line in lines.values():
        line.conflicts = list(conflicts(line, roles))
    return list(lines.values())


def held_since(people: Iterable[int] | None = None) -> Roles:
    """When each of these people (everyone, without) held each role, those taken away since among them."""
    kept: Roles = defaultdict(list)
    grants = RoleGrant.objects.order_by("granted_at")
    for one in grants if people is None else grants.filter(user__in=people):
        kept[one.user_id, one.role].append(one)
    return kept


def people_in(line: Line) -> set[int]:
    """Whoever asked or voted, by key: those whose roles matter."""
    return {line.request.requester_id, *(vote.voter_id for vote in line.votes)}


def conflicts(line: Line, roles: Roles) -> Iterator[str]:
    """Each duty that met another in one person, or was done without the role for it."""
    request, owner = line.request, line.request.dataset.owner
    voters = {vote.voter_id: vote.voter for vote in line.votes}
    if owner.pk == request.requester_id:
        yield f"{owner} owns the dataset and asked for it"
    for voter in voters.values():
        if voter.pk == request.requester_id:
            yield f"{voter} asked for it and voted on it"
        if voter.pk == owner.pk:
            yield f"{voter} owns the dataset and voted on it"
    for person, _ in line.downloaders:
        if person.pk in voters:
            yield f"{person} voted on it and downloaded it"
        if person.pk != request.requester_id:
            yield f"{person} downloaded it and had not asked for it"
    yield from _without_role(line, roles)


def _without_role(line: Line, roles: Roles) -> Iterator[str]:
    for name in dict.fromkeys(_late(vote.voter, "steward", vote.cast_at, roles, "voted") for vote in line.votes):
        if name:
            yield name
    asked = _late(line.request.requester, "researcher", line.request.created_at, roles, "asked")
    if asked:
        yield asked


def _late(person: User, role: str, at: datetime, roles: Roles, did: str) -> str:
    held = roles.get((person.pk, role), [])
    if any(one.granted_at <= at + SLACK and (one.ended_at is None or at <= one.ended_at + SLACK) for one in held):
        return ""
    if not held:
        return f"{person} {did} and does not hold the role {role} today"
    after = held[0].granted_at <= at
    return f"{person} {did} {'after' if after else 'before'} the role {role} was {'taken away' if after else 'granted'}"


def compare_with_log(lines: Sequence[Line]) -> None:
    """Add to these lines every vote that log and table do not tell alike; one query for all of them."""
    shown = {str(line.request.pk): line for line in lines}
    logged: dict[str, Counter[tuple[Any, ...]]] = defaultdict(Counter)
    about = [f"request:{pk}" for pk in shown]
    leaves = [
        leaf_of(one) for one in LogEntry.objects.filter(action__in=(VOTE, REVEALED), subject__in=about).order_by()
    ]
    meant = _decisions(lines, [one.facts for one in leaves if one.action == REVEALED])
    for facts in (one.facts for one in leaves if one.action == VOTE):
        decision = meant.get(facts["decision_hash"], "not told")
        logged[str(UUID(facts["request"]))][facts["gate"], facts["round"], facts["voter"], decision] += 1
    for pk, line in shown.items():
        stored = Counter((vote.gate, vote.round, actor(vote.voter), vote.decision) for vote in line.votes)
        line.conflicts += [f"{_words(vote, line)} stands in the table, not in the log" for vote in stored - logged[pk]]
        line.conflicts += [f"{_words(vote, line)} stands in the log, not in the table" for vote in logged[pk] - stored]


def _decisions(lines: Iterable[Line], revealed: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Hash in the log -> the decision behind it: as the log revealed it, or as it stands in the table."""
    stored = {vote.decision_hash: str(vote.decision) for line in lines for vote in line.votes}
    told = [one for facts in revealed for one in facts["votes"]]
    return stored | {vote_commitment(one["salt"], one["decision"]): str(one["decision"]) for one in told}


def _words(vote: tuple[Any, ...], line: Line) -> str:
    gate, number, voter, decision = vote
    how = "" if line.is_blind(gate, number) else f" ({decision})"
    return f"a vote of {voter} at gate {gate} in round {number}{how}"
