"""One row per worker process and per timed task: that it lives, and nothing of what it works on."""

from __future__ import annotations

from django.db import models


class Beat(models.Model):
    class Kind(models.TextChoices):
        WORKER = "worker", "Worker"
        TASK = "task", "Timed task"

    kind = models.CharField(max_length=10, choices=Kind.choices)
    name = models.CharField(max_length=200)
    queues = models.CharField(max_length=200, blank=True, help_text="What a worker takes work from")
    started_at = models.DateTimeField(null=True, help_text="When a worker started")
    at = models.DateTimeField(help_text="When it last showed that it lives, or ended a round")

    class Meta:
        ordering = ["kind", "name"]
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["kind", "name"], name="one_row_per_worker_and_task")]

    def __str__(self) -> str:
        return self.name
