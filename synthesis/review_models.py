"""Rows of the review: what was submitted each time, who looks at it, what an approval depends on, and votes."""

from __future__ import annotations

import secrets

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from audit.commitments import vote_commitment
from synthesis.states import Decision, Gate


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


def fresh_salt() -> str:
    return secrets.token_hex(32)


class Vote(models.Model):
    """One steward's decision at one gate, bound to the hash of exactly what they saw."""

    request = models.ForeignKey("synthesis.SynthesisRequest", on_delete=models.PROTECT, related_name="votes")
    gate = models.CharField(max_length=10, choices=Gate.choices)
    round = models.PositiveIntegerField()
    voter = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="votes")
    requester = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    decision = models.CharField(max_length=10, choices=Decision.choices)
    comment = models.TextField(blank=True, max_length=4000)
    content_hash = models.CharField(max_length=64)
    salt = models.CharField(max_length=64, default=fresh_salt, editable=False)
    cast_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["cast_at"]
        constraints = [
            models.UniqueConstraint(fields=["request", "gate", "round", "voter"], name="one_vote_each"),
            # The requester is copied here so that the database itself refuses a vote on one's own request.
            models.CheckConstraint(condition=~Q(voter=F("requester")), name="nobody_approves_their_own"),
        ]

    def __str__(self) -> str:
        return f"{self.voter}: {self.decision} at gate {self.gate}"

    @property
    def decision_hash(self) -> str:
        """What the log holds of the decision until the gate has decided."""
        return vote_commitment(self.salt, self.decision)
