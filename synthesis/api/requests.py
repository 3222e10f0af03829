"""Asking for a table: drafts, edits, and every step of the workflow's table."""

from __future__ import annotations

from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.http import Http404
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.generics import GenericAPIView, ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from audit.serializers import checked
from synthesis import selectors, services, wishes
from synthesis.api.common import OfRequest, check_match, etag_of, refuse_token
from synthesis.models import SynthesisRequest
from synthesis.serializers.requests import (
    ActionSerializer,
    CreateSerializer,
    EditSerializer,
    PriceSerializer,
    PriceWishSerializer,
    RequestLineSerializer,
    RequestSerializer,
    TakenSerializer,
    actions_of,
)
from synthesis.transitions import check
from synthesis.views.steps import STEPS
from synthesis.workflow import ASK

IF_MATCH = OpenApiParameter("If-Match", str, OpenApiParameter.HEADER, description="The ETag of what was read")


class RequestList(ListAPIView):
    """Requests whoever asks may open, newest first."""

    queryset = SynthesisRequest.objects.none()
    serializer_class = RequestLineSerializer
    ordering = ("-created_at",)
    filterset_fields = ("state", "dataset", "proposer")
    write_scope = "request"

    def get_queryset(self) -> QuerySet[SynthesisRequest]:
        return selectors.visible_to(self.request.user).defer(*selectors.LONG)

    @extend_schema(request=CreateSerializer, responses={201: RequestSerializer})
    def post(self, request: Request) -> Response:
        """A new draft, its author's alone until it is submitted."""
        if not request.user.has_perm(ASK):
            raise PermissionDenied("Only researchers ask for synthetic tables.")
        given = CreateSerializer(data=request.data, context=self.get_serializer_context())
        given.is_valid(raise_exception=True)
        made = services.create_request(by=request.user, **given.validated_data)
        body = RequestSerializer(made, context=self.get_serializer_context()).data
        return Response(body, status=201, headers={"ETag": etag_of(made), "Location": f"{request.path}{made.pk}/"})


class RequestDetail(OfRequest):
    """One request, with what may be done with it now."""

    write_scope = "request"

    @extend_schema(responses=RequestSerializer)
    def get(self, request: Request, pk: UUID) -> Response:
        found = self.found(pk)
        if etag_of(found) in request.headers.get("If-None-Match", ""):
            return Response(status=304, headers={"ETag": etag_of(found)})
        return self.told(found)

    @extend_schema(request=EditSerializer, responses=RequestSerializer, parameters=[IF_MATCH])
    def patch(self, request: Request, pk: UUID) -> Response:
        """Change a draft or a returned request: what is left out stays. Everything is checked again."""
        found = self.found(pk)
        check(found, "submit", request.user)
        given = EditSerializer(data=request.data, partial=True, context=self.get_serializer_context())
        given.is_valid(raise_exception=True)
        with transaction.atomic():
            held = services.locked(found)
            check_match(request, held, needed=True)
            now = {name: getattr(held, name) for name in services.EDITABLE}
            services.edit_request(by=request.user, request=held, **now | given.validated_data)
        return self.told(found)


class RequestActions(OfRequest):
    """What the workflow's table offers from the present state: each step, allowed or with the reason why not."""

    serializer_class = ActionSerializer
    pagination_class = None

    @extend_schema(responses=ActionSerializer(many=True))
    def get(self, request: Request, pk: UUID) -> Response:
        return Response(actions_of(self.found(pk), request.user, by_token=request.auth is not None))


SCOPE_OF = {
    "submit": "request", "withdraw": "request", "take_back": "request", "renew": "request", "accept": "request",
    "acknowledge": "request",
}  # fmt: skip
"""Steps of whoever asked; the others are of those who review."""


class RequestStep(OfRequest):
    """Take a step that needs no more than a comment or a reason. Votes and conditions are taken at their gate."""

    serializer_class = TakenSerializer

    @property
    def write_scope(self) -> str:
        return SCOPE_OF.get(self.kwargs.get("action", ""), "review")

    @extend_schema(
        request=TakenSerializer,
        responses=RequestSerializer,
        parameters=[OpenApiParameter("action", str, OpenApiParameter.PATH, enum=sorted(STEPS)), IF_MATCH],
    )
    def post(self, request: Request, pk: UUID, action: str) -> Response:
        found = self.found(pk)
        if action not in STEPS:
            raise Http404
        refuse_token(request, action)
        check(found, action, request.user)
        check_match(request, found)
        step, given = STEPS[action], TakenSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        told = checked(step.form(given.validated_data)) if step.form else {}
        step.take(by=request.user, request=found, **told)
        return self.told(found)


class Price(GenericAPIView):
    """The privacy loss, as rho, of a promise (epsilon, delta); nothing is kept."""

    serializer_class = PriceSerializer

    @extend_schema(parameters=[PriceWishSerializer], responses=PriceSerializer)
    def get(self, request: Request) -> Response:
        given = PriceWishSerializer(data=request.query_params, context=self.get_serializer_context())
        given.is_valid(raise_exception=True)
        asked = given.validated_data
        rho = wishes.priced(**asked)
        return Response({"epsilon": f"{asked['epsilon']:f}", "delta": f"{asked['delta']:f}", "rho": f"{rho:f}"})
