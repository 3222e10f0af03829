"""The end of the way: terms, links that work once, files, receipts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import FileResponse, Http404, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.generics import ListAPIView
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from privacy import selectors as privacy
from synthesis import delivery, selectors
from synthesis.api.common import OfRequest
from synthesis.licence import LICENCE_TEXT, LICENCE_VERSION
from synthesis.models import DownloadGrant, Receipt
from synthesis.serializers.downloads import (
    AccessSerializer,
    LicenceSerializer,
    LinkSerializer,
    LinkWishSerializer,
    PackageSerializer,
    ReceiptSerializer,
)
from synthesis.views.downloads import files_of

CHUNK = 2**18
FROM = re.compile(r"bytes=(\d{1,15})-")
DOWNLOAD = "request"


class OfGrant(OfRequest):
    """The package of a request, for whom it was granted to."""

    serializer_class = PackageSerializer
    scope = write_scope = DOWNLOAD

    def grant(self, pk: UUID) -> DownloadGrant:
        return get_object_or_404(selectors.grants_of(self.request.user), package__run__request=self.found(pk))

    def shown(self, grant: DownloadGrant) -> Response:
        told = {
            "request": grant.package.run.request_id,
            "expires_at": grant.expires_at,
            "accepted": bool(grant.licence_accepted_at) and grant.licence_version == LICENCE_VERSION,
            "licence_version": LICENCE_VERSION,
            "licence": LICENCE_TEXT,
            "files": files_of(grant),
            "receipts": grant.receipts.all(),
        }
        return Response(PackageSerializer(told).data)


class PackageDetail(OfGrant):
    """Terms, files with their SHA-256, and receipts."""

    @extend_schema(responses=PackageSerializer)
    def get(self, request: Request, pk: UUID) -> Response:
        grant = self.grant(pk)
        delivery.check_grant(grant, request.user)
        return self.shown(grant)


class LicenceAccept(OfGrant):
    """Accept the terms of the version that was read."""

    @extend_schema(request=LicenceSerializer, responses=PackageSerializer)
    def post(self, request: Request, pk: UUID) -> Response:
        grant, given = self.grant(pk), LicenceSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        delivery.accept_licence(by=request.user, grant=grant, version=given.validated_data["version"])
        return self.shown(grant)


class LinkMake(OfGrant):
    """A link for one file: it works once, for whoever made it, for ten minutes."""

    @extend_schema(request=LinkWishSerializer, responses={201: LinkSerializer})
    def post(self, request: Request, pk: UUID) -> Response:
        grant, given = self.grant(pk), LinkWishSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        name = given.validated_data["file"]
        token = delivery.make_link(by=request.user, grant=grant, file_name=name)
        sha256 = next(file["sha256"] for file in files_of(grant) if file["name"] == name)
        told = {"url": reverse("api-file", args=[token]), "sha256": sha256}
        return Response(told, status=201, headers={"Cache-Control": "no-store"})


class AsAsked(BaseContentNegotiation):
    """A file is what it is, whatever the caller says it accepts."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        return parsers[0]

    def select_renderer(self, request: Request, renderers: Any, format_suffix: Any = None) -> Any:
        return renderers[0], renderers[0].media_type


RANGE = OpenApiParameter("Range", str, OpenApiParameter.HEADER, description='"bytes=N-" to go on where one stopped')


class FileGet(APIView):
    """The file behind a link. Each use is a receipt, one that goes on from a byte too."""

    scope = DOWNLOAD
    http_method_names = ["get"]  # not HEAD: looking at a link must not use it up
    content_negotiation_class = AsAsked

    @extend_schema(
        parameters=[RANGE],
        responses={(code, "application/octet-stream"): OpenApiTypes.BINARY for code in (200, 206)},
    )
    def get(self, request: Request, token: str) -> HttpResponseBase:
        path, receipt = delivery.redeem(by=request.user, token=token)
        asked = FROM.fullmatch(request.headers.get("Range", ""))
        start, size = int(asked[1]) if asked else 0, path.stat().st_size
        if not 0 < start < size:
            answer: HttpResponseBase = FileResponse(path.open("rb"), as_attachment=True, filename=receipt.file_name)
        else:
            answer = StreamingHttpResponse(rest_of(path, start), status=206, content_type="application/octet-stream")
            answer["Content-Range"] = f"bytes {start}-{size - 1}/{size}"
            answer["Content-Length"] = str(size - start)
        answer["Cache-Control"] = "no-store"
        return answer


def rest_of(path: Path, start: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.seek(start)
        while chunk := file.read(CHUNK):
            yield chunk


class AccessList(ListAPIView):
    """Who may download what was made from a dataset, and who has, newest first: for its owner and for reviewers."""

    queryset = DownloadGrant.objects.none()
    serializer_class = AccessSerializer
    ordering = ("-issued_at", "-pk")

    def get_queryset(self) -> QuerySet[DownloadGrant]:
        dataset = privacy.visible_dataset(self.request.user, self.kwargs["pk"])
        if dataset is None:
            raise Http404
        if not self.request.user.has_perm("synthesis.view_request"):
            raise PermissionDenied("Who may download is shown to a dataset's owner, to stewards and to auditors.")
        return selectors.grants_about(dataset)


class ReceiptList(ListAPIView):
    """One's own receipts, newest first."""

    queryset = Receipt.objects.none()
    serializer_class = ReceiptSerializer
    scope = DOWNLOAD
    ordering = ("-pk",)

    def get_queryset(self) -> QuerySet[Receipt]:
        return Receipt.objects.filter(user=self.request.user.pk)
