"""Whether the state of things and the separation of duties allow an action.

Permissions ('may this role?') are checked by the workflow table; here are the guards it names, each a
plain question about one request and one person.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.utils import timezone

from privacy import selectors
from synthesis.hashing import hash_of
from synthesis.models import Claim, DownloadGrant, SynthesisRequest, Vote
from synthesis.states import Gate
from synthesis.states import RequestState as S
from synthesis.workflow import BEFORE_MEASURING, REVIEW

DOWNLOAD = "synthesis.download_package"

Guard = Callable[[SynthesisRequest, Any], bool]


def is_requester(request: SynthesisRequest, user: Any) -> bool:
    return request.requester_id == user.pk


def is_not_requester(request: SynthesisRequest, user: Any) -> bool:
    return request.requester_id != user.pk


def is_open_to(request: SynthesisRequest, user: Any) -> bool:
    """Whether the dataset's owner lets this person ask for it, as of now."""
    return selectors.visible_dataset(user, request.dataset_id) is not None


def may_ask(request: SynthesisRequest, user: Any) -> bool:
    return is_requester(request, user) and is_open_to(request, user)


def may_vote(request: SynthesisRequest, user: Any, gate: Gate) -> bool:
    """Someone else's request, someone else's dataset, and no earlier vote in this round."""
    own = is_requester(request, user) or request.dataset.owner_id == user.pk
    return not own and not votes(request, gate).filter(voter=user).exists()


def may_vote_measure(request: SynthesisRequest, user: Any) -> bool:
    """Not by whoever has stated a condition: that is their vote, once it is accepted."""
    stated = request.conditions.filter(round=request.round, steward=user, accepted_at=None)
    return may_vote(request, user, Gate.MEASURE) and not stated.exists()


def may_accept(request: SynthesisRequest, user: Any) -> bool:
    return is_requester(request, user) and open_conditions(request).exists()


def open_conditions(request: SynthesisRequest) -> Any:
    """Conditions of the present round that the requester has not accepted, oldest first."""
    return request.conditions.filter(round=request.round, accepted_at=None)


def may_claim(request: SynthesisRequest, user: Any) -> bool:
    """Whoever may vote at the gate that is open, while nobody else says that they are looking at it."""
    gate = open_gate(request)
    free = not Claim.objects.filter(request=request, until__gt=timezone.now()).exists()
    return gate is not None and may_vote(request, user, gate) and free


def may_acknowledge(request: SynthesisRequest, user: Any) -> bool:
    return DownloadGrant.objects.filter(package__run__request=request, user=user, acknowledged_at=None).exists()


def may_vote_egress(request: SynthesisRequest, user: Any) -> bool:
    return hasattr(request, "manifest") and may_vote(request, user, Gate.EGRESS)


def may_vote_output(request: SynthesisRequest, user: Any) -> bool:
    return may_vote(request, user, Gate.OUTPUT)


def may_decide_rules(request: SynthesisRequest, user: Any) -> bool:
    """Suggested rules are decided on before the first vote at gate B, which approves what they came to."""
    own = is_requester(request, user) or request.dataset.owner_id == user.pk
    waiting = request.suggested_rules.filter(decision="").exists()
    return waiting and not own and not votes(request, Gate.EGRESS).exists()


GUARDS: dict[str, Guard] = {
    guard.__name__: guard
    for guard in (
        is_requester,
        is_not_requester,
        may_ask,
        may_vote_measure,
        may_vote_egress,
        may_vote_output,
        may_decide_rules,
        may_accept,
        may_claim,
        may_acknowledge,
    )
}

STATES_OF_GATE = {
    Gate.MEASURE: (S.SUBMITTED, S.IN_REVIEW),
    Gate.EGRESS: (S.MEASURED,),
    Gate.OUTPUT: (S.CHECKING,),
}


def votes(request: SynthesisRequest, gate: Gate) -> Any:
    return request.votes.filter(gate=gate, round=request.round)


def counts(vote: Vote) -> bool:
    """Whether whoever approved is a steward still; a suspension since then takes nothing back."""
    return bool(vote.voter.holds(REVIEW))


def votes_needed(request: SynthesisRequest, gate: Gate) -> int:
    """Two; one under the owner's waiver, and at the egress gate when nothing leaves the organisation."""
    stays = gate == Gate.EGRESS and request.manifest.body["local"]
    return 1 if stays or request.one_steward else 2


def open_gate(request: SynthesisRequest) -> Gate | None:
    """The gate the request stands before, if any."""
    return next((gate for gate, states in STATES_OF_GATE.items() if request.state in states), None)


def content_hash(request: SynthesisRequest, gate: Gate) -> str:
    """The hash of exactly what a vote at this gate decides on."""
    if gate == Gate.EGRESS:
        return request.manifest.content_hash
    if gate == Gate.OUTPUT:
        package = request.run.package.content_hash
        return hash_of({"package": package, "renewal": request.renewals}) if request.renewals else package
    return request.content_hash


def may_see(request: SynthesisRequest, user: Any) -> bool:
    """A draft is its author's alone; later the dataset's owner and roles that read every request see it too."""
    if request.requester_id == user.pk:
        return True
    owner = user.has_perm("privacy.register_dataset")
    reads = request.dataset.owner_id == user.pk if owner else user.has_perm("synthesis.view_request")
    return bool(reads) and request.state != S.DRAFT


def may_see_exact(request: SynthesisRequest, user: Any) -> bool:
    """Counts without noise: stewards who may decide on it, and auditors, while the output gate is open."""
    own = is_requester(request, user) or request.dataset.owner_id == user.pk
    reads = user.has_perm(REVIEW) or user.has_perm("audit.view_log")
    return open_gate(request) == Gate.OUTPUT and not own and bool(reads)


def may_see_votes(request: SynthesisRequest, gate: Gate) -> bool:
    """Votes are blind: nobody sees one until all that the gate needs are in; at gate A also not while it is away."""
    return request.state not in BEFORE_MEASURING if gate == Gate.MEASURE else open_gate(request) != gate


def may_see_vote(request: SynthesisRequest, vote: Vote) -> bool:
    """A vote of an earlier round too: at gates B and C it has decided, or there would be no later round.

    At gate A it has not, and would tell how its voter thinks now.
    """
    decided_before = vote.round < request.round and vote.gate != Gate.MEASURE
    return decided_before or may_see_votes(request, Gate(vote.gate))


def may_see_prompts(request: SynthesisRequest, user: Any) -> bool:
    """Stewards and auditors at once; the requester once the package is out."""
    mine = is_requester(request, user) and request.state == S.RELEASED and is_open_to(request, user)
    return may_see(request, user) and (mine or user.has_perm("synthesis.view_prompts"))


def may_compare(request: SynthesisRequest, user: Any) -> bool:
    """The figures of quality.json: reviewers once the table is made, its requester once it is released."""
    if not hasattr(getattr(request, "run", None), "package"):
        return False
    mine = may_ask(request, user) and user.has_perm(DOWNLOAD) and request.state in (S.RELEASED, S.EXPIRED)
    return bool(mine) or (not is_requester(request, user) and user.has_perm("synthesis.view_request"))


def may_download(request: SynthesisRequest, user: Any) -> bool:
    mine = request.state == S.RELEASED and may_ask(request, user)
    return mine and bool(user.has_perm(DOWNLOAD))
