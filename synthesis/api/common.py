"""What endpoints about one request have in common."""

from __future__ import annotations

import hashlib
from typing import Any
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.shortcuts import get_object_or_404
from rest_framework import exceptions, status
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from synthesis import selectors
from synthesis.models import SynthesisRequest
from synthesis.serializers.requests import SESSION_ONLY, SIGNED_IN_ALONE, RequestSerializer


class Stale(exceptions.APIException):
    status_code = status.HTTP_412_PRECONDITION_FAILED
    default_detail = "It has changed since you read it. Read it again, and send the ETag of what you read."


class Unconditional(exceptions.APIException):
    status_code = status.HTTP_428_PRECONDITION_REQUIRED
    default_detail = "Send If-Match with the ETag of what you read, so that nobody's change is lost."


def etag_of(request: SynthesisRequest) -> str:
    """Changes with every edit and every step."""
    told = f"{request.pk}:{request.version}:{request.changed_at.isoformat()}"
    return f'"{hashlib.sha256(told.encode()).hexdigest()[:32]}"'


def check_match(http: Request, request: SynthesisRequest, *, needed: bool = False) -> None:
    """412 where the caller read an older state; 428 where one is needed and none was sent."""
    sent = http.headers.get("If-Match")
    if sent is None:
        if needed:
            raise Unconditional
        return
    if sent.strip() != "*" and etag_of(request) not in [one.strip() for one in sent.split(",")]:
        raise Stale


class OfRequest(GenericAPIView):
    """One request, if whoever asks may know that it exists."""

    queryset: Any = SynthesisRequest.objects.none()
    serializer_class: Any = RequestSerializer

    def found(self, pk: UUID) -> SynthesisRequest:
        seen = selectors.visible_to(self.request.user).select_related("manifest", "run__package", "claim__steward")
        return get_object_or_404(seen, pk=pk)

    def reviewed(self, pk: UUID) -> SynthesisRequest:
        """For people who read other people's requests: stewards, owners, auditors."""
        if not self.request.user.has_perm("synthesis.view_request"):
            raise PermissionDenied("The gates are for the people who review requests.")
        return self.found(pk)

    def told(self, request: SynthesisRequest, status: int = 200) -> Response:
        """The request as it is now, with its ETag."""
        fresh = self.found(request.pk)
        body = RequestSerializer(fresh, context=self.get_serializer_context()).data
        return Response(body, status=status, headers={"ETag": etag_of(fresh)})


def refuse_token(http: Request, action: str) -> None:
    """PermissionDenied where a program asks for what a signed-in person alone decides."""
    if http.auth is not None and action in SESSION_ONLY:
        raise PermissionDenied(SIGNED_IN_ALONE)
