"""The conflicts of `duties`, as one condition of the database: for counting and filtering without reading them all."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import DateTimeField, Exists, ExpressionWrapper, F, OuterRef, Q, QuerySet

from llmsynthor_site.desk.duties import SLACK, TAKEN, Requests
from llmsynthor_site.models import RoleGrant
from synthesis.models import Receipt, SynthesisRequest, Vote

AT_ONCE, SHOWN = 1000, 100
"""Requests that one step looks through, and conflicts among them that it shows at most."""


def among(requests: Requests) -> Requests:
    """Those of these requests of which `duties.conflicts` would say something."""
    late = ~Exists(held("requester", "researcher", "created_at"))
    return requests.filter(Q(dataset__owner=F("requester")) | late | Exists(voted()) | Exists(taken()))


def voted() -> QuerySet[Vote]:
    """Votes on the outer request by who asked, who owns the dataset, or who was no steward then."""
    own = Q(voter=OuterRef("requester")) | Q(voter=OuterRef("dataset__owner"))
    return Vote.objects.filter(own | ~Exists(held("voter", "steward", "cast_at")), request=OuterRef("pk"))


def taken() -> QuerySet[Receipt]:
    """Downloads of the outer request's table by somebody who had not asked, or who had voted."""
    votes = Vote.objects.filter(request=OuterRef(OuterRef("pk")), voter=OuterRef("user"))
    return Receipt.objects.filter(~Q(user=OuterRef("requester")) | Exists(votes), **{TAKEN: OuterRef("pk")})


@dataclass(frozen=True, slots=True)
class Stretch:
    """The conflicts among some thousand requests; ``older`` goes on with those before them, where there are any."""

    requests: list[SynthesisRequest]
    looked_at: int
    older: str


def stretch(known: Requests, before: datetime | None) -> Stretch:
    """Look through the newest requests, or those made before a moment."""
    found = known.filter(created_at__lt=before) if before else known
    made = list(found.order_by("-created_at").values_list("created_at", flat=True)[: AT_ONCE + 1])
    ended = len(made) <= AT_ONCE
    within = found if ended else found.filter(created_at__gte=made[AT_ONCE - 1])
    return Stretch(list(among(within)[:SHOWN]), min(len(made), AT_ONCE), "" if ended else made[AT_ONCE - 1].isoformat())


def held(person: str, role: str, at: str) -> QuerySet[RoleGrant]:
    """A grant of this role to the outer row's person, in force at its time but for SLACK."""
    early, after = (ExpressionWrapper(OuterRef(at) + way * SLACK, DateTimeField()) for way in (-1, 1))
    found = RoleGrant.objects.filter(user=OuterRef(person), role=role, granted_at__lte=after)
    return found.filter(Q(ended_at=None) | Q(ended_at__gte=early))
