"""What the API tells of requests, and what it takes in. The services judge what is taken in."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from privacy import selectors as privacy
from synthesis import selectors
from synthesis.models import Endpoint, SynthesisRequest, Vote
from synthesis.states import Decision, Disclosure, Gate, Proposer, RequestState, Use, UseBy
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
    disclosure = serializers.ChoiceField(Disclosure.choices)
    use = serializers.CharField()
    use_by = serializers.CharField()
    reused_id = serializers.UUIDField(allow_null=True)
    whose_move = serializers.SerializerMethodField()
    my_move = serializers.SerializerMethodField()
    allowed_actions = serializers.SerializerMethodField()
    votes = serializers.SerializerMethodField(help_text="Of gates that have decided")
    note = serializers.SerializerMethodField()

    class Meta:
        model = SynthesisRequest
        fields = (
            *RequestLineSerializer.Meta.fields, "purpose", "context", "targets", "rows", "epsilon", "delta", "rho",
            "proposer", "endpoint", "takeover", "what_if", "structuring", "about", "disclosure", "held_back", "use",
            "use_by", "reused_id", "round", "content_hash", "version",
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
    epsilon = serializers.DecimalField(
        8,
        4,
        min_value=Decimal("0.0001"),
        required=False,
        allow_null=True,
        help_text="Needed unless statistics are reused",
    )
    delta = serializers.DecimalField(
        None, None, min_value=Decimal("1e-12"), max_value=Decimal(1), required=False, allow_null=True,
        help_text="Needed unless statistics are reused",
    )  # fmt: skip
    proposer = serializers.ChoiceField(Proposer.choices, default=Proposer.EMBEDDED)
    endpoint = serializers.PrimaryKeyRelatedField(
        queryset=Endpoint.objects.filter(enabled=True), required=False, allow_null=True, default=None
    )
    takeover = serializers.BooleanField(required=False)
    what_if = serializers.CharField(max_length=200, required=False, allow_blank=True)
    structuring = serializers.BooleanField(required=False)
    about = serializers.CharField(max_length=1000, required=False, allow_blank=True)
    disclosure = serializers.ChoiceField(Disclosure.choices, required=False, help_text="The disclosure check")
    held_back = serializers.BooleanField(required=False, help_text="Hold three tables of two columns back")
    use = serializers.ChoiceField(Use.choices, required=False, allow_blank=True)
    use_by = serializers.ChoiceField(UseBy.choices, required=False, allow_blank=True)
    reused_id = serializers.UUIDField(
        required=False, allow_null=True,
        help_text="Statistics to use again, of datasets/ID/releases/: nothing is measured or charged, and epsilon and "
        "delta are what was paid then",
    )  # fmt: skip

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs.get("proposer", Proposer.OPENAI) != Proposer.OPENAI:
            attrs["endpoint"] = None
        if not attrs.get("reused_id"):
            self.check_priced(attrs)
        return attrs

    def check_priced(self, attrs: dict[str, Any]) -> None:
        """What is measured has its price: a new wish names it, and no edit takes it out."""
        missing = [name for name in ("epsilon", "delta") if attrs.get(name, None if not self.partial else 0) is None]
        if missing:
            raise serializers.ValidationError({name: "This field is required." for name in missing})


class CreateSerializer(EditSerializer):
    dataset = ForWhom()


class TakenSerializer(serializers.Serializer):
    """What a step asks to be told: ``comment`` to return a request; ``reason`` to stop, revoke, recall, or renew."""

    comment = serializers.CharField(max_length=4000, required=False, allow_blank=True)
    reason = serializers.CharField(max_length=4000, required=False, allow_blank=True)


class PriceWishSerializer(serializers.Serializer):
    epsilon = serializers.DecimalField(8, 4)
    delta = serializers.DecimalField(None, None)
    dataset = ForWhom(required=False, allow_null=True, default=None)


class PriceSerializer(serializers.Serializer):
    epsilon = serializers.CharField()
    delta = serializers.CharField()
    rho = serializers.CharField()
