"""What the API tells of figures: reusable statistics, comparisons, checks, rehearsals."""

from __future__ import annotations

from rest_framework import serializers

from synthesis.models import Simulation, SynthesisRequest
from synthesis.states import Disclosure


class ReleaseSerializer(serializers.ModelSerializer):
    """Finished statistics of a dataset's newest version, and what they cost then."""

    id = serializers.UUIDField(source="release_id", help_text="A new request names it as reused_id")
    finished_at = serializers.DateTimeField(source="measured_at")

    class Meta:
        model = SynthesisRequest
        fields = ("id", "finished_at", "epsilon", "delta", "rho")
        read_only_fields = fields


class ComparedSerializer(serializers.Serializer):
    """One line of a comparison; which of these it has depends on what is shown."""

    column = serializers.CharField(required=False, help_text="Of columns")
    columns = serializers.ListField(child=serializers.CharField(), required=False, help_text="Of pairs and tables")
    cells = serializers.IntegerField(required=False)
    sigma = serializers.FloatField(required=False, help_text="Of the noise in each cell")
    sampling = serializers.FloatField(required=False, help_text="Of the synthetic table's own rows, as sigma")
    sampling_share = serializers.FloatField(required=False, help_text="Of the variance that noise and sampling explain")
    residual_over_sigma = serializers.FloatField(required=False, help_text="How far off, in units of the noise")
    band_over_sigma = serializers.FloatField(required=False, help_text="As far as noise and sampling may take it")
    residual = serializers.FloatField(
        required=False, allow_null=True, help_text="Of pairs: the worst table that holds both; none was measured: null"
    )
    standing = serializers.CharField(
        required=False, allow_null=True, help_text="Met within noise, within noise and sampling, or beyond"
    )
    tvd_vs_noised = serializers.FloatField(required=False)
    band = serializers.FloatField(required=False, allow_null=True)
    values = serializers.ListField(child=serializers.DictField(), required=False)
    others = serializers.DictField(required=False, allow_null=True)
    rare = serializers.ListField(required=False)
    rare_values = serializers.IntegerField(required=False)


class DisclosureSerializer(serializers.Serializer):
    mode = serializers.ChoiceField(Disclosure.choices)
    radius = serializers.IntegerField(allow_null=True, help_text="In how many columns a neighbour may differ")
    rho = serializers.CharField(allow_null=True, help_text="What a charged check cost")
    counts = serializers.ListField(child=serializers.DictField(), help_text="Noised, each with its error bar")
    exact = serializers.ListField(
        child=serializers.DictField(), help_text="Without noise; empty for whoever may not see them, and for tokens"
    )


class RehearsalSerializer(serializers.ModelSerializer):
    found = serializers.ListField(child=serializers.DictField(), help_text="A forecast for each epsilon")

    class Meta:
        model = Simulation
        fields = ("id", "content_hash", "asked_by", "asked_at", "started_at", "finished_at", "problem", "found")
        read_only_fields = fields
