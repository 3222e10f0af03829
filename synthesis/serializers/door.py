"""What the API tells of endpoints, switches and findings, and what it takes in."""

from __future__ import annotations

from rest_framework import serializers

from synthesis import probe_words
from synthesis.models import CallFinding, Endpoint, KillSwitch


class EndpointSerializer(serializers.ModelSerializer):
    probed = serializers.SerializerMethodField(help_text="What the newest probe found, in words")

    class Meta:
        model = Endpoint
        fields = (
            "id", "name", "base_url", "model", "is_local", "enabled", "prompt_price", "completion_price", "money_cap",
            "probed",
        )  # fmt: skip
        read_only_fields = fields

    def get_probed(self, endpoint: Endpoint) -> str:
        probe = endpoint.probed
        return probe_words.in_short(probe.found) if probe else "not probed yet"


class SwitchSerializer(serializers.ModelSerializer):
    """``target`` is named where whoever asks may know its name."""

    name = serializers.CharField()
    denial = serializers.CharField(help_text="Why whoever asks may not lift it; empty where they may")

    class Meta:
        model = KillSwitch
        fields = (
            "id",
            "target",
            "name",
            "reason",
            "set_by",
            "set_at",
            "lifted_by",
            "lifted_at",
            "lift_reason",
            "denial",
        )
        read_only_fields = fields


class SwitchWishSerializer(serializers.Serializer):
    target = serializers.CharField(max_length=60, help_text="all, dataset:ID or request:ID")
    reason = serializers.CharField(max_length=500)


class ReasonGivenSerializer(serializers.Serializer):
    reason = serializers.CharField(max_length=500, help_text="Kept in the log, word for word")


class FindingSerializer(serializers.ModelSerializer):
    class Meta:
        model = CallFinding
        fields = "__all__"
