"""The gates: what is decided on, votes (blind until all are in), conditions, and rules a model suggested."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import Http404
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from synthesis import policies, reviewing, selectors, services, suggestions
from synthesis.api.common import OfRequest, check_match
from synthesis.models import SynthesisRequest
from synthesis.serializers.gates import (
    BallotSerializer,
    ConditionSerializer,
    GateSerializer,
    MyVoteSerializer,
    RuleDecisionSerializer,
    SuggestedRuleSerializer,
)
from synthesis.serializers.requests import RequestSerializer, VoteSerializer
from synthesis.states import Decision, Gate
from synthesis.transitions import check
from synthesis.views.gates import gate_named

GATE = OpenApiParameter("gate", str, OpenApiParameter.PATH, enum=list(Gate.values))


class GateDetail(OfRequest):
    """What a gate decides on, and the votes once it has decided."""

    serializer_class = GateSerializer

    @extend_schema(responses=GateSerializer, parameters=[GATE])
    def get(self, request: Request, pk: UUID, gate: str) -> Response:
        found, at = self.reviewed(pk), gate_named(gate)
        subject = SUBJECT[at](found)
        if not subject:
            raise Http404
        open_here, mine = policies.open_gate(found) == at, selectors.my_vote(found, at, request.user)
        shown = [] if open_here else [vote for vote in selectors.votes_shown(found) if vote.gate == at]
        return Response(
            {
                "gate": at,
                "open": open_here,
                "seen": policies.content_hash(found, at),
                "votes_needed": policies.votes_needed(found, at),
                "my_vote": MyVoteSerializer(mine).data if mine else None,
                "votes": VoteSerializer(shown, many=True).data,
                "subject": subject,
            }
        )


def of_output(request: SynthesisRequest) -> dict[str, Any]:
    run = getattr(request, "run", None)
    if run is None or not hasattr(run, "package"):
        return {}
    return {"report": run.report, "package": run.package.manifest}


SUBJECT = {
    Gate.MEASURE: lambda request: request.snapshot if request.content_hash else {},
    Gate.EGRESS: lambda request: request.manifest.body if hasattr(request, "manifest") else {},
    Gate.OUTPUT: of_output,
}
"""What a vote's hash is of; at gate C the report besides, and the manifest whose file's hash it is."""


class Ballot(OfRequest):
    """A vote on exactly what the gate showed. Somebody who is signed in casts it: no token is enough."""

    serializer_class = BallotSerializer

    @extend_schema(request=BallotSerializer, responses={201: MyVoteSerializer}, parameters=[GATE])
    def post(self, request: Request, pk: UUID, gate: str) -> Response:
        found, at = self.reviewed(pk), gate_named(gate)
        check(found, f"vote_{at}", request.user)
        check_match(request, found)
        given = BallotSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        asked = given.validated_data
        cast = services.vote(
            by=request.user, request=found, gate=at, decision=Decision(asked["decision"]), comment=asked["comment"],
            seen_hash=asked["seen"],
        )  # fmt: skip
        return Response(MyVoteSerializer(cast).data, status=201)


class ConditionStated(OfRequest):
    """Approve at gate A on a condition, which the requester accepts or not. No token is enough."""

    serializer_class = ConditionSerializer

    @extend_schema(request=ConditionSerializer, responses={201: RequestSerializer})
    def post(self, request: Request, pk: UUID) -> Response:
        found, given = self.reviewed(pk), ConditionSerializer(data=request.data)
        check(found, "condition", request.user)
        given.is_valid(raise_exception=True)
        reviewing.state_condition(by=request.user, request=found, **given.validated_data)
        return self.told(found, status=201)


class RuleList(OfRequest):
    """Rules that a language model suggested for this request."""

    serializer_class = SuggestedRuleSerializer
    pagination_class = None

    @extend_schema(responses=SuggestedRuleSerializer(many=True))
    def get(self, request: Request, pk: UUID) -> Response:
        found = self.reviewed(pk).suggested_rules.select_related("decided_by")
        return Response(SuggestedRuleSerializer(found, many=True).data)


class RuleDecide(OfRequest):
    """Accept or reject one suggested rule. No token is enough."""

    serializer_class = RuleDecisionSerializer

    @extend_schema(request=RuleDecisionSerializer, responses=SuggestedRuleSerializer)
    def post(self, request: Request, pk: UUID, number: int) -> Response:
        found, given = self.reviewed(pk), RuleDecisionSerializer(data=request.data)
        get_object_or_404(found.suggested_rules, number=number)
        check(found, suggestions.DECIDE, request.user)
        given.is_valid(raise_exception=True)
        asked = given.validated_data
        decision = suggestions.Decision(asked["decision"])
        rule = suggestions.decide(
            by=request.user, request=found, number=number, decision=decision, comment=asked["comment"]
        )
        return Response(SuggestedRuleSerializer(rule).data)
