"""What the API tells of datasets and ledgers, and what it takes in. The services judge what is taken in."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from privacy import policies, selectors
from privacy.models import Dataset, LedgerEntry, StewardWaiver


class BudgetSerializer(serializers.Serializer):
    """Privacy loss of a population, as rho."""

    cap = serializers.DecimalField(15, 12)
    reserved = serializers.DecimalField(15, 12)
    spent = serializers.DecimalField(15, 12)
    left = serializers.DecimalField(15, 12)
    delta = serializers.DecimalField(15, 15, help_text="At which epsilon is shown")
    epsilon_of_cap = serializers.SerializerMethodField()
    epsilon_left = serializers.SerializerMethodField()

    def get_epsilon_of_cap(self, budget: selectors.Budget) -> str:
        return f"{budget.epsilon(budget.cap):f}"

    def get_epsilon_left(self, budget: selectors.Budget) -> str:
        return f"{budget.epsilon(budget.left):f}"


class ColumnSerializer(serializers.Serializer):
    name = serializers.CharField()
    kind = serializers.CharField()
    title = serializers.CharField()
    description = serializers.CharField()
    labels = serializers.ListField(child=serializers.CharField())
    public = serializers.BooleanField()
    nullable = serializers.BooleanField()


class RuleSerializer(serializers.Serializer):
    rule = serializers.CharField()
    reason = serializers.CharField()
    columns = serializers.ListField(child=serializers.CharField())


class WaiverSerializer(serializers.ModelSerializer):
    signed_by = serializers.CharField(source="signed_by.username")

    class Meta:
        model = StewardWaiver
        fields = ("id", "version", "text", "text_sha256", "reason", "signed_by", "signed_at")
        read_only_fields = fields


class WaiverLineSerializer(WaiverSerializer):
    """One waiver of a dataset, the one that stands or an earlier one."""

    stands = serializers.BooleanField()
    ended_by = serializers.CharField(source="ended_by.username", allow_null=True, default=None)

    class Meta:
        model = StewardWaiver
        fields = (*WaiverSerializer.Meta.fields, "stands", "ended_by", "ended_at", "end_reason")
        read_only_fields = fields


class VersionTableSerializer(serializers.Serializer):
    """The rows of one of related tables: those of its file, and those that count."""

    name = serializers.CharField()
    read = serializers.IntegerField()
    kept = serializers.IntegerField()


class VersionSerializer(serializers.Serializer):
    """For those who see everything of a dataset; sizes are not for researchers."""

    id = serializers.UUIDField()
    number = serializers.IntegerField()
    file_name = serializers.CharField()
    size_bytes = serializers.IntegerField()
    rows_read = serializers.IntegerField()
    rows_kept = serializers.IntegerField()
    tables = VersionTableSerializer(many=True, help_text="Of related tables, each; of a single table none")
    closed = serializers.IntegerField(
        allow_null=True,
        help_text="Rows of a journey that start elsewhere than the one before ended: told once, to who hands it in",
    )
    uploaded_at = serializers.DateTimeField()
    keep_until = serializers.DateField(allow_null=True, help_text="The last day on which it may be measured")
    destroyed_at = serializers.DateTimeField(allow_null=True)


class DatasetLineSerializer(serializers.ModelSerializer):
    """One line of the catalogue: declared facts alone."""

    owner = serializers.CharField(source="owner.username")
    population = serializers.CharField(source="population.name")
    description = serializers.SerializerMethodField()
    purposes = serializers.SerializerMethodField()
    unit = serializers.SerializerMethodField()

    class Meta:
        model = Dataset
        fields = ("id", "title", "owner", "population", "description", "purposes", "unit", "created_at")
        read_only_fields = fields

    def get_description(self, dataset: Dataset) -> str:
        return selectors.schema(dataset).description

    def get_purposes(self, dataset: Dataset) -> list[str]:
        return list(selectors.schema(dataset).purposes)

    def get_unit(self, dataset: Dataset) -> str:
        return selectors.unit_in_words(dataset)


class DatasetSerializer(DatasetLineSerializer):
    """The declaration as far as its reader may know it, as on the dataset's page."""

    columns = serializers.SerializerMethodField()
    hidden_columns = serializers.SerializerMethodField()
    rules = serializers.SerializerMethodField()
    ready = serializers.SerializerMethodField()
    waiver = serializers.SerializerMethodField()
    versions = serializers.SerializerMethodField(help_text="None where sizes and file names are not for this reader")
    budget = serializers.SerializerMethodField(help_text="None for whoever may not read the ledger")

    class Meta:
        model = Dataset
        fields = (
            *DatasetLineSerializer.Meta.fields, "declaration_hash", "columns", "hidden_columns", "rules", "ready",
            "waiver", "versions", "budget",
        )  # fmt: skip
        read_only_fields = fields

    def everything(self, dataset: Dataset) -> bool:
        return policies.sees_everything_of(self.context["request"].user, dataset)

    @extend_schema_field(ColumnSerializer(many=True))
    def get_columns(self, dataset: Dataset) -> list[Any]:
        found = selectors.dictionary(dataset, public_only=not self.everything(dataset))
        return [ColumnSerializer(one).data for one in found]

    def get_hidden_columns(self, dataset: Dataset) -> int:
        return len(selectors.domain(dataset).columns) - len(self.get_columns(dataset))

    @extend_schema_field(RuleSerializer(many=True))
    def get_rules(self, dataset: Dataset) -> list[Any]:
        return selectors.rules_in_words(dataset, public_only=not self.everything(dataset))

    def get_ready(self, dataset: Dataset) -> bool:
        return selectors.is_ready(dataset)

    @extend_schema_field(WaiverSerializer(allow_null=True))
    def get_waiver(self, dataset: Dataset) -> Any:
        standing = selectors.standing_waiver(dataset)
        return WaiverSerializer(standing).data if standing else None

    @extend_schema_field(VersionSerializer(many=True, allow_null=True))
    def get_versions(self, dataset: Dataset) -> Any:
        return VersionSerializer(dataset.versions.all(), many=True).data if self.everything(dataset) else None

    @extend_schema_field(BudgetSerializer(allow_null=True))
    def get_budget(self, dataset: Dataset) -> Any:
        if not policies.may_view_ledger(self.context["request"].user, dataset.population):
            return None
        return BudgetSerializer(selectors.budget(dataset.population_id)).data


class RegisterSerializer(serializers.Serializer):
    """Both files at once, or neither is kept; the data may also follow later."""

    declaration = serializers.FileField(help_text="JSON: columns, privacy unit, population, cap, purposes")
    file = serializers.FileField(required=False, help_text="CSV in UTF-8 with the declared columns in its header")
    title = serializers.CharField(max_length=200, required=False, default="")


class UploadSerializer(serializers.Serializer):
    file = serializers.FileField(help_text="CSV in UTF-8 with the declared columns in its header")


class LedgerLineSerializer(serializers.ModelSerializer):
    kind = serializers.ChoiceField(LedgerEntry.Kind.choices)
    dataset = serializers.UUIDField(source="dataset_id", allow_null=True)
    reservation = serializers.IntegerField(source="reservation_id", allow_null=True)

    class Meta:
        model = LedgerEntry
        fields = ("id", "kind", "dataset", "rho", "delta", "reservation", "request", "facts", "at")
        read_only_fields = fields


class ReasonSerializer(serializers.Serializer):
    reason = serializers.CharField(max_length=500, help_text="Kept in the log, word for word")


class LastDaySerializer(serializers.Serializer):
    day = serializers.DateField(help_text="The last day on which it may be measured, in the site's time zone")


class SignSerializer(ReasonSerializer):
    seen = serializers.RegexField(r"^[0-9a-f]{64}$", help_text="SHA-256 of the words that were read")


class WaiverTextSerializer(serializers.Serializer):
    version = serializers.CharField()
    text = serializers.CharField()
    sha256 = serializers.CharField()


class StatisticSerializer(serializers.Serializer):
    """One charge, and the noised table it paid for: its first 400 cells, or those around ``cell``, as on its page."""

    id = serializers.IntegerField()
    dataset = serializers.UUIDField(allow_null=True)
    rho = serializers.DecimalField(15, 12)
    facts = serializers.DictField()
    unit = serializers.CharField()
    columns = serializers.ListField(child=serializers.CharField())
    cells = serializers.ListField(child=serializers.DictField(), help_text="labels and count, noise included")
    off_by = serializers.CharField(help_text="How far off each count may be, 19 times in 20")
