"""Registering datasets, handing in data, reading what was declared and what was spent."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import django_filters
from django.db.models import Q, QuerySet
from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework.generics import GenericAPIView, ListAPIView, RetrieveAPIView
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from audit.serializers import checked
from privacy import policies, selectors, services, waivers
from privacy.forms import DataForm, RegisterForm
from privacy.models import Dataset, LedgerEntry
from privacy.serializers import (
    DatasetLineSerializer,
    DatasetSerializer,
    LedgerLineSerializer,
    ReasonSerializer,
    RegisterSerializer,
    SignSerializer,
    UploadSerializer,
    VersionSerializer,
    WaiverSerializer,
    WaiverTextSerializer,
)
from privacy.views.datasets import one_stream
from privacy.waiver_text import WAIVER_TEXT, WAIVER_VERSION, digest


class Datasets(django_filters.FilterSet):
    words = django_filters.CharFilter(method="with_words", max_length=100, label="Words of title or population")

    class Meta:
        model = Dataset
        fields: tuple[str, ...] = ()

    def with_words(self, found: QuerySet[Dataset], name: str, words: str) -> QuerySet[Dataset]:
        return found.filter(Q(title__icontains=words) | Q(population__name__icontains=words))


class OfDatasets(GenericAPIView):
    """What every endpoint about datasets stands on: the datasets its reader may know of."""

    queryset = Dataset.objects.none()
    serializer_class: Any = DatasetSerializer
    lookup_field = "pk"

    def get_queryset(self) -> QuerySet[Dataset]:
        return selectors.datasets_for(self.request.user)


class DatasetList(OfDatasets, ListAPIView):
    """The catalogue: datasets this person may ask for, own or review."""

    serializer_class = DatasetLineSerializer
    filterset_class = Datasets
    ordering = ("title", "created_at", "pk")
    parser_classes = (MultiPartParser,)
    write_scope = "own"

    @extend_schema(request=RegisterSerializer, responses={201: DatasetSerializer})
    def post(self, request: Request) -> Response:
        """Register a dataset: its declaration, and its data where a file comes with it."""
        policies.require(policies.may_register(request.user), "Only data owners register datasets.")
        given = checked(RegisterForm(request.POST, request.FILES))
        wish = {"by": request.user, "declaration": given["declaration"].read(), "title": given["title"]}
        if given["file"]:
            stream, name = one_stream(given["file"])
            kept = services.register_with_file(**wish, stream=stream, filename=name).dataset
        else:
            kept = services.register_dataset(**wish)
        return Response(DatasetSerializer(kept, context={"request": request}).data, status=201)


class DatasetDetail(OfDatasets, RetrieveAPIView):
    """One dataset as far as this person may read it."""


class DatasetUpload(OfDatasets):
    """A data file. What is wrong with it is told by column and rule, and nothing of it is kept then."""

    serializer_class = UploadSerializer
    parser_classes = (MultiPartParser,)
    write_scope = "own"

    @extend_schema(responses={201: VersionSerializer})
    def post(self, request: Request, pk: UUID) -> Response:
        dataset = self.get_object()
        policies.require(policies.may_upload(request.user, dataset), "Only the dataset's owner uploads its data.")
        stream, name = one_stream(checked(DataForm(request.POST, request.FILES))["file"])
        version = services.receive_upload(by=request.user, dataset=dataset, stream=stream, filename=name)
        return Response(VersionSerializer(version).data, status=201)


class DatasetLedger(ListAPIView):
    """The ledger of the people in a dataset, oldest line first."""

    queryset = LedgerEntry.objects.none()
    serializer_class = LedgerLineSerializer
    ordering = ("pk",)
    filterset_fields = ("kind",)

    def get_queryset(self) -> QuerySet[LedgerEntry]:
        dataset = selectors.visible_dataset(self.request.user, self.kwargs["pk"])
        if dataset is None:
            raise Http404
        allowed = policies.may_view_ledger(self.request.user, dataset.population)
        policies.require(allowed, "The ledger is for owners, stewards and auditors.")
        return selectors.ledger_entries(dataset.population)


class DatasetWaiver(OfDatasets):
    """One-steward mode. Signing and ending it is its owner's own act, so no token is enough."""

    serializer_class = SignSerializer

    @extend_schema(responses=WaiverTextSerializer)
    def get(self, request: Request, pk: UUID) -> Response:
        """The words that would be signed."""
        self.get_object()
        return Response({"version": WAIVER_VERSION, "text": WAIVER_TEXT, "sha256": digest()})

    @extend_schema(request=SignSerializer, responses={200: WaiverSerializer})
    def post(self, request: Request, pk: UUID) -> Response:
        dataset, given = self.get_object(), SignSerializer(data=request.data)
        policies.require(policies.may_waive(request.user, dataset), waivers.OWNER)
        given.is_valid(raise_exception=True)
        return Response(WaiverSerializer(waivers.sign(by=request.user, dataset=dataset, **given.validated_data)).data)


class DatasetWaiverEnd(OfDatasets):
    """Two stewards decide again."""

    serializer_class = ReasonSerializer

    @extend_schema(request=ReasonSerializer, responses={200: WaiverSerializer})
    def post(self, request: Request, pk: UUID) -> Response:
        dataset, given = self.get_object(), ReasonSerializer(data=request.data)
        policies.require(policies.may_waive(request.user, dataset), waivers.OWNER)
        given.is_valid(raise_exception=True)
        standing = selectors.standing_waiver(dataset)
        if standing is None:
            raise Http404
        return Response(WaiverSerializer(waivers.end(by=request.user, waiver=standing, **given.validated_data)).data)
