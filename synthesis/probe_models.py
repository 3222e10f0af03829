"""What is known of an endpoint: every look at it that somebody asked for."""

from __future__ import annotations

import uuid

from django.db import models


class Probe(models.Model):
    """One look at what an endpoint does: asked for by a person, made through the door, kept with what it found.

    Address and model are those it was asked for, whatever becomes of the endpoint. People are named as in the log.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    endpoint = models.ForeignKey("synthesis.Endpoint", on_delete=models.PROTECT, related_name="probes")
    address = models.URLField()
    model = models.CharField(max_length=200)
    asked_by = models.CharField(max_length=200)
    asked_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    problem = models.CharField(max_length=200, blank=True, help_text="Why it found out nothing, or not everything")
    found = models.JSONField(default=dict)

    class Meta:
        ordering = ["-asked_at"]
        default_permissions = ()

    def __str__(self) -> str:
        return f"probe {self.pk} of {self.endpoint_id}"
