"""What belongs to one person alone: who they are here, notices, tokens, webhooks."""

from __future__ import annotations

from typing import Any

import django_filters
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.generics import GenericAPIView, ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from llmsynthor_site import notices, tokens, webhooks
from llmsynthor_site.api.serializers import (
    CountSerializer,
    DeliverySerializer,
    MeSerializer,
    NewTokenSerializer,
    NewWebhookSerializer,
    NoticeSerializer,
    TokenSerializer,
    TokenWishSerializer,
    WebhookSerializer,
    WebhookWishSerializer,
)
from llmsynthor_site.api_models import ApiToken, Delivery, Webhook
from llmsynthor_site.models import Notice
from llmsynthor_site.roles import roles_of

SECRET = {"Cache-Control": "no-store"}


class Me(GenericAPIView):
    """Who asks, as what, with which scopes."""

    serializer_class = MeSerializer

    @extend_schema(responses=MeSerializer)
    def get(self, request: Request) -> Response:
        user: Any = request.user
        token = request.auth if isinstance(request.auth, ApiToken) else None
        return Response(
            {
                "username": user.username,
                "name": str(user),
                "roles": [role.name for role in roles_of(user)],
                "suspended_until": user.suspended_until if user.is_suspended else None,
                "scopes": token.scopes if token else list(tokens.SCOPES),
                "token_expires_at": token.expires_at if token else None,
            }
        )


class Unread(django_filters.FilterSet):
    unread = django_filters.BooleanFilter("read_at", lookup_expr="isnull", label="Not read yet")


class NoticeList(ListAPIView):
    """What this person was told, newest first."""

    queryset = Notice.objects.none()
    serializer_class = NoticeSerializer
    filterset_class = Unread

    def get_queryset(self) -> QuerySet[Notice]:
        return notices.of(self.request.user)


class NoticesRead(GenericAPIView):
    """Mark everything there is so far as read."""

    serializer_class = CountSerializer
    write_scope = "read"  # of one's own notices

    @extend_schema(request=None, responses=CountSerializer)
    def post(self, request: Request) -> Response:
        return Response({"marked": notices.mark_read(request.user)})


class TokenList(ListAPIView):
    """One's tokens, newest first. A token makes no other token."""

    queryset = ApiToken.objects.none()
    serializer_class = TokenSerializer
    scope = "session"

    def get_queryset(self) -> QuerySet[ApiToken]:
        return ApiToken.objects.filter(user=self.request.user.pk).select_related("user")

    @extend_schema(request=TokenWishSerializer, responses={201: NewTokenSerializer})
    def post(self, request: Request) -> Response:
        given = TokenWishSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        made, secret = tokens.make(by=request.user, **given.validated_data)
        made.token = secret  # type: ignore[attr-defined]
        return Response(NewTokenSerializer(made).data, status=201, headers=SECRET)


class TokenRevoke(GenericAPIView):
    """End a token at once; any of one's tokens with the scope of reading may end another, or itself."""

    queryset = ApiToken.objects.none()
    serializer_class = TokenSerializer
    write_scope = "read"

    def get_queryset(self) -> QuerySet[ApiToken]:
        return ApiToken.objects.filter(user=self.request.user.pk).select_related("user")

    @extend_schema(request=None, responses=TokenSerializer)
    def post(self, request: Request, pk: int) -> Response:
        tokens.revoke(by=request.user, token=self.get_object())
        return Response(TokenSerializer(self.get_object()).data)


class WebhookList(ListAPIView):
    """Where this person has their notices sent."""

    queryset = Webhook.objects.none()
    serializer_class = WebhookSerializer

    def get_queryset(self) -> QuerySet[Webhook]:
        return Webhook.objects.filter(user=self.request.user.pk)

    @extend_schema(request=WebhookWishSerializer, responses={201: NewWebhookSerializer})
    def post(self, request: Request) -> Response:
        """Have notices sent to an address on the site's list. No token is enough: it would outlive the token."""
        given = WebhookWishSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        made = webhooks.add(by=request.user, **given.validated_data)
        made.secret = webhooks.secret_of(made)  # type: ignore[attr-defined]
        return Response(NewWebhookSerializer(made).data, status=201, headers=SECRET)


class WebhookEnd(GenericAPIView):
    """Send nothing there any more."""

    queryset = Webhook.objects.none()
    serializer_class = WebhookSerializer
    write_scope = "read"

    def get_queryset(self) -> QuerySet[Webhook]:
        return Webhook.objects.filter(user=self.request.user.pk)

    @extend_schema(request=None, responses=WebhookSerializer)
    def post(self, request: Request, pk: int) -> Response:
        webhooks.end(by=request.user, webhook=self.get_object())
        return Response(WebhookSerializer(self.get_object()).data)


class DeliveryList(ListAPIView):
    """What was sent to one's webhooks, and what became of it, newest first."""

    queryset = Delivery.objects.none()
    serializer_class = DeliverySerializer
    filterset_fields = ("webhook",)

    def get_queryset(self) -> QuerySet[Delivery]:
        return Delivery.objects.filter(webhook__user=self.request.user.pk).select_related("notice")
