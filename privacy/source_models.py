"""The row that says how far a table that stays in its engine has come: asked for, accepted as a version, or refused."""

from __future__ import annotations

from django.db import models
from django.utils import timezone


class SourceCheck(models.Model):
    """One look of the measuring worker at a dataset's table; asking again makes the same row wait again."""

    class State(models.TextChoices):
        WAITING = "WAITING", "waiting for the measuring worker"
        ACCEPTED = "ACCEPTED", "accepted"
        REFUSED = "REFUSED", "refused"

    dataset = models.OneToOneField("privacy.Dataset", on_delete=models.PROTECT, related_name="source_check")
    state = models.CharField(max_length=20, choices=State.choices, default=State.WAITING)
    problems = models.JSONField(default=list, help_text="By column and rule, for the owner alone; never a value")
    asked_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.state} table of {self.dataset_id}"
