"""What the API tells everybody of themselves."""

from __future__ import annotations

from rest_framework import serializers

from llmsynthor_site import tokens
from llmsynthor_site.api_models import ApiToken, Delivery, Webhook
from llmsynthor_site.models import Notice

SCOPES = list(tokens.SCOPES.items())


class MeSerializer(serializers.Serializer):
    """Who asks, what their roles are, and what the token they ask with covers."""

    username = serializers.CharField()
    name = serializers.CharField()
    roles = serializers.ListField(child=serializers.CharField())
    suspended_until = serializers.DateTimeField(allow_null=True)
    scopes = serializers.ListField(child=serializers.CharField(), help_text="Of a session: all of them")
    token_expires_at = serializers.DateTimeField(allow_null=True)


class NoticeSerializer(serializers.ModelSerializer):
    class Meta:
        model = Notice
        fields = ("id", "text", "url", "created_at", "read_at")
        read_only_fields = fields


class CountSerializer(serializers.Serializer):
    marked = serializers.IntegerField()


class TokenSerializer(serializers.ModelSerializer):
    scopes = serializers.ListField(child=serializers.ChoiceField(SCOPES))
    stands = serializers.BooleanField()

    class Meta:
        model = ApiToken
        fields = ("id", "name", "scopes", "created_at", "expires_at", "revoked_at", "last_used_at", "stands")
        read_only_fields = fields


class TokenWishSerializer(serializers.Serializer):
    name = serializers.CharField(max_length=80)
    scopes = serializers.ListField(child=serializers.ChoiceField(SCOPES), min_length=1, max_length=10)
    days = serializers.IntegerField(min_value=1, max_value=tokens.LONGEST.days)


class NewTokenSerializer(TokenSerializer):
    token = serializers.CharField(help_text="Shown this once")

    class Meta:
        model = TokenSerializer.Meta.model
        fields = (*TokenSerializer.Meta.fields, "token")
        read_only_fields = fields


class WebhookSerializer(serializers.ModelSerializer):
    class Meta:
        model = Webhook
        fields = ("id", "url", "created_at", "ended_at")
        read_only_fields = fields


class NewWebhookSerializer(WebhookSerializer):
    secret = serializers.CharField(help_text="Shown this once")

    class Meta:
        model = WebhookSerializer.Meta.model
        fields = (*WebhookSerializer.Meta.fields, "secret")
        read_only_fields = fields


class WebhookWishSerializer(serializers.Serializer):
    url = serializers.CharField(max_length=300)


class DeliverySerializer(serializers.ModelSerializer):
    text = serializers.CharField(source="notice.text")

    class Meta:
        model = Delivery
        fields = ("id", "webhook", "text", "tries", "next_try_at", "delivered_at", "outcome")
        read_only_fields = fields
