"""Entries, one entry with its proof, a part of the log as a file, and the check of all of it."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpResponseBase
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.generics import GenericAPIView, ListAPIView, RetrieveAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from audit import checking, entries, listing, verify
from audit.actors import actor
from audit.forms import ListExportForm, LogFilter
from audit.merkle import leaf_hash
from audit.models import LogCheck, LogEntry
from audit.serializers import (
    CheckDetailSerializer,
    CheckSerializer,
    EntryDetailSerializer,
    ExportSerializer,
    ProofSerializer,
    SliceSerializer,
    StandingSerializer,
    checked,
)
from audit.views.common import as_file, number_in
from audit.views.log import proof_of

NAMES = ("action", "words", "by", "subject", "mentions", "since", "until", "zone")
FILTERS = [OpenApiParameter(name, str) for name in NAMES]


class OfLog(GenericAPIView):
    """For those who read the log: auditors."""

    queryset: Any = LogEntry.objects.none()
    serializer_class: Any = EntryDetailSerializer
    scope = write_scope = "audit"
    permission = "audit.view_log"

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if not request.user.has_perm(self.permission):
            raise PermissionDenied("The log is for auditors.")

    def filters(self, request: Request) -> entries.Filters:
        """What the address asks for; one filter that cannot be read refuses the whole."""
        form = LogFilter(request.GET, zone="UTC")
        checked(form)
        return form.filters()


class EntryList(OfLog):
    """Entries that fit, newest first, in steps that never count."""

    serializer_class = SliceSerializer

    @extend_schema(
        operation_id="log_list",
        parameters=[*FILTERS, OpenApiParameter("before", int), OpenApiParameter("after", int)],
        responses=SliceSerializer,
    )
    def get(self, request: Request) -> Response:
        before, after = (number_in(request._request, name) for name in ("before", "after"))
        found = entries.step(self.filters(request), before=before, after=after)
        told = {"results": found.leaves, "older": found.older, "newer": found.newer, "size": found.size}
        return Response(SliceSerializer(told).data)


class EntryDetail(OfLog):
    """One entry, with the bytes that were hashed."""

    @extend_schema(responses=EntryDetailSerializer)
    def get(self, request: Request, index: int) -> Response:
        entry = get_object_or_404(LogEntry, index=index)
        leaf = entries.leaf_of(entry)
        told = {name: getattr(leaf, name) for name in ("index", "time", "event", "action", "by", "subject", "facts")}
        exact = bytes(entry.leaf)
        return Response(told | {"leaf_hash": leaf_hash(exact).hex(), "exact": exact.decode(errors="replace")})


class EntryProof(OfLog):
    """The proof that an entry belongs to the newest signed checkpoint; none where that is older."""

    @extend_schema(responses=ProofSerializer)
    def get(self, request: Request, index: int) -> Response:
        shown = proof_of(get_object_or_404(LogEntry, index=index))
        if "proof" not in shown:
            raise Http404
        size, holds = shown["checkpoint"].size, shown["proof"].holds
        return Response({"index": index, "size": size, "path": shown["path"], "note": shown["note"], "holds": holds})


class ListExport(OfLog):
    """The entries that fit, as a file. Its reason is in the log before it is made."""

    serializer_class = ExportSerializer
    permission = "audit.export_log"

    @extend_schema(
        parameters=FILTERS,
        request=ExportSerializer,
        responses={(200, "application/x-ndjson"): OpenApiTypes.BINARY, (200, "text/csv"): OpenApiTypes.BINARY},
    )
    def post(self, request: Request) -> HttpResponseBase:
        filters, given = self.filters(request), ExportSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        asked = checked(ListExportForm(given.validated_data))
        lines = listing.export(filters, form=asked["form"], by=actor(request.user), reason=asked["reason"])
        return as_file(lines, name="log-entries", form=asked["form"])


class CheckList(OfLog, ListAPIView):
    """Checks of the whole log, newest first."""

    queryset = LogCheck.objects.none()
    serializer_class = CheckSerializer

    def get_queryset(self) -> QuerySet[LogCheck]:
        return LogCheck.objects.all()

    @extend_schema(request=None, responses={201: CheckSerializer})
    def post(self, request: Request) -> Response:
        """Check the log now, or have a worker do it where it is long: ask for the check by its number then."""
        return Response(CheckSerializer(checking.ask(by=actor(request.user))).data, status=201)


class CheckDetail(OfLog, RetrieveAPIView):
    """One check, and what did not hold."""

    queryset = LogCheck.objects.all()
    serializer_class = CheckDetailSerializer


class Standing(OfLog):
    """What may be said of the log now: the last check, one that is under way, and what neither has seen."""

    serializer_class = StandingSerializer

    @extend_schema(responses=StandingSerializer)
    def get(self, request: Request) -> Response:
        told = {**vars_of(checking.badge()), "not_covered": verify.NOT_COVERED}
        return Response(StandingSerializer(told).data)


def vars_of(badge: checking.Badge) -> dict[str, Any]:
    return {name: getattr(badge, name) for name in ("size", "since", "whole", "last", "open")}
