"""Rehearsals: a request's measurement plan tried on rows invented from its declaration, before anyone decides."""

from __future__ import annotations

import uuid

from django.db import models


class Simulation(models.Model):
    """One rehearsal of what one submitted snapshot asks for. No real row is read, and nothing is charged."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    request = models.ForeignKey("synthesis.SynthesisRequest", on_delete=models.PROTECT, related_name="simulations")
    content_hash = models.CharField(max_length=64, help_text="SHA-256 of the snapshot whose plan was tried")
    asked_by = models.CharField(max_length=200)
    asked_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    problem = models.CharField(max_length=200, blank=True, help_text="Why there is no result, or not all of it")
    found = models.JSONField(default=list, help_text="A forecast for each epsilon that was tried, smallest first")

    class Meta:
        ordering = ["-asked_at"]
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["request", "content_hash"], name="one_simulation_a_snapshot")]

    def __str__(self) -> str:
        return f"simulation of {self.request_id}"
