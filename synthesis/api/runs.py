"""The run while it happens, and the prompts it sent."""

from __future__ import annotations

from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from audit import selectors as audit
from audit.models import PromptRecord
from synthesis import policies, selectors
from synthesis.api.common import OfRequest
from synthesis.models import SynthesisRequest
from synthesis.serializers.runs import PromptSerializer, PromptTextSerializer, RunSerializer
from synthesis.views.runs import progress


class RunDetail(OfRequest):
    """Stages and iterations so far. Ask again while ``live``."""

    serializer_class = RunSerializer

    @extend_schema(responses=RunSerializer)
    def get(self, request: Request, pk: UUID) -> Response:
        found = self.found(pk)
        shown = progress(found, request.user)
        told = {
            "state": found.state,
            "live": shown["live"],
            "stages": selectors.stages(found),
            "iterations": shown["iterations"],
            "started_at": getattr(shown["run"], "started_at", None),
            "finished_at": getattr(shown["run"], "finished_at", None),
            "what_if": shown["what_if"],
        }
        return Response(RunSerializer(told).data, headers={"Cache-Control": "no-cache"})


def with_prompts(request: SynthesisRequest, http: Request) -> QuerySet[PromptRecord]:
    if not policies.may_see_prompts(request, http.user):
        raise PermissionDenied("Prompts and answers are for stewards and auditors until the package is released.")
    if not hasattr(request, "run"):
        raise Http404
    return audit.prompts_of(str(request.run.pk))


class PromptList(OfRequest, ListAPIView):
    """Every prompt of this run, in the order they were composed, retries included."""

    queryset = PromptRecord.objects.none()
    serializer_class = PromptSerializer
    ordering = ("pk",)

    def get_queryset(self) -> QuerySet[PromptRecord]:
        return with_prompts(self.found(self.kwargs["pk"]), self.request)


class PromptDetail(OfRequest):
    """One prompt, every part of it marked with where it came from, and its answer."""

    serializer_class = PromptTextSerializer

    @extend_schema(responses=PromptTextSerializer)
    def get(self, request: Request, pk: UUID, intent: str) -> Response:
        record = get_object_or_404(with_prompts(self.found(pk), request), intent_id=intent)
        return Response(PromptTextSerializer(audit.prompt_view(record)).data)
