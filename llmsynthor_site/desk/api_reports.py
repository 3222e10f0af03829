"""The auditor's statements for programs: what endpoints were told, who did what, and what descends from what."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from audit.actors import actor
from audit.forms import ReasonForm
from audit.serializers import checked
from audit.views.common import as_file
from llmsynthor_site.desk import conflicts, duties, exposure, lineage
from llmsynthor_site.desk.api import PERIOD, OfDesk
from llmsynthor_site.desk.exposure_views import exported, scope_of
from llmsynthor_site.desk.forms import DutiesFilter, ExposureForm, LineageFilter
from llmsynthor_site.desk.serializers import (
    ConflictsSerializer,
    DescendedSerializer,
    DutiesCountSerializer,
    DutySerializer,
    ExposureSerializer,
    TemplateSerializer,
)
from llmsynthor_site.desk.views import moment_in
from llmsynthor_site.people.serializers import WhySerializer

OF_EXPOSURE = [OpenApiParameter("endpoint", str), *PERIOD]
OF_DUTIES = [OpenApiParameter("person", str), *PERIOD[1:]]
OF_LINEAGE = [OpenApiParameter("model", str), OpenApiParameter("template", str, description="SHA-256"), *PERIOD]


class Exposure(OfDesk):
    """The exposure statement. It adds up every call in scope, so narrow it where there are many."""

    serializer_class = ExposureSerializer

    @extend_schema(parameters=OF_EXPOSURE, responses=ExposureSerializer)
    def get(self, request: Request) -> Response:
        return Response(ExposureSerializer(exposure.statement(scope_of(self.asked(ExposureForm)))).data)


class ExposureExport(OfDesk):
    """The statement as a file. Its reason is in the log before it is made."""

    serializer_class = WhySerializer
    permission = "audit.export_log"

    @extend_schema(
        parameters=OF_EXPOSURE, request=WhySerializer, responses={(200, "application/json"): OpenApiTypes.BINARY}
    )
    def post(self, request: Request) -> HttpResponseBase:
        scope, given = scope_of(self.asked(ExposureForm)), WhySerializer(data=request.data)
        given.is_valid(raise_exception=True)
        reason = checked(ReasonForm(given.validated_data))["reason"]
        lines = exported(scope, form="json", by=actor(request.user), reason=reason)
        return as_file(lines, name="llm-exposure", form="json")


class OfDuties(OfDesk):
    serializer_class = DutySerializer
    ordering = ("-created_at", "-pk")

    def known(self) -> duties.Requests:
        form = self.asked(DutiesFilter)
        return duties.found(person=form.asked.get("person", ""), **form.moments())

    def told(self, requests: Any) -> Any:
        lines = duties.lines_of(list(requests))
        duties.compare_with_log(lines)
        return DutySerializer(lines, many=True).data


class Duties(OfDuties):
    """Who asked, voted and downloaded, for each submitted request, newest first, and where that should not be."""

    @extend_schema(operation_id="duties_list", parameters=OF_DUTIES, responses=DutySerializer(many=True))
    def get(self, request: Request) -> Response:
        return self.get_paginated_response(self.told(self.paginate_queryset(self.known()) or ()))


class Conflicts(OfDuties):
    """Those of the newest thousand requests, or of the thousand before a moment, with a conflict."""

    @extend_schema(
        parameters=[*OF_DUTIES, OpenApiParameter("before", str, description="`older` of the answer before")],
        responses=ConflictsSerializer,
    )
    def get(self, request: Request) -> Response:
        looked = conflicts.stretch(self.known(), moment_in(request._request))
        told = {"results": self.told(looked.requests), "looked_at": looked.looked_at, "older": looked.older}
        return Response(told)


class DutiesCount(OfDuties):
    """How many requests fit, and how many of them have a conflict: it looks at every vote there is."""

    @extend_schema(parameters=OF_DUTIES, responses=DutiesCountSerializer)
    def get(self, request: Request) -> Response:
        known = self.known()
        return Response({"requests": known.count(), "conflicting": conflicts.among(known).count()})


class Lineage(OfDesk):
    """Packages that descend from a dataset, a model or a template, newest first: whom to tell when one was wrong."""

    serializer_class = DescendedSerializer
    ordering = ("-created_at", "-pk")

    @extend_schema(operation_id="lineage_list", parameters=OF_LINEAGE, responses=DescendedSerializer(many=True))
    def get(self, request: Request) -> Response:
        page = self.paginate_queryset(lineage.packages(self.asked(LineageFilter)))
        return self.get_paginated_response(DescendedSerializer(page, many=True).data)


class Templates(OfDesk):
    """The templates of prompts of this version of the site."""

    serializer_class = TemplateSerializer
    pagination_class = None

    @extend_schema(responses=TemplateSerializer(many=True))
    def get(self, request: Request) -> Response:
        return Response([{"sha256": sha256, "name": name} for sha256, name in lineage.templates()])
