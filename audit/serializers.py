"""What the API tells of the log."""

from __future__ import annotations

from typing import Any

from django import forms
from rest_framework import serializers

from audit.models import LogCheck


def checked(form: forms.BaseForm) -> dict[str, Any]:
    """What a page's form holds, or its refusal by field, as the API tells it."""
    if not form.is_valid():
        told = {name: [str(rule) for rule in rules] for name, rules in form.errors.items()}
        raise serializers.ValidationError(told)
    return dict(form.cleaned_data)


class EntrySerializer(serializers.Serializer):
    """One entry as it was signed."""

    index = serializers.IntegerField()
    time = serializers.CharField()
    event = serializers.CharField()
    action = serializers.CharField()
    by = serializers.CharField()
    subject = serializers.CharField()
    facts = serializers.DictField()


class EntryDetailSerializer(EntrySerializer):
    leaf_hash = serializers.CharField(help_text="SHA-256 of 0x00 and ``exact``")
    exact = serializers.CharField(help_text="The bytes that were hashed, as text")


class SliceSerializer(serializers.Serializer):
    """Some entries, newest first; ``older`` and ``newer`` go on, as ``before`` and ``after``."""

    results = EntrySerializer(many=True)
    older = serializers.IntegerField(allow_null=True)
    newer = serializers.IntegerField(allow_null=True)
    size = serializers.IntegerField(help_text="Entries of the log")


class ProofSerializer(serializers.Serializer):
    """Why an entry is under the root of a signed checkpoint; ``holds`` was worked out for this answer."""

    index = serializers.IntegerField()
    size = serializers.IntegerField()
    path = serializers.ListField(child=serializers.CharField())
    note = serializers.CharField()
    holds = serializers.BooleanField()


class ExportSerializer(serializers.Serializer):
    """A part of the log as a file. The reason is written into the log, with a name, before the file is made."""

    reason = serializers.CharField(max_length=500)
    form = serializers.ChoiceField([("jsonl", "JSON lines"), ("csv", "CSV")], default="jsonl")


class CheckSerializer(serializers.ModelSerializer):
    class Meta:
        model = LogCheck
        fields = ("id", "verdict", "size", "by", "asked_at", "finished_at")
        read_only_fields = fields


class CheckDetailSerializer(CheckSerializer):
    """What was checked, how much of it did not hold, and the first of that."""

    counts = serializers.DictField(child=serializers.IntegerField())
    findings: Any = serializers.ListField(child=serializers.DictField(), help_text="check, place and message of each")

    class Meta:
        model = LogCheck
        fields = (*CheckSerializer.Meta.fields, "root", "counts", "found", "findings")
        read_only_fields = fields


class StandingSerializer(serializers.Serializer):
    size = serializers.IntegerField(help_text="Entries of the log now")
    since = serializers.IntegerField(help_text="Entries that the last check has not seen")
    whole = serializers.BooleanField(help_text="Everything that is in the log now was checked, and holds")
    last = CheckSerializer(allow_null=True)
    open = CheckSerializer(allow_null=True, help_text="A check that waits or runs")
    not_covered = serializers.ListField(child=serializers.CharField(), help_text="What no check of the log can show")
