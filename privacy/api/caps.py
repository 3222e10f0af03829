"""Raising a cap, and what one charge paid for."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import django_filters
from django.db.models import Q, QuerySet
from django.http import Http404
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.generics import GenericAPIView, ListAPIView, RetrieveAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from privacy import caps, policies
from privacy.api.datasets import OfDatasets
from privacy.api.told import RaiseSerializer, RaiseWishSerializer
from privacy.models import CapRaise, LedgerEntry
from privacy.serializers import ReasonSerializer, StatisticSerializer
from privacy.values import PrivacyUnit
from privacy.views.caps import OWNERS, SHOWN_WITH
from privacy.views.statistics import shown


class OfRaises(GenericAPIView):
    queryset = CapRaise.objects.none()
    serializer_class: Any = RaiseSerializer
    ordering = ("-proposed_at",)

    def get_queryset(self) -> QuerySet[CapRaise]:
        policies.require(policies.may_register(self.request.user), OWNERS)
        return CapRaise.objects.select_related(*SHOWN_WITH)

    def told(self, proposal: CapRaise, status: int = 200) -> Response:
        fresh = CapRaise.objects.select_related(*SHOWN_WITH).get(pk=proposal.pk)
        body = RaiseSerializer(fresh, context=self.get_serializer_context()).data
        return Response(body, status=status)


class Waiting(django_filters.FilterSet):
    waits = django_filters.BooleanFilter(method="that_wait", label="Neither confirmed nor ended")

    def that_wait(self, found: QuerySet[CapRaise], name: str, waits: bool) -> QuerySet[CapRaise]:
        open_ones = Q(entry=None, ended_at=None)
        return found.filter(open_ones if waits else ~open_ones)


class RaiseList(OfRaises, ListAPIView):
    """Proposed raises of caps and what became of them, newest first."""

    filterset_class = Waiting


class RaiseDetail(OfRaises, RetrieveAPIView):
    """One raise."""


class RaiseConfirm(OfRaises):
    """A second data owner puts a cap in force. No token is enough."""

    @extend_schema(request=None, responses=RaiseSerializer)
    def post(self, request: Request, pk: UUID) -> Response:
        proposal = self.get_object()
        caps.confirm_raise(by=request.user, proposal=proposal)
        return self.told(proposal)


class RaiseEnd(OfRaises):
    """Ending a proposal says no, and raises nothing: a token is enough."""

    serializer_class: Any = ReasonSerializer
    write_scope = "own"

    def reason(self, request: Request) -> dict[str, Any]:
        given = ReasonSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        return dict(given.validated_data)


class RaiseDecline(RaiseEnd):
    """Refuse somebody else's proposal, as a second data owner."""

    @extend_schema(request=ReasonSerializer, responses=RaiseSerializer)
    def post(self, request: Request, pk: UUID) -> Response:
        proposal = self.get_object()
        return self.told(caps.decline_raise(by=request.user, proposal=proposal, **self.reason(request)))


class RaiseWithdraw(RaiseEnd):
    """Take one's own proposal back while it waits."""

    @extend_schema(request=ReasonSerializer, responses=RaiseSerializer)
    def post(self, request: Request, pk: UUID) -> Response:
        proposal = self.get_object()
        return self.told(caps.withdraw_raise(by=request.user, proposal=proposal, **self.reason(request)))


class CapPropose(OfDatasets):
    """Ask for a higher cap of the people in a dataset. Nothing may be spent of it before another owner confirms."""

    serializer_class = RaiseWishSerializer

    @extend_schema(request=RaiseWishSerializer, responses={201: RaiseSerializer})
    def post(self, request: Request, pk: UUID) -> Response:
        dataset, given = self.get_object(), RaiseWishSerializer(data=request.data)
        policies.require(policies.may_propose_raise(request.user, dataset.population), OWNERS)
        given.is_valid(raise_exception=True)
        made = caps.propose_raise(by=request.user, population=dataset.population, **given.validated_data)
        body = RaiseSerializer(made, context=self.get_serializer_context()).data
        return Response(body, status=201)


class Statistic(GenericAPIView):
    """Where a number in a prompt came from: one charge, and the noised table it paid for."""

    queryset = LedgerEntry.objects.none()
    serializer_class = StatisticSerializer

    @extend_schema(parameters=[OpenApiParameter("cell", str, description='Places along the axes, as in "1,0"')])
    def get(self, request: Request, entry: int) -> Response:
        charges = LedgerEntry.objects.filter(kind=LedgerEntry.Kind.COMMIT).select_related("population", "dataset")
        found = get_object_or_404(charges, pk=entry)
        if not policies.may_view_ledger(request.user, found.population):
            raise Http404
        table = getattr(found, "measurement", None)
        told = shown(found.dataset, table, request.GET.get("cell", "")) if found.dataset and table else None
        rows = told["rows"] if told else ()
        return Response(
            {
                "id": found.pk,
                "dataset": found.dataset_id,
                "rho": f"{found.rho:f}",
                "facts": found.facts,
                "unit": PrivacyUnit(**found.facts["unit"]).in_words(),
                "columns": told["columns"] if told else (),
                "cells": [{"labels": list(labels), "count": count} for labels, count, _ in rows],
                "off_by": str(told["off_by"]) if told else "",
            }
        )
