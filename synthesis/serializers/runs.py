"""What the API tells of runs, prompts and their erasure."""

from __future__ import annotations

from rest_framework import serializers

from audit.models import ErasureProposal
from synthesis.states import RequestState


class StageSerializer(serializers.Serializer):
    name = serializers.CharField()
    status = serializers.CharField()


class RunSerializer(serializers.Serializer):
    """The run while it happens; while statistics are measured, only that they are."""

    state = serializers.ChoiceField(RequestState.choices)
    live = serializers.BooleanField(help_text="Whether it is worth asking again")
    stages = StageSerializer(many=True)
    iterations = serializers.ListField(child=serializers.DictField())
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)
    what_if = serializers.DictField(allow_null=True)


class PromptSerializer(serializers.Serializer):
    intent = serializers.CharField(source="intent_id")
    sequence = serializers.IntegerField()
    attempt = serializers.IntegerField()
    endpoint = serializers.CharField()
    state = serializers.CharField()


class PartSerializer(serializers.Serializer):
    text = serializers.CharField()
    type = serializers.CharField()
    facts = serializers.DictField(child=serializers.CharField())


class MessageSerializer(serializers.Serializer):
    role = serializers.CharField()
    parts = PartSerializer(many=True)


class PromptTextSerializer(serializers.Serializer):
    """A prompt as it left, each part by its kind, and what came back."""

    intent = serializers.CharField(source="record.intent_id")
    model = serializers.CharField()
    parameters = serializers.CharField()
    messages = MessageSerializer(many=True)
    answer = serializers.CharField()
    notice = serializers.CharField(help_text="Why a part cannot be shown, if one cannot")


class ErasureSerializer(serializers.ModelSerializer):
    """A steward's proposal to destroy a part of a prompt, and what became of it."""

    part = serializers.SerializerMethodField()

    class Meta:
        model = ErasureProposal
        fields = ("id", "part", "reason", "proposed_by", "proposed_at", "confirmed_by", "withdrawn_by", "done_at")
        read_only_fields = fields

    def get_part(self, proposal: ErasureProposal) -> str:
        return str(self.context["part"])


class ErasuresSerializer(serializers.Serializer):
    free = serializers.ListField(child=serializers.CharField(), help_text="Parts that can be proposed")
    waiting = ErasureSerializer(many=True)


class ErasureWishSerializer(serializers.Serializer):
    part = serializers.ChoiceField([("prompt", "The prompt"), ("answer", "The answer")])
    reason = serializers.CharField(max_length=500, help_text="Stays in the log for ever: name no person")
