"""What the API tells of raises of caps, drafts of declarations and audiences, and what it takes in."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from privacy import drafts
from privacy.models import CapRaise, DeclarationDraft, SourceCheck
from privacy.views.caps import why_not


class RaiseWishSerializer(serializers.Serializer):
    rho = serializers.DecimalField(15, 12, help_text="The whole new cap, not a step")
    reason = serializers.CharField(max_length=4000)


class RaiseSerializer(serializers.ModelSerializer):
    population = serializers.CharField(source="population.name")
    proposed_by = serializers.CharField(source="proposed_by.username")
    confirmed_by = serializers.CharField(source="confirmed_by.username", allow_null=True, default=None)
    ended_by = serializers.CharField(source="ended_by.username", allow_null=True, default=None)
    in_force = serializers.SerializerMethodField()
    withdrawn = serializers.BooleanField(help_text="Ended by whoever proposed it, not by a second owner")
    denial = serializers.SerializerMethodField(help_text="Why whoever asks may not confirm it; empty where they may")

    class Meta:
        model = CapRaise
        fields = (
            "id",
            "population",
            "rho",
            "delta",
            "reason",
            "proposed_by",
            "confirmed_by",
            "in_force",
            "proposed_at",
            "ended_by",
            "ended_at",
            "ended_because",
            "withdrawn",
            "denial",
        )
        read_only_fields = fields

    def get_in_force(self, proposal: CapRaise) -> bool:
        return proposal.entry_id is not None

    def get_denial(self, proposal: CapRaise) -> str:
        return why_not(proposal, self.context["request"].user)


class LackSerializer(serializers.Serializer):
    """What still keeps a draft from being a declaration; a column, or none where it is about the whole."""

    column = serializers.CharField()
    rule = serializers.CharField()


class DraftLineSerializer(serializers.ModelSerializer):
    title = serializers.CharField(source="__str__")

    class Meta:
        model = DeclarationDraft
        fields = ("id", "title", "edition", "changed_at")
        read_only_fields = fields


class DraftSerializer(DraftLineSerializer):
    """One's own draft as it stands: the answers so far, what was assumed, and what is lacking."""

    declaration = serializers.DictField()
    assumed = serializers.SerializerMethodField()
    lacking = serializers.SerializerMethodField()

    class Meta:
        model = DeclarationDraft
        fields = (*DraftLineSerializer.Meta.fields, "declaration", "assumed", "lacking")
        read_only_fields = fields

    @extend_schema_field(LackSerializer(many=True))
    def get_assumed(self, draft: DeclarationDraft) -> list[dict[str, str]]:
        return [{"column": column, "rule": rule} for column, rule in draft.notes]

    @extend_schema_field(LackSerializer(many=True))
    def get_lacking(self, draft: DeclarationDraft) -> list[dict[str, str]]:
        return [{"column": one.column, "rule": one.rule} for one in drafts.problems(draft)]


class OrganisationNameSerializer(serializers.Serializer):
    id = serializers.IntegerField(source="pk")
    name = serializers.CharField()


class AudienceSerializer(serializers.Serializer):
    """Researchers of these organisations may ask for the dataset; of none named, every researcher."""

    limited_to = OrganisationNameSerializer(many=True)
    known = OrganisationNameSerializer(many=True)


class AudienceWishSerializer(serializers.Serializer):
    organisations = serializers.ListField(child=serializers.IntegerField(), max_length=1000)


class LookSerializer(serializers.ModelSerializer):
    """How far the measuring worker has come with a table that stays in its engine."""

    problems: Any = serializers.ListField(child=serializers.DictField(), help_text="By column and rule; never a value")

    class Meta:
        model = SourceCheck
        fields = ("state", "problems", "asked_at", "finished_at")
        read_only_fields = fields


class HappenedSerializer(serializers.Serializer):
    """One entry of the log about a dataset, in words."""

    index = serializers.IntegerField(source="leaf.index")
    at = serializers.DateTimeField()
    action = serializers.CharField(source="leaf.action")
    by = serializers.CharField(source="leaf.by")
    words = serializers.CharField()
    more = serializers.CharField()


class HistorySerializer(serializers.Serializer):
    results = HappenedSerializer(many=True)
    older = serializers.IntegerField(allow_null=True)
    newer = serializers.IntegerField(allow_null=True)
