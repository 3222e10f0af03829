"""What the API tells of people, and what is asked about them."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from llmsynthor_site.models import Membership, Organisation, PeopleChange, User
from llmsynthor_site.roles import ROLES, roles_of

NAMES = [(role.name, role.display_name) for role in ROLES]


class PersonSerializer(serializers.ModelSerializer):
    roles = serializers.SerializerMethodField()

    class Meta:
        model = User
        fields = ("id", "username", "first_name", "last_name", "email", "is_active", "roles", "suspended_until")
        read_only_fields = fields

    def get_roles(self, person: User) -> list[str]:
        return [role.name for role in roles_of(person)]


class InviteSerializer(serializers.ModelSerializer):
    email = serializers.EmailField()

    class Meta:
        model = User
        fields = ("username", "first_name", "last_name", "email")


class ChangeWishSerializer(serializers.Serializer):
    kind = serializers.ChoiceField(PeopleChange.Kind.choices)
    role = serializers.ChoiceField(NAMES, required=False, default="", allow_blank=True)
    organisation = serializers.PrimaryKeyRelatedField(
        queryset=Organisation.objects.all(), required=False, allow_null=True, default=None
    )
    reason = serializers.CharField(max_length=500)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if (attrs["kind"] == PeopleChange.Kind.GRANT) != bool(attrs["role"]):
            raise serializers.ValidationError({"role": "A role is named for a grant, and for nothing else."})
        if (attrs["kind"] == PeopleChange.Kind.JOIN) != (attrs["organisation"] is not None):
            rule = "An organisation is named for a membership, and for nothing else."
            raise serializers.ValidationError({"organisation": rule})
        return attrs


class WhySerializer(serializers.Serializer):
    reason = serializers.CharField(max_length=500, help_text="Kept in the log, word for word")


class ChangeSerializer(serializers.ModelSerializer):
    user = serializers.CharField(source="user.username")
    kind = serializers.ChoiceField(PeopleChange.Kind.choices)
    proposed_by = serializers.CharField(source="proposed_by.username")
    decided_by = serializers.CharField(source="decided_by.username", allow_null=True, default=None)

    class Meta:
        model = PeopleChange
        fields = (
            "id",
            "kind",
            "user",
            "role",
            "organisation",
            "reason",
            "proposed_by",
            "proposed_at",
            "outcome",
            "decided_by",
            "decided_at",
        )
        read_only_fields = fields


class ConfirmedSerializer(ChangeSerializer):
    address = serializers.CharField(help_text="Where a new password is chosen, once; empty where none was asked for")

    class Meta:
        model = ChangeSerializer.Meta.model
        fields = (*ChangeSerializer.Meta.fields, "address")
        read_only_fields = fields


class OrganisationSerializer(serializers.ModelSerializer):
    inside = serializers.IntegerField(help_text="People in it")

    class Meta:
        model = Organisation
        fields = ("id", "name", "added_at", "inside")
        read_only_fields = fields


class OrganisationWishSerializer(serializers.Serializer):
    name = serializers.CharField(max_length=200, help_text="It is not changed later")


class MembershipSerializer(serializers.ModelSerializer):
    """Somebody in an organisation, from when to when."""

    user = serializers.CharField(source="user.username")
    granted_by = serializers.CharField(source="granted_by.username")

    class Meta:
        model = Membership
        fields = ("user", "organisation", "since", "granted_by", "ended_at")
        read_only_fields = fields
