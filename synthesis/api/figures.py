"""What a table is worth: statistics to make another one from, its comparison, its check, and a plan's rehearsal."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.db.models import F, QuerySet
from django.http import Http404
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from privacy import selectors as privacy
from synthesis import disclosures, policies, reusing, simulating
from synthesis.api.common import OfRequest
from synthesis.models import SynthesisRequest
from synthesis.serializers.figures import (
    ComparedSerializer,
    DisclosureSerializer,
    RehearsalSerializer,
    ReleaseSerializer,
)
from synthesis.views.comparisons import VIEWS, WORDS, listed
from synthesis.views.simulations import simulation_of
from synthesis.workflow import ASK

SHOW = OpenApiParameter("show", str, OpenApiParameter.PATH, enum=list(VIEWS))
NOT_YET = "The comparison is for stewards and auditors until the package is released."


class ReleaseList(ListAPIView):
    """Statistics of a dataset that a new request may use again at no further loss, newest first.

    Name one of them as `reused_id` where a request is made. Who paid for them, and what for, is not told.
    """

    queryset = SynthesisRequest.objects.none()
    serializer_class = ReleaseSerializer
    ordering = ("-measured_at", "-pk")

    def get_queryset(self) -> QuerySet[SynthesisRequest]:
        dataset = privacy.visible_dataset(self.request.user, self.kwargs["pk"])
        if dataset is None:
            raise Http404
        if not self.request.user.has_perm(ASK):
            raise PermissionDenied("Only researchers ask for synthetic tables.")
        return reusing.on_offer(dataset).annotate(measured_at=F("release__finished_at"))


class OfFigures(OfRequest):
    """One request whose table is there, for those who may compare it."""

    def compared(self, pk: UUID) -> SynthesisRequest:
        request = self.found(pk)
        if not policies.may_compare(request, self.request.user):
            raise PermissionDenied(NOT_YET)
        return request


class Comparison(OfFigures):
    """The table beside the noised statistics it was made from, worst first. No true row is looked at."""

    serializer_class = ComparedSerializer

    @extend_schema(
        operation_id="requests_compare_list",
        parameters=[SHOW, OpenApiParameter("words", str, description="Of the names of columns")],
        responses=ComparedSerializer(many=True),
    )
    def get(self, request: Request, pk: UUID, show: str) -> Response:
        found = self.compared(pk)
        if show not in VIEWS:
            raise Http404
        words = request.query_params.get("words", "").strip()[:WORDS]
        lines: Any = listed(found.run.report, show, words)
        return self.get_paginated_response(self.paginate_queryset(lines))


class DisclosureDetail(OfFigures):
    """The disclosure check: how it was approved, and its noised counts where it was charged.

    Counts without noise are shown to whom the gate's page shows them, and to a session alone: a token may be copied.
    """

    serializer_class = DisclosureSerializer

    @extend_schema(responses=DisclosureSerializer)
    def get(self, request: Request, pk: UUID) -> Response:
        found = self.compared(pk)
        told: dict[str, Any] = {"radius": None, "rho": None, "counts": []} | found.run.report["disclosure"]
        shown = request.auth is None and policies.may_see_exact(found, request.user)
        exact = disclosures.exact(found) if shown else []
        return Response(DisclosureSerializer(told | {"exact": exact}).data, headers={"Cache-Control": "no-store"})


class Rehearsal(OfRequest):
    """The plan of a submitted request, tried on invented rows: no real row is read, and nothing is charged."""

    serializer_class = RehearsalSerializer
    write_scope = "review"

    @extend_schema(responses=RehearsalSerializer)
    def get(self, request: Request, pk: UUID) -> Response:
        found = simulation_of(self.reviewed(pk))["simulation"]
        if found is None:
            raise Http404
        return Response(RehearsalSerializer(found).data, headers={"Cache-Control": "no-store"})

    @extend_schema(request=None, responses={202: RehearsalSerializer})
    def post(self, request: Request, pk: UUID) -> Response:
        """Have a worker rehearse it, for stewards; the one there is already, if there is one. Ask for it with GET."""
        found = simulating.ask_for(by=request.user, request=self.reviewed(pk))
        return Response(RehearsalSerializer(found).data, status=202)
