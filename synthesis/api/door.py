"""Endpoints and their probes, kill switches, and what did not add up about calls."""

from __future__ import annotations

from typing import Any

import django_filters
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework.generics import GenericAPIView, ListAPIView, RetrieveAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from synthesis import reconciling, services, switches
from synthesis.models import CallFinding, Endpoint, KillSwitch
from synthesis.serializers.door import (
    EndpointSerializer,
    FindingSerializer,
    ReasonGivenSerializer,
    SwitchSerializer,
    SwitchWishSerializer,
)
from synthesis.views.door import may_see as may_see_door
from synthesis.views.door import reads_findings, rows
from synthesis.views.endpoints import may_see as may_see_endpoints


class OfEndpoints(GenericAPIView):
    queryset = Endpoint.objects.none()
    serializer_class = EndpointSerializer
    ordering = ("name",)

    def get_queryset(self) -> QuerySet[Endpoint]:
        may_see_endpoints(self.request._request)
        return Endpoint.objects.order_by("name")


class EndpointList(OfEndpoints, ListAPIView):
    """Where language models answer."""

    filterset_fields = ("enabled", "is_local")


class EndpointDetail(OfEndpoints, RetrieveAPIView):
    """One endpoint, and what its newest probe found."""


class EndpointProbe(OfEndpoints):
    """Have a worker find out what an endpoint does. For administrators; no token is enough."""

    @extend_schema(request=None, responses={202: EndpointSerializer})
    def post(self, request: Request, pk: int) -> Response:
        endpoint = self.get_object()
        services.probe_endpoint(by=request.user, endpoint=endpoint)
        return Response(EndpointSerializer(endpoint).data, status=202)


class Standing(django_filters.FilterSet):
    standing = django_filters.BooleanFilter("lifted_at", lookup_expr="isnull", label="Not lifted yet")


class OfSwitches(GenericAPIView):
    queryset = KillSwitch.objects.none()
    serializer_class: Any = SwitchSerializer

    def get_queryset(self) -> QuerySet[KillSwitch]:
        may_see_door(self.request._request)
        return KillSwitch.objects.all()

    def told(self, found: list[KillSwitch]) -> list[dict[str, Any]]:
        """Switches with the names this reader may know, and why they may not lift them."""
        shown = rows(found, self.request.user)
        for row in shown:
            row["switch"].name, row["switch"].denial = row["name"], row["denial"]
        return [dict(SwitchSerializer(row["switch"]).data) for row in shown]


class SwitchList(OfSwitches, ListAPIView):
    """Kill switches, newest first."""

    filterset_class = Standing
    write_scope = "review"

    @extend_schema(responses=SwitchSerializer(many=True))
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        return self.get_paginated_response(self.told(list(page or ())))

    @extend_schema(request=SwitchWishSerializer, responses={201: SwitchSerializer})
    def post(self, request: Request) -> Response:
        """Stop at once what the target names. A token may: this closes, and opens nothing."""
        if not request.user.has_perm(switches.STOP):
            raise PermissionDenied("Stewards, owners and administrators set a kill switch.")
        given = SwitchWishSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        made = switches.set_switch(by=request.user, **given.validated_data)
        return Response(self.told([made])[0], status=201)


class SwitchLift(OfSwitches):
    """Let what was stopped go on. Somebody else than who set it does; no token is enough."""

    @extend_schema(request=ReasonGivenSerializer, responses=SwitchSerializer)
    def post(self, request: Request, pk: int) -> Response:
        switch, given = get_object_or_404(self.get_queryset(), pk=pk), ReasonGivenSerializer(data=request.data)
        if denial := switches.why_not_lift(switch, request.user):
            raise PermissionDenied(denial)
        given.is_valid(raise_exception=True)
        lifted = switches.lift(by=request.user, switch=switch, reason=given.validated_data["reason"])
        return Response(self.told([lifted])[0])


class Open(django_filters.FilterSet):
    open = django_filters.BooleanFilter("closed_at", lookup_expr="isnull", label="Not closed yet")


class FindingList(ListAPIView):
    """What did not add up about calls, newest first."""

    queryset = CallFinding.objects.none()
    serializer_class = FindingSerializer
    filterset_class = Open

    def get_queryset(self) -> QuerySet[CallFinding]:
        if not reads_findings(self.request.user):
            raise PermissionDenied("Findings are for stewards, administrators and auditors.")
        return CallFinding.objects.all()


class FindingClose(GenericAPIView):
    """Close a finding, with a reason. No token is enough."""

    queryset = CallFinding.objects.all()
    serializer_class = FindingSerializer

    @extend_schema(request=ReasonGivenSerializer, responses=FindingSerializer)
    def post(self, request: Request, pk: int) -> Response:
        if not request.user.has_perm(reconciling.CLOSE):
            raise PermissionDenied("Findings are closed by stewards and administrators.")
        finding, given = self.get_object(), ReasonGivenSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        reconciling.close(by=request.user, finding=finding, reason=given.validated_data["reason"])
        return Response(FindingSerializer(self.get_object()).data)
