"""What a language model said of a table's columns before anything was measured, and the rules it suggested."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q


class Inference(models.Model):
    """The outcome of one structure inference. The row is made when the call begins, and closed once."""

    run = models.OneToOneField("synthesis.Run", on_delete=models.PROTECT, related_name="inference")
    hints = models.JSONField(default=list, help_text="Columns said to be dependent: pairs and a few triples, by name")
    content_hash = models.CharField(max_length=64, blank=True, help_text="SHA-256 of the hints, as in the log")
    rejected = models.JSONField(default=list, help_text="Why parts of the answer were not taken, with how often")
    problem = models.CharField(max_length=200, blank=True, help_text="Why there is no usable answer")
    begun_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"structure of {self.run_id}"


class SuggestedRule(models.Model):
    """A hard rule that a model suggested, in the words of the declaration; it binds nothing until it is accepted."""

    class Decision(models.TextChoices):
        ACCEPT = "accept", "Accept"
        REJECT = "reject", "Reject"

    request = models.ForeignKey("synthesis.SynthesisRequest", on_delete=models.PROTECT, related_name="suggested_rules")
    number = models.PositiveSmallIntegerField()
    rule = models.TextField(max_length=8000)
    reason = models.CharField(max_length=300, blank=True)
    columns = models.JSONField()
    decision = models.CharField(max_length=10, choices=Decision.choices, blank=True)
    comment = models.TextField(max_length=4000, blank=True)
    requester = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    decided_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["number"]
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["request", "number"], name="suggested_rules_in_order"),
            models.CheckConstraint(condition=~Q(decided_by=F("requester")), name="nobody_accepts_for_themselves"),
            models.CheckConstraint(
                condition=Q(decision="", decided_by=None, decided_at=None)
                | ~Q(decision="") & Q(decided_by__isnull=False, decided_at__isnull=False),
                name="a_decision_has_its_person_and_time",
            ),
        ]

    def __str__(self) -> str:
        return f"suggested rule {self.number} of {self.request_id}"
