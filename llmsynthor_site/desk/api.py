"""The auditor's ledger across datasets, downloads, grants and people, for programs."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpResponseBase
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from audit import selectors
from audit.actors import actor
from audit.forms import ListExportForm
from audit.models import PromptRecord
from audit.serializers import ExportSerializer, checked
from audit.views.common import as_file, number_in
from llmsynthor_site.desk import access, ledger
from llmsynthor_site.desk.forms import AccessFilter, LedgerFilter
from llmsynthor_site.desk.serializers import (
    ActivitySerializer,
    LinesSerializer,
    OpenGrantsSerializer,
    PopulationSerializer,
    TakenFilesSerializer,
)
from llmsynthor_site.desk.steps import Step, step
from llmsynthor_site.desk.views import told_of
from privacy import exporting, overviews
from privacy.models import LedgerEntry
from synthesis.serializers.runs import PromptTextSerializer

STEPS = [OpenApiParameter("before", int), OpenApiParameter("after", int)]
PERIOD = [OpenApiParameter(name, str) for name in ("dataset", "since", "until", "zone")]
OF_ACCESS = [OpenApiParameter("person", str), OpenApiParameter("dataset", str)]
OF_LEDGER = [*(OpenApiParameter(name, str) for name in ("population", "kind", "request")), *PERIOD]


def told_of_step(page: Step) -> dict[str, Any]:
    return {"results": page.rows, "older": page.older, "newer": page.newer}


class OfDesk(GenericAPIView):
    queryset: Any = LedgerEntry.objects.none()
    serializer_class: Any = LinesSerializer
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

    @extend_schema(parameters=[*OF_ACCESS, *PERIOD[1:], *STEPS], responses=TakenFilesSerializer)
    def get(self, request: Request) -> Response:
        page = self.stepped(access.receipts(self.asked(AccessFilter)))
        return Response(TakenFilesSerializer(told_of_step(page)).data)


class Grants(OfDesk):
    """Everybody who may still download, newest grant first."""

    serializer_class = OpenGrantsSerializer

    @extend_schema(parameters=[*OF_ACCESS, *STEPS], responses=OpenGrantsSerializer)
    def get(self, request: Request) -> Response:
        page = self.stepped(access.open_grants(self.asked(AccessFilter)))
        return Response(OpenGrantsSerializer(told_of_step(page)).data)


class Activity(OfDesk):
    """Everybody with an account, their roles, and when they were last there."""

    serializer_class = ActivitySerializer
    ordering = ("username",)

    @extend_schema(
        operation_id="activity_list",
        parameters=[OpenApiParameter("person", str)],
        responses=ActivitySerializer(many=True),
    )
    def get(self, request: Request) -> Response:
        page = self.paginate_queryset(access.people(self.asked(AccessFilter).asked.get("person", "")))
        people = access.with_activity(list(page or ()))
        return self.get_paginated_response(ActivitySerializer(people, many=True).data)


class Populations(OfDesk):
    """The people behind the datasets, by name, and what is left of their caps."""

    serializer_class = PopulationSerializer
    ordering = ("name", "pk")

    @extend_schema(operation_id="populations_list", responses=PopulationSerializer(many=True))
    def get(self, request: Request) -> Response:
        found = overviews.standings(self.paginate_queryset(overviews.populations()) or ())
        return self.get_paginated_response(PopulationSerializer(found, many=True).data)


class Prompt(OfDesk):
    """Any prompt of the site with its answer, those of probes of an endpoint too."""

    serializer_class = PromptTextSerializer

    @extend_schema(responses=PromptTextSerializer)
    def get(self, request: Request, intent: str) -> Response:
        record = get_object_or_404(PromptRecord, intent_id=intent)
        return Response(PromptTextSerializer(selectors.prompt_view(record)).data)
