"""What the API tells of the auditor's desk."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from llmsynthor_site.desk.access import Person
from llmsynthor_site.desk.duties import Line
from synthesis.models import Package


class LineSerializer(serializers.Serializer):
    """One line of a ledger, with the request it was for and who approved that."""

    entry = serializers.IntegerField()
    at = serializers.CharField()
    population = serializers.CharField()
    dataset = serializers.CharField(allow_null=True)
    kind = serializers.CharField()
    rho = serializers.CharField()
    delta = serializers.CharField()
    reservation = serializers.IntegerField(allow_null=True)
    request = serializers.CharField()
    by = serializers.CharField()
    facts = serializers.DictField()
    approved_by = serializers.ListField(child=serializers.CharField())


class Stepped(serializers.Serializer):
    """Some rows, newest first; ``older`` and ``newer`` go on, as ``before`` and ``after``."""

    older = serializers.IntegerField(allow_null=True)
    newer = serializers.IntegerField(allow_null=True)


class LinesSerializer(Stepped):
    results = LineSerializer(many=True)


class PopulationSerializer(serializers.Serializer):
    """The people behind some datasets, and what is left of their cap, as rho."""

    id = serializers.UUIDField(source="population.pk")
    name = serializers.CharField(source="population.name")
    owner = serializers.CharField(source="population.owner.username")
    cap = serializers.DecimalField(15, 12, source="budget.cap")
    reserved = serializers.DecimalField(15, 12, source="budget.reserved")
    spent = serializers.DecimalField(15, 12, source="budget.spent")
    left = serializers.DecimalField(15, 12, source="budget.left")


class TakenFileSerializer(serializers.Serializer):
    id = serializers.IntegerField()
    user = serializers.CharField(source="user.username")
    request = serializers.UUIDField(source="grant.package.run.request_id")
    file_name = serializers.CharField()
    file_hash = serializers.CharField()
    licence_version = serializers.CharField()
    at = serializers.DateTimeField()


class TakenFilesSerializer(Stepped):
    results = TakenFileSerializer(many=True)


class OpenGrantSerializer(serializers.Serializer):
    """Somebody who may still download."""

    id = serializers.IntegerField()
    user = serializers.CharField(source="user.username")
    request = serializers.UUIDField(source="package.run.request_id")
    title = serializers.CharField(source="package.run.request.title")
    dataset = serializers.UUIDField(source="package.run.request.dataset_id")
    issued_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()
    licence_version = serializers.CharField()
    licence_accepted_at = serializers.DateTimeField(allow_null=True)


class OpenGrantsSerializer(Stepped):
    results = OpenGrantSerializer(many=True)


class HeldRoleSerializer(serializers.Serializer):
    role = serializers.CharField()
    granted_at = serializers.DateTimeField()
    granted_by = serializers.CharField(source="granted_by.username", allow_null=True, default=None)


class ActivitySerializer(serializers.Serializer):
    """Somebody with an account: roles, the last sign-in, and the newest entry of the log that they left."""

    username = serializers.CharField(source="user.username")
    is_active = serializers.BooleanField(source="user.is_active")
    roles = HeldRoleSerializer(many=True)
    clash = serializers.SerializerMethodField(help_text="Two roles that nobody may hold together, if there are such")
    last_login = serializers.DateTimeField(source="user.last_login", allow_null=True)
    entry = serializers.IntegerField(allow_null=True)
    at = serializers.DateTimeField(allow_null=True, help_text="Of that entry")

    def get_clash(self, person: Person) -> str:
        return person.clash


class CastSerializer(serializers.Serializer):
    voter = serializers.CharField(source="vote.voter.username")
    how = serializers.CharField(help_text="Of a gate that is open: that somebody voted, and not how")
    cast_at = serializers.DateTimeField(source="vote.cast_at")


class GateVotesSerializer(serializers.Serializer):
    gate = serializers.CharField()
    votes = CastSerializer(many=True)


class DownloaderSerializer(serializers.Serializer):
    user = serializers.CharField()
    files = serializers.IntegerField()


class DutySerializer(serializers.Serializer):
    """One request and everybody who had a part in it; ``conflicts`` say in words what should not be."""

    request = serializers.UUIDField(source="request.pk")
    reference = serializers.CharField(source="request.reference")
    title = serializers.CharField(source="request.title")
    state = serializers.CharField(source="request.state")
    dataset = serializers.UUIDField(source="request.dataset_id")
    created_at = serializers.DateTimeField(source="request.created_at")
    requester = serializers.CharField(source="request.requester.username")
    owner = serializers.CharField(source="request.dataset.owner.username")
    one_steward = serializers.BooleanField(source="request.one_steward")
    gates = serializers.SerializerMethodField()
    downloaders = serializers.SerializerMethodField()
    conflicts = serializers.ListField(child=serializers.CharField())

    @extend_schema_field(GateVotesSerializer(many=True))
    def get_gates(self, line: Line) -> Any:
        return [GateVotesSerializer({"gate": gate, "votes": votes}).data for gate, votes in line.gates]

    @extend_schema_field(DownloaderSerializer(many=True))
    def get_downloaders(self, line: Line) -> list[dict[str, Any]]:
        return [{"user": person.username, "files": number} for person, number in line.downloaders]


class ConflictsSerializer(serializers.Serializer):
    """The conflicts among some thousand requests; ``older`` goes on with those before them, as ``before``."""

    results = DutySerializer(many=True)
    looked_at = serializers.IntegerField()
    older = serializers.CharField(help_text="Empty where there are none before them")


class DutiesCountSerializer(serializers.Serializer):
    requests = serializers.IntegerField()
    conflicting = serializers.IntegerField()


class DescendedSerializer(serializers.ModelSerializer):
    """A package that descends from a dataset, a model or a template."""

    request = serializers.UUIDField(source="run.request_id")
    title = serializers.CharField(source="run.request.title")
    state = serializers.CharField(source="run.request.state")
    dataset = serializers.UUIDField(source="run.request.dataset_id")
    model = serializers.SerializerMethodField(help_text="Empty where the embedded proposer made it")
    downloads = serializers.IntegerField(source="receipts")

    class Meta:
        model = Package
        fields = ("id", "content_hash", "created_at", "request", "title", "state", "dataset", "model", "downloads")
        read_only_fields = fields

    def get_model(self, package: Package) -> str:
        return str(package.run.request.manifest.body.get("model") or "")


class TemplateSerializer(serializers.Serializer):
    sha256 = serializers.CharField()
    name = serializers.CharField()


class ExposureSerializer(serializers.Serializer):
    """What an endpoint was told: calls, bytes by kind of text, distinct released values and the rho behind them."""

    scope = serializers.DictField(child=serializers.CharField())
    calls = serializers.DictField(child=serializers.IntegerField())
    bytes = serializers.DictField(child=serializers.IntegerField())
    released_values = serializers.IntegerField()
    rho = serializers.ListField(child=serializers.DictField())
    by_request = serializers.ListField(child=serializers.DictField(), help_text="Most bytes first")
    in_doubt = serializers.ListField(child=serializers.DictField(), help_text="Counted as sent")
    unreadable = serializers.IntegerField()
    uncounted = serializers.IntegerField()
    log = serializers.DictField(help_text="Its size, and the newest signed checkpoint")
