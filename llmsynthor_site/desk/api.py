"""The auditor's ledger across datasets, and everybody's receipts, for programs."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from audit.actors import actor
from audit.forms import ListExportForm
from audit.serializers import ExportSerializer, checked
from audit.views.common import as_file, number_in
from llmsynthor_site.desk import access, ledger
from llmsynthor_site.desk.forms import AccessFilter, LedgerFilter
from llmsynthor_site.desk.steps import Step, step
from llmsynthor_site.desk.views import told_of
from privacy import exporting
from privacy.models import LedgerEntry

STEPS = [OpenApiParameter("before", int), OpenApiParameter("after", int)]
PERIOD = [OpenApiParameter(name, str) for name in ("dataset", "since", "until", "zone")]
OF_LEDGER = [*(OpenApiParameter(name, str) for name in ("population", "kind", "request")), *PERIOD]


class LineSerializer(serializers.Serializer):
    """One line of a ledger, with the request it was for and who approved that."""

    entry = serializers.IntegerField()
    at = serializers.CharField()
    population = serializers.CharField()
    dataset = serializers.CharField(allow_null=True)
    kind = serializers.CharField()
    rho = serializers.CharField()
    delta = serializers.CharField()
    reservation = serializers.IntegerField(allow_null=True)
    request = serializers.CharField()
    by = serializers.CharField()
    facts = serializers.DictField()
    approved_by = serializers.ListField(child=serializers.CharField())


class LinesSerializer(serializers.Serializer):
    results = LineSerializer(many=True)
    older = serializers.IntegerField(allow_null=True)
    newer = serializers.IntegerField(allow_null=True)


class TakenFileSerializer(serializers.Serializer):
    id = serializers.IntegerField()
    user = serializers.CharField(source="user.username")
    request = serializers.UUIDField(source="grant.package.run.request_id")
    file_name = serializers.CharField()
    file_hash = serializers.CharField()
    licence_version = serializers.CharField()
    at = serializers.DateTimeField()


class TakenFilesSerializer(serializers.Serializer):
    results = TakenFileSerializer(many=True)
    older = serializers.IntegerField(allow_null=True)
    newer = serializers.IntegerField(allow_null=True)


class OfDesk(GenericAPIView):
    queryset = LedgerEntry.objects.none()
    scope = write_scope = "audit"
    permission = "audit.view_log"

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if not request.user.has_perm(self.permission):
            raise PermissionDenied("The desk is for auditors.")

    def asked(self, kind: Any) -> Any:
        """The filters in the address; one that cannot be read refuses the whole."""
        form = kind(self.request.GET, zone="UTC")
        checked(form)
        return form

    def stepped(self, found: Any) -> Step:
        before, after = (number_in(self.request._request, name) for name in ("before", "after"))
        return step(found, before=before, after=after)


class Ledger(OfDesk):
    """Lines of every ledger that fit, newest first."""

    serializer_class = LinesSerializer

    @extend_schema(parameters=[*OF_LEDGER, *STEPS], responses=LinesSerializer)
    def get(self, request: Request) -> Response:
        page = self.stepped(ledger.chosen(self.asked(LedgerFilter)))
        lines = [
            exporting.line_of(one.entry) | {"approved_by": [each.voter for each in one.approvals]}
            for one in ledger.explained(page.rows)
        ]
        return Response({"results": lines, "older": page.older, "newer": page.newer})


class LedgerExport(OfDesk):
    """The lines that fit, as a file. Its reason is in the log before it is made."""

    serializer_class = ExportSerializer
    permission = "audit.export_log"

    @extend_schema(
        parameters=OF_LEDGER,
        request=ExportSerializer,
        responses={(200, "application/x-ndjson"): OpenApiTypes.BINARY, (200, "text/csv"): OpenApiTypes.BINARY},
    )
    def post(self, request: Request) -> HttpResponseBase:
        form, given = self.asked(LedgerFilter), ExportSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        asked, by = checked(ListExportForm(given.validated_data)), actor(request.user)
        lines = ledger.export(form, told=told_of(form), made_as=asked["form"], by=by, reason=asked["reason"])
        return as_file(lines, name="ledger", form=asked["form"])


class Downloads(OfDesk):
    """Everybody's downloads that fit, newest first."""

    serializer_class = TakenFilesSerializer

    @extend_schema(parameters=[OpenApiParameter("person", str), *PERIOD, *STEPS], responses=TakenFilesSerializer)
    def get(self, request: Request) -> Response:
        page = self.stepped(access.receipts(self.asked(AccessFilter)))
        rows = TakenFileSerializer(page.rows, many=True).data
        return Response({"results": rows, "older": page.older, "newer": page.newer})
