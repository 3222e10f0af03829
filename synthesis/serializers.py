"""What the API tells of requests, runs and packages, and what it takes in. The services judge what is taken in."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from privacy import selectors as privacy
from synthesis import probe_words, selectors
from synthesis.models import CallFinding, Endpoint, KillSwitch, SuggestedRule, SynthesisRequest, Vote
from synthesis.states import Decision, Gate, Proposer, RequestState
from synthesis.transitions import allowed_actions

SESSION_ONLY = frozenset({"vote_measure", "vote_egress", "vote_output", "condition", "decide_rule", "resume"})
"""Steps that say yes for others: taken by somebody who is signed in, never by a token."""
SIGNED_IN_ALONE = "A signed-in person decides on this, never a token."


class ActionSerializer(serializers.Serializer):
    """A step of the workflow's table out of the present state, and whether whoever asks may take it now."""

    name = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]  # a field of this name
    allowed = serializers.BooleanField()
    denial = serializers.CharField(help_text="Why not, in words; empty where it is allowed")
    session_only = serializers.BooleanField(help_text="Whether no token is enough for it")


def actions_of(request: SynthesisRequest, user: Any, *, by_token: bool) -> list[dict[str, Any]]:
    """The table's answer for this person; a token is refused what a signed-in person alone decides."""
    return [
        {
            "name": one.name,
            "label": one.label,
            "allowed": one.allowed and not (by_token and one.name in SESSION_ONLY),
            "denial": SIGNED_IN_ALONE if one.allowed and by_token and one.name in SESSION_ONLY else one.denial,
            "session_only": one.name in SESSION_ONLY,
        }
        for one in allowed_actions(request, user)
    ]


class VoteSerializer(serializers.ModelSerializer):
    gate = serializers.ChoiceField(Gate.choices)
    decision = serializers.ChoiceField(Decision.choices)
    voter = serializers.CharField(source="voter.username")

    class Meta:
        model = Vote
        fields = ("gate", "round", "voter", "decision", "comment", "content_hash", "cast_at")
        read_only_fields = fields


class RequestLineSerializer(serializers.ModelSerializer):
    state = serializers.ChoiceField(RequestState.choices)
    requester = serializers.CharField(source="requester.username")
    dataset_title = serializers.CharField(source="dataset.title")
    dataset = serializers.UUIDField(source="dataset_id")

    class Meta:
        model = SynthesisRequest
        fields = (
            "id",
            "reference",
            "title",
            "state",
            "dataset",
            "dataset_title",
            "requester",
            "created_at",
            "changed_at",
        )
        read_only_fields = fields


class RequestSerializer(RequestLineSerializer):
    """One request as its page shows it: votes of an open gate are shown to nobody."""

    proposer = serializers.ChoiceField(Proposer.choices)
    whose_move = serializers.SerializerMethodField()
    my_move = serializers.SerializerMethodField()
    allowed_actions = serializers.SerializerMethodField()
    votes = serializers.SerializerMethodField(help_text="Of gates that have decided")
    note = serializers.SerializerMethodField()

    class Meta:
        model = SynthesisRequest
        fields = (
            *RequestLineSerializer.Meta.fields, "purpose", "context", "targets", "rows", "epsilon", "delta", "rho",
            "proposer", "endpoint", "takeover", "what_if", "structuring", "about", "round", "content_hash", "version",
            "renewals", "whose_move", "my_move", "allowed_actions", "votes", "note",
        )  # fmt: skip
        read_only_fields = fields

    def get_whose_move(self, request: SynthesisRequest) -> str:
        return selectors.whose_move(request)

    def get_my_move(self, request: SynthesisRequest) -> bool:
        return selectors.is_my_move(request, self.context["request"].user)

    @extend_schema_field(ActionSerializer(many=True))
    def get_allowed_actions(self, request: SynthesisRequest) -> list[dict[str, Any]]:
        http = self.context["request"]
        return actions_of(request, http.user, by_token=http.auth is not None)

    @extend_schema_field(VoteSerializer(many=True))
    def get_votes(self, request: SynthesisRequest) -> Any:
        return VoteSerializer(selectors.votes_shown(request), many=True).data

    def get_note(self, request: SynthesisRequest) -> str:
        return selectors.note_for(request, self.context["request"].user)


class ForWhom(serializers.PrimaryKeyRelatedField):
    """A dataset among those that whoever asks may see: another one does not exist for them."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(pk_field=serializers.UUIDField(), **kwargs)

    def get_queryset(self) -> Any:
        return privacy.datasets_for(self.context["request"].user)


class EditSerializer(serializers.Serializer):
    """A wish for a synthetic table. Purpose and context are mandatory: reviewers cannot decide without them."""

    title = serializers.CharField(max_length=200)
    purpose = serializers.CharField(max_length=4000)
    context = serializers.CharField(max_length=4000)  # type: ignore[assignment]  # a field of this name
    targets = serializers.ListField(
        child=serializers.CharField(max_length=200), required=False, max_length=200, help_text="Columns of interest"
    )
    rows = serializers.IntegerField(min_value=1, max_value=2**31 - 1, help_text="How many synthetic rows to make")
    epsilon = serializers.DecimalField(8, 4, min_value=Decimal("0.0001"))
    delta = serializers.DecimalField(None, None, min_value=Decimal("1e-12"), max_value=Decimal(1))
    proposer = serializers.ChoiceField(Proposer.choices, default=Proposer.EMBEDDED)
    endpoint = serializers.PrimaryKeyRelatedField(
        queryset=Endpoint.objects.filter(enabled=True), required=False, allow_null=True, default=None
    )
    takeover = serializers.BooleanField(required=False)
    what_if = serializers.CharField(max_length=200, required=False, allow_blank=True)
    structuring = serializers.BooleanField(required=False)
    about = serializers.CharField(max_length=1000, required=False, allow_blank=True)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs.get("proposer", Proposer.OPENAI) != Proposer.OPENAI:
            attrs["endpoint"] = None
        return attrs


class CreateSerializer(EditSerializer):
    dataset = ForWhom()


class TakenSerializer(serializers.Serializer):
    """What a step asks to be told: ``comment`` to return a request; ``reason`` to stop, revoke, recall, or renew."""

    comment = serializers.CharField(max_length=4000, required=False, allow_blank=True)
    reason = serializers.CharField(max_length=4000, required=False, allow_blank=True)


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


class FileSerializer(serializers.Serializer):
    name = serializers.CharField()
    sha256 = serializers.CharField()
    bytes = serializers.IntegerField(required=False)
    about = serializers.CharField()


class ReceiptSerializer(serializers.Serializer):
    file_name = serializers.CharField()
    file_hash = serializers.CharField()
    licence_version = serializers.CharField()
    at = serializers.DateTimeField()


class PackageSerializer(serializers.Serializer):
    """What was granted to whoever asks: terms, files and receipts."""

    request = serializers.UUIDField()
    expires_at = serializers.DateTimeField()
    accepted = serializers.BooleanField(help_text="Whether the terms in force were accepted")
    licence_version = serializers.CharField()
    licence = serializers.CharField()
    files = FileSerializer(many=True)
    receipts = ReceiptSerializer(many=True)


class LicenceSerializer(serializers.Serializer):
    version = serializers.CharField(max_length=20, help_text="The version of the terms that were read")


class LinkWishSerializer(serializers.Serializer):
    file = serializers.CharField(max_length=100)


class LinkSerializer(serializers.Serializer):
    url = serializers.CharField(help_text="Works once, for whoever made it, for ten minutes")
    sha256 = serializers.CharField()


class PriceWishSerializer(serializers.Serializer):
    epsilon = serializers.DecimalField(8, 4)
    delta = serializers.DecimalField(None, None)
    dataset = ForWhom(required=False, allow_null=True, default=None)


class PriceSerializer(serializers.Serializer):
    epsilon = serializers.CharField()
    delta = serializers.CharField()
    rho = serializers.CharField()


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
