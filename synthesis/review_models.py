"""Rows of the review: what was submitted each time, who is looking at it, and what an approval depends on."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone


class Submission(models.Model):
    """One round of a request as it was frozen, and the comment it came back with. Rows are never changed otherwise."""

    request = models.ForeignKey("synthesis.SynthesisRequest", on_delete=models.PROTECT, related_name="submissions")
    round = models.PositiveIntegerField()
    snapshot = models.JSONField()
    content_hash = models.CharField(max_length=64)
    submitted_at = models.DateTimeField(auto_now_add=True)
    returned_with = models.TextField(blank=True, help_text="Why it came back, in the words of whoever sent it back")

    class Meta:
        ordering = ["round"]
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["request", "round"], name="one_snapshot_a_round")]

    def __str__(self) -> str:
        return f"round {self.round} of {self.request_id}"


class Claim(models.Model):
    """A steward says that they are looking at a request. It binds nobody, and ends by itself."""

    request = models.OneToOneField("synthesis.SynthesisRequest", on_delete=models.CASCADE, related_name="claim")
    steward = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    until = models.DateTimeField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.steward} looks at {self.request_id}"

    @property
    def stands(self) -> bool:
        return self.until > timezone.now()


class Condition(models.Model):
    """An approval at gate A that counts once the requester accepts what it depends on; until then it is no vote."""

    request = models.ForeignKey("synthesis.SynthesisRequest", on_delete=models.PROTECT, related_name="conditions")
    round = models.PositiveIntegerField()
    steward = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    text = models.TextField(max_length=2000)
    content_hash = models.CharField(max_length=64, help_text="What the steward was shown")
    stated_at = models.DateTimeField(auto_now_add=True)
    accepted_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["stated_at"]
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["request", "round", "steward"], name="one_condition_each"),
            models.CheckConstraint(condition=~Q(text=""), name="a_condition_says_something"),
        ]

    def __str__(self) -> str:
        return f"condition of {self.steward} on {self.request_id}"
