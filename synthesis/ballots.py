"""What the log is told of votes: at once that they were cast, and how only when their gate decides.

An auditor reads the log while a gate is open, and a steward may talk to an auditor: until every vote that the gate
needs is in, the log holds a salted hash of each decision. The entry that reveals them has the salts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from audit import events
from audit.actors import SYSTEM, actor
from synthesis.models import SynthesisRequest, Vote
from synthesis.states import Gate

NOTHING: Mapping[str, str] = MappingProxyType({})


def cast(*, request: SynthesisRequest, voter: Any, told: Mapping[str, str] = NOTHING, **fields: Any) -> Vote:
    """Keep one vote, and log that it was cast; ``told`` are more facts for that entry."""
    vote = Vote.objects.create(request=request, voter=voter, requester=request.requester, **fields)
    facts = {
        **about(request, vote.gate, vote.content_hash), "decision_hash": vote.decision_hash, "voter": actor(voter),
        "requester": actor(request.requester), "round": vote.round, **told,
    }  # fmt: skip
    events.record(action="synthesis:vote:cast", by=actor(voter), subject=f"request:{request.pk}", facts=facts)
    return vote


def reveal(request: SynthesisRequest, gate: Gate, shown: str, votes: Iterable[Vote]) -> None:
    """Log how each was cast: the gate has all that it needs, and decides in the same transaction."""
    told = [{"voter": actor(one.voter), "decision": str(one.decision), "salt": one.salt} for one in votes]
    facts = {**about(request, gate, shown), "votes": told}
    events.record(action="synthesis:votes:revealed", by=SYSTEM, subject=f"request:{request.pk}", facts=facts)


def about(request: SynthesisRequest, gate: str, shown: str) -> dict[str, str]:
    return {"request": str(request.pk), "gate": str(gate), "content_hash": shown}
