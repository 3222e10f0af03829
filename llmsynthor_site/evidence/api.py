"""Evidence packs for programs: made while the caller waits, as on their page, and kept nowhere."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.http import FileResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request

from audit.selection import Scope
from audit.serializers import checked
from llmsynthor_site.evidence import views
from privacy import selectors as privacy
from synthesis import selectors
from synthesis.models import SynthesisRequest

NEEDED = ("audit.view_log", "audit.export_log")
ZIP = {(200, "application/zip"): OpenApiTypes.BINARY}


class EvidenceSerializer(serializers.Serializer):
    """Why it is needed; that stands in the log, before the pack is made, and in the pack."""

    reason = serializers.CharField(max_length=500)


class PeriodSerializer(EvidenceSerializer):
    since = serializers.DateField(help_text="First day, UTC")
    until = serializers.DateField(help_text="Last day, UTC")


class OfEvidence(GenericAPIView):
    """A pack holds every entry of the log, so it is for those who may read and export it."""

    queryset = SynthesisRequest.objects.none()
    serializer_class: Any = EvidenceSerializer
    scope = write_scope = "audit"

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if not all(request.user.has_perm(each) for each in NEEDED):
            raise PermissionDenied("Evidence packs are for auditors.")

    def sent(self, scope: Scope, reason: str) -> FileResponse:
        answer = views.download(self.request._request, scope, reason)
        answer["Cache-Control"] = "no-store"
        return answer

    def reason(self) -> str:
        given = EvidenceSerializer(data=self.request.data)
        given.is_valid(raise_exception=True)
        return str(given.validated_data["reason"])


class OfRequest(OfEvidence):
    """Evidence of one request, from its draft to its downloads, as a signed ZIP file."""

    @extend_schema(request=EvidenceSerializer, responses=ZIP)
    def post(self, request: Request, pk: UUID) -> HttpResponseBase:
        get_object_or_404(selectors.visible_to(request.user).exclude(content_hash=""), pk=pk)
        return self.sent(Scope("request", str(pk)), self.reason())


class OfDataset(OfEvidence):
    """Evidence of one dataset and of every request for it, as a signed ZIP file."""

    @extend_schema(request=EvidenceSerializer, responses=ZIP)
    def post(self, request: Request, pk: UUID) -> HttpResponseBase:
        get_object_or_404(privacy.datasets_for(request.user), pk=pk)
        return self.sent(Scope("dataset", str(pk)), self.reason())


class OfPeriod(OfEvidence):
    """Evidence of some days, as a signed ZIP file."""

    serializer_class = PeriodSerializer

    @extend_schema(request=PeriodSerializer, responses=ZIP)
    def post(self, request: Request) -> HttpResponseBase:
        given = PeriodSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        told = checked(views.PeriodForm(given.validated_data))
        return self.sent(views.days(told["since"], told["until"]), told["reason"])
