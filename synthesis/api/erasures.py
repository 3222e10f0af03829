"""Erasing a prompt or an answer: proposed and confirmed by two stewards who are signed in, withdrawn by either."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from audit import erasure
from audit.errors import ErasureRefused
from audit.models import ErasureProposal, PromptRecord
from audit.serializers import checked
from synthesis.api.common import OfRequest
from synthesis.api.runs import with_prompts
from synthesis.forms import ErasureForm
from synthesis.serializers.runs import ErasureSerializer, ErasuresSerializer, ErasureWishSerializer
from synthesis.views.erasures import free, what

DENIED = "Your roles do not allow erasing prompts and answers."
GONE = "that proposal was carried out or withdrawn meanwhile, or there never was one"


class OfErasures(OfRequest):
    serializer_class: Any = ErasuresSerializer

    def record(self) -> PromptRecord:
        request = self.found(self.kwargs["pk"])
        if not self.request.user.has_perm(erasure.PERMISSION):
            raise PermissionDenied(DENIED)
        return get_object_or_404(with_prompts(request, self.request), intent_id=self.kwargs["intent"])

    def proposal(self, record: PromptRecord) -> ErasureProposal:
        """A proposal about this prompt that waits. ErasureRefused for any other."""
        found = next((one for one in erasure.proposals_for(record) if one.pk == self.kwargs["proposal"]), None)
        if found is None:
            raise ErasureRefused(GONE)
        return found


class Erasures(OfErasures):
    """What of a prompt can still be erased, and the proposals about it that wait."""

    @extend_schema(responses=ErasuresSerializer)
    def get(self, request: Request, pk: UUID, intent: str) -> Response:
        record = self.record()
        waiting = erasure.proposals_for(record)
        told = [told_of(one, record) for one in waiting]
        return Response({"free": sorted(free(record, waiting)), "waiting": told})

    @extend_schema(request=ErasureWishSerializer, responses={201: ErasureSerializer})
    def post(self, request: Request, pk: UUID, intent: str) -> Response:
        """Propose to destroy the prompt or the answer; another steward confirms. No token is enough."""
        record, given = self.record(), ErasureWishSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        parts = free(record, erasure.proposals_for(record))
        asked = checked(ErasureForm(given.validated_data, parts=parts))
        made = erasure.propose(by=request.user, body=parts[asked["part"]][0], reason=asked["reason"])
        return Response(told_of(made, record), status=201)


class ErasureWithdraw(OfErasures):
    """Take a proposal back, one's own or another steward's: nothing is destroyed. A token may."""

    serializer_class = ErasureSerializer
    write_scope = "review"

    @extend_schema(request=None, responses=ErasureSerializer)
    def post(self, request: Request, pk: UUID, intent: str, proposal: UUID) -> Response:
        record = self.record()
        found = self.proposal(record)
        erasure.withdraw(by=request.user, proposal=found)
        return Response(told_of(found, record))


class ErasureConfirm(OfErasures):
    """Destroy what somebody else proposed, for good; its entry in the log stays. No token is enough."""

    serializer_class = ErasureSerializer

    @extend_schema(request=None, responses=ErasureSerializer)
    def post(self, request: Request, pk: UUID, intent: str, proposal: UUID) -> Response:
        record = self.record()
        found = self.proposal(record)
        erasure.confirm(by=request.user, proposal=found)
        found.refresh_from_db()
        return Response(told_of(found, record))


def told_of(proposal: ErasureProposal, record: PromptRecord) -> dict[str, Any]:
    return dict(ErasureSerializer(proposal, context={"part": what(record, proposal)}).data)
