"""Rows around the door: who stopped it, what calls may still cost, and what did not add up afterwards."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q


class KillSwitch(models.Model):
    """A stop of everything that would leave: for all, for one dataset or for one request, until it is lifted.

    People are named as the log names them: 'user:stella', or 'console' for whoever holds the machine.
    """

    target = models.CharField(max_length=60, help_text="'all', 'dataset:ID' or 'request:ID'")
    reason = models.CharField(max_length=500)
    set_by = models.CharField(max_length=200)
    set_at = models.DateTimeField(auto_now_add=True)
    lifted_by = models.CharField(max_length=200, blank=True)
    lifted_at = models.DateTimeField(null=True)
    lift_reason = models.CharField(max_length=500, blank=True)

    class Meta:
        ordering = ["-set_at", "-pk"]
        default_permissions = ()
        permissions = [
            ("stop_egress", "Can set a kill switch"),
            ("lift_stop", "Can lift a kill switch that somebody else set"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["target"], condition=Q(lifted_at=None), name="one_standing_switch_each"),
            models.CheckConstraint(condition=~Q(lifted_by=F("set_by")) | Q(set_by="console"), name="another_lifts"),
        ]

    def __str__(self) -> str:
        return f"kill switch {self.pk} for {self.target}"


class CallReservation(models.Model):
    """The most one physical attempt can cost, set aside before its intent is recorded.

    What it did cost is read from the prompt's outcome; without an outcome the whole reservation counts.
    """

    run = models.ForeignKey("synthesis.Run", on_delete=models.PROTECT, related_name="reservations")
    sequence = models.PositiveIntegerField()
    attempt = models.PositiveIntegerField()
    prompt_tokens = models.PositiveBigIntegerField()
    completion_tokens = models.PositiveBigIntegerField()
    seconds = models.PositiveIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "sequence", "attempt"], name="one_reservation_each")]

    def __str__(self) -> str:
        return f"call {self.sequence}.{self.attempt} of {self.run_id}"


class CallFinding(models.Model):
    """The door's count, the log and the provider's figures disagree. A person closes it and says why."""

    kind = models.CharField(max_length=40)
    subject = models.CharField(max_length=200, help_text="'intent:ID' or 'endpoint:NAME'")
    detail = models.CharField(max_length=500)
    opened_at = models.DateTimeField(auto_now_add=True)
    closed_by = models.CharField(max_length=200, blank=True)
    closed_at = models.DateTimeField(null=True)
    close_reason = models.CharField(max_length=500, blank=True)

    class Meta:
        ordering = ["-opened_at", "-pk"]
        default_permissions = ()
        permissions = [("close_finding", "Can close a finding about calls, with a reason")]
        constraints = [models.UniqueConstraint(fields=["kind", "subject", "detail"], name="one_finding_of_a_kind")]

    def __str__(self) -> str:
        return f"{self.kind}: {self.subject}"
