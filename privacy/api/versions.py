"""How long a version of the data is kept. It is its owner's own act and final, so no token is enough."""

from __future__ import annotations

from uuid import UUID

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from privacy import policies, retention
from privacy.api.datasets import OfDatasets
from privacy.models import DatasetVersion
from privacy.serializers import LastDaySerializer, ReasonSerializer, VersionSerializer


class OfVersions(OfDatasets):
    def own_version(self, number: int) -> DatasetVersion:
        dataset = self.get_object()
        policies.require(policies.may_destroy(self.request.user, dataset), retention.OWNER)
        return get_object_or_404(dataset.versions, number=number)

    def told(self, version: DatasetVersion) -> Response:
        version.refresh_from_db()
        return Response(VersionSerializer(version).data)


class VersionLastDay(OfVersions):
    """Set the last day on which a version may be measured, or move it as long as it is not over."""

    serializer_class = LastDaySerializer

    @extend_schema(request=LastDaySerializer, responses={200: VersionSerializer})
    def post(self, request: Request, pk: UUID, number: int) -> Response:
        version, given = self.own_version(number), LastDaySerializer(data=request.data)
        given.is_valid(raise_exception=True)
        retention.keep_until(by=request.user, version=version, **given.validated_data)
        return self.told(version)


class VersionDestroy(OfVersions):
    """Destroy a version's key, so that nobody can read its rows again. What was released from it stays released."""

    serializer_class = ReasonSerializer

    @extend_schema(request=ReasonSerializer, responses={200: VersionSerializer})
    def post(self, request: Request, pk: UUID, number: int) -> Response:
        version, given = self.own_version(number), ReasonSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        retention.destroy_version(by=request.user, version=version, **given.validated_data)
        return self.told(version)
