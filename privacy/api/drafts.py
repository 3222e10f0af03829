"""An owner's drafts of declarations, to be read. They are written in the portal, where each step says what it asks."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework.generics import GenericAPIView, ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from privacy import drafts, policies
from privacy.api.told import DraftLineSerializer, DraftSerializer
from privacy.models import DeclarationDraft


class OfDrafts(GenericAPIView):
    """Drafts are their author's alone."""

    queryset = DeclarationDraft.objects.none()
    serializer_class: Any = DraftSerializer

    def get_queryset(self) -> QuerySet[DeclarationDraft]:
        policies.require(policies.may_register(self.request.user), drafts.OWNERS)
        found: QuerySet[DeclarationDraft] = drafts.of(self.request.user)
        return found


class DraftList(OfDrafts, ListAPIView):
    """One's own drafts of declarations, the newest first."""

    serializer_class = DraftLineSerializer
    ordering = ("-changed_at", "pk")


class DraftDetail(OfDrafts):
    """One draft, with what it still lacks. Its ETag changes with every answer."""

    @extend_schema(responses=DraftSerializer)
    def get(self, request: Request, pk: UUID) -> Response:
        draft = get_object_or_404(self.get_queryset(), pk=pk)
        etag = {"ETag": f'"{draft.pk}:{draft.edition}"'}
        if etag["ETag"] in request.headers.get("If-None-Match", ""):
            return Response(status=304, headers=etag)
        return Response(DraftSerializer(draft).data, headers=etag)
