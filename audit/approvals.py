"""Who approved what, as the log tells it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from audit.entries import leaf_of
from audit.leaves import Leaf
from audit.models import LogEntry

VOTE, REVEALED = "synthesis:vote:cast", "synthesis:votes:revealed"


@dataclass(frozen=True, slots=True)
class Approval:
    """One vote in favour, at a gate that was passed with it."""

    request: str
    gate: str
    voter: str
    index: int
    time: str


def of_requests(requests: Iterable[str]) -> dict[str, list[Approval]]:
    """The approvals behind every gate these requests have passed, in order; one query for all of them.

    Votes at a gate that is still open stay blind. Votes that no longer counted when it was passed are left out.
    """
    subjects = [f"request:{name}" for name in requests]
    found: dict[str, list[Approval]] = {}
    # Sorted here: asked to sort, a database may rather walk through the whole log in its order.
    entries = LogEntry.objects.filter(subject__in=subjects, action__startswith="synthesis:").order_by()
    cast: dict[tuple[str, str, str], list[Approval]] = {}
    for leaf in map(leaf_of, sorted(entries, key=lambda one: one.index)):
        key = (str(leaf.facts.get("request")), str(leaf.facts.get("gate")), str(leaf.facts.get("content_hash")))
        if leaf.action == VOTE:
            cast.setdefault(key, []).append(_approval(leaf))
        elif leaf.action == REVEALED:
            cast[key] = _in_favour(cast.get(key, []), leaf)
        elif key in cast and leaf.action != "synthesis:request:rejected":
            found.setdefault(key[0], []).extend(cast.pop(key))
    return found


def of_request(request: str) -> list[Approval]:
    return of_requests([request]).get(request, [])


def _in_favour(cast: list[Approval], revealed: Leaf) -> list[Approval]:
    yes = {str(one["voter"]) for one in revealed.facts["votes"] if one["decision"] == "approve"}
    return [one for one in cast if one.voter in yes]


def _approval(leaf: Leaf) -> Approval:
    return Approval(leaf.facts["request"], leaf.facts["gate"], leaf.facts["voter"], leaf.index, leaf.time)
