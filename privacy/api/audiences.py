"""Who may ask for a dataset, the waivers of its second steward, and its table where that stays in its engine."""

from __future__ import annotations

from uuid import UUID

from django.db.models import QuerySet
from django.http import Http404
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from audit.views.common import number_in
from privacy import audiences, policies, selectors, services
from privacy.api.datasets import OfDatasets
from privacy.api.told import AudienceSerializer, AudienceWishSerializer, HistorySerializer, LookSerializer
from privacy.models import Dataset, StewardWaiver
from privacy.serializers import WaiverLineSerializer
from privacy.views.datasets import dataset_look
from privacy.views.histories import EVERYTHING, history_of


class Audience(OfDatasets):
    """Who may ask for a dataset. Setting it is its owner's own act, so no token is enough."""

    serializer_class = AudienceSerializer

    def told(self, dataset: Dataset) -> Response:
        told = {"limited_to": dataset.limited_to.all(), "known": audiences.known()}
        return Response(AudienceSerializer(told).data)

    def mine(self) -> Dataset:
        dataset: Dataset = self.get_object()
        policies.require(policies.may_upload(self.request.user, dataset), audiences.OWNER)
        return dataset

    @extend_schema(responses=AudienceSerializer)
    def get(self, request: Request, pk: UUID) -> Response:
        """The organisations it is limited to, and those there are."""
        return self.told(self.mine())

    @extend_schema(request=AudienceWishSerializer, responses=AudienceSerializer)
    def post(self, request: Request, pk: UUID) -> Response:
        """Limit it to researchers of these organisations; with none, every researcher may ask. It counts at once."""
        dataset, given = self.mine(), AudienceWishSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        wished = set(given.validated_data["organisations"])
        found = list(audiences.known().filter(pk__in=wished))
        if len(found) != len(wished):
            raise ValidationError({"organisations": "There is no organisation of one of these numbers."})
        return self.told(audiences.limit(by=request.user, dataset=dataset, organisations=found))


class WaiverList(ListAPIView):
    """Every waiver of a dataset's second steward, the newest first, those that have ended too."""

    queryset = StewardWaiver.objects.none()
    serializer_class = WaiverLineSerializer
    ordering = ("-signed_at", "pk")

    def get_queryset(self) -> QuerySet[StewardWaiver]:
        dataset = selectors.visible_dataset(self.request.user, self.kwargs["pk"])
        if dataset is None:
            raise Http404
        return dataset.waivers.select_related("signed_by", "ended_by")


class Look(OfDatasets):
    """The measuring worker's look at a table that stays in its engine."""

    serializer_class = LookSerializer
    write_scope = "own"

    def told(self, dataset: Dataset, status: int = 200) -> Response:
        found = dataset_look(dataset)
        if found is None:
            raise Http404
        return Response(LookSerializer(found).data, status=status)

    @extend_schema(responses=LookSerializer)
    def get(self, request: Request, pk: UUID) -> Response:
        """How far it has come; for whoever sees everything of the dataset."""
        dataset = self.get_object()
        allowed = policies.sees_everything_of(request.user, dataset)
        policies.require(allowed, "The state of a dataset's table is for its owner, stewards and auditors.")
        return self.told(dataset)

    @extend_schema(request=None, responses={202: LookSerializer})
    def post(self, request: Request, pk: UUID) -> Response:
        """Have it looked at once more. It becomes a new version."""
        dataset = self.get_object()
        services.look_again(by=request.user, dataset=dataset)
        return self.told(dataset, status=202)


class History(OfDatasets):
    """What happened to a dataset, as its log tells it, newest first: for those who see everything of it."""

    serializer_class = HistorySerializer

    @extend_schema(
        parameters=[OpenApiParameter("before", int), OpenApiParameter("after", int)], responses=HistorySerializer
    )
    def get(self, request: Request, pk: UUID) -> Response:
        dataset = self.get_object()
        policies.require(policies.sees_everything_of(request.user, dataset), EVERYTHING)
        before, after = (number_in(request._request, name) for name in ("before", "after"))
        page, told = history_of(dataset, before=before, after=after)
        return Response(HistorySerializer({"results": told, "older": page.older, "newer": page.newer}).data)
