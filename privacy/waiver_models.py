"""The row of a waiver: one steward may decide where two do otherwise, because the dataset's owner signed for it."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q

from privacy.waiver_text import digest


class StewardWaiver(models.Model):
    """One-steward mode of a dataset, with the words as they were signed; kept when it has ended."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    dataset = models.ForeignKey("privacy.Dataset", on_delete=models.PROTECT, related_name="waivers")
    version = models.CharField(max_length=20, help_text="Of the words")
    text = models.TextField(help_text="The words, as they were signed")
    reason = models.CharField(max_length=500)
    signed_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    signed_at = models.DateTimeField(auto_now_add=True)
    ended_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", null=True)
    ended_at = models.DateTimeField(null=True)
    end_reason = models.CharField(max_length=500, blank=True)

    class Meta:
        ordering = ["-signed_at"]
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["dataset"], condition=Q(ended_at=None), name="one_waiver_stands"),
            models.CheckConstraint(
                condition=Q(ended_by=None, ended_at=None) | Q(ended_by__isnull=False, ended_at__isnull=False),
                name="waiver_ended_by_whom_and_when",
            ),
        ]

    def __str__(self) -> str:
        return f"waiver of {self.dataset_id}"

    @property
    def stands(self) -> bool:
        return self.ended_at is None

    @property
    def text_sha256(self) -> str:
        return digest(self.text)

    def as_json(self) -> dict[str, str]:
        """What a frozen request and a package say of it; no person is named."""
        signed = self.signed_at.isoformat(timespec="seconds")
        return {"waiver": str(self.pk), "version": self.version, "text_sha256": self.text_sha256, "signed_at": signed}
