"""What the API tells of gates, votes and suggested rules, and what it takes in."""

from __future__ import annotations

from rest_framework import serializers

from synthesis.models import SuggestedRule
from synthesis.serializers.requests import VoteSerializer
from synthesis.states import Decision, Gate


class BallotSerializer(serializers.Serializer):
    decision = serializers.ChoiceField(Decision.choices)
    seen = serializers.RegexField(r"^[0-9a-f]{64}$", help_text="The hash of what the gate shows, as the gate tells it")
    comment = serializers.CharField(max_length=4000, required=False, allow_blank=True, default="")


class ConditionSerializer(serializers.Serializer):
    seen = serializers.RegexField(r"^[0-9a-f]{64}$")
    text = serializers.CharField(max_length=2000)


class MyVoteSerializer(serializers.Serializer):
    """One's own vote, for oneself alone while the gate is open."""

    decision = serializers.ChoiceField(Decision.choices)
    comment = serializers.CharField()
    cast_at = serializers.DateTimeField()


class GateSerializer(serializers.Serializer):
    """What a gate shows: the hash that a vote binds to, what it decides on, and votes once it has decided."""

    gate = serializers.ChoiceField(Gate.choices)
    open = serializers.BooleanField()
    seen = serializers.CharField(help_text="SHA-256 of exactly what is decided on; a vote carries it back")
    votes_needed = serializers.IntegerField()
    my_vote = MyVoteSerializer(allow_null=True)
    votes = VoteSerializer(many=True)
    subject = serializers.DictField(help_text="The frozen request, the egress manifest, or the quality report")


class SuggestedRuleSerializer(serializers.ModelSerializer):
    decided_by = serializers.CharField(source="decided_by.username", allow_null=True, default=None)

    class Meta:
        model = SuggestedRule
        fields = ("number", "rule", "reason", "columns", "decision", "comment", "decided_by", "decided_at")
        read_only_fields = fields


class RuleDecisionSerializer(serializers.Serializer):
    decision = serializers.ChoiceField(SuggestedRule.Decision.choices)
    comment = serializers.CharField(max_length=4000)
