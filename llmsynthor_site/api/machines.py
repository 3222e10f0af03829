"""How the machines are, for administrators' own programs: what the page of the portal tells, and nothing more."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from llmsynthor_site import health
from llmsynthor_site.health_views import WATCH


class WorkerSerializer(serializers.Serializer):
    name = serializers.CharField()
    queues = serializers.CharField()
    lives = serializers.BooleanField(help_text="Heard of within two minutes")


class QueueSerializer(serializers.Serializer):
    kind = serializers.CharField(source="label")
    waiting = serializers.IntegerField()
    working = serializers.IntegerField()
    stale = serializers.IntegerField(help_text="Whose worker's lease is over")


class PartStandingSerializer(serializers.Serializer):
    name = serializers.CharField()
    well = serializers.BooleanField(allow_null=True, help_text="None where it cannot be told")
    words = serializers.CharField()


class MachinesSerializer(serializers.Serializer):
    """Workers, queues, timed tasks, door, log, witnesses; no value, title or person, and nothing that times a stage."""

    workers = WorkerSerializer(many=True)
    unserved = serializers.ListField(child=serializers.CharField(), help_text="Queues that no living worker serves")
    queues = QueueSerializer(many=True)
    tasks = PartStandingSerializer(many=True)
    parts = PartStandingSerializer(many=True)
    switches = serializers.IntegerField(help_text="Kill switches that stand")


class Machines(GenericAPIView):
    """How the machines are now."""

    serializer_class = MachinesSerializer

    @extend_schema(responses=MachinesSerializer)
    def get(self, request: Request) -> Response:
        if not request.user.has_perm(WATCH):
            raise PermissionDenied("How the machines are is for administrators.")
        return Response(MachinesSerializer(told()).data, headers={"Cache-Control": "no-store"})


def told() -> dict[str, Any]:
    found = health.standing()
    heard = [{"name": one.name, "queues": one.queues, "lives": lives} for one, lives in found["workers"]]
    return found | {"workers": heard}
