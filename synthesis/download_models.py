"""Rows of the way out: who may download a package, by which link, and what was downloaded."""

from __future__ import annotations

from django.conf import settings
from django.db import models


class DownloadGrant(models.Model):
    """The right of one person to download one package, until a day, under one version of the licence."""

    package = models.ForeignKey("synthesis.Package", on_delete=models.PROTECT, related_name="grants")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="grants")
    issued_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)
    acknowledged_at = models.DateTimeField(null=True, help_text="When this person said that they know of the recall")
    licence_version = models.CharField(max_length=20)
    licence_accepted_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["package", "user"], name="one_grant_per_person")]

    def __str__(self) -> str:
        return f"{self.user} may download {self.package_id}"


class DownloadLink(models.Model):
    """A short-lived link that works once, for one person and one file. Only its hash is kept."""

    grant = models.ForeignKey(DownloadGrant, on_delete=models.PROTECT, related_name="links")
    token_hash = models.CharField(max_length=64, unique=True)
    file_name = models.CharField(max_length=100)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"link to {self.file_name}"


class Receipt(models.Model):
    """Proof of one download: who, which bytes, under which licence, when."""

    grant = models.ForeignKey(DownloadGrant, on_delete=models.PROTECT, related_name="receipts")
    link = models.OneToOneField(DownloadLink, on_delete=models.PROTECT, related_name="receipt")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="receipts")
    file_name = models.CharField(max_length=100)
    file_hash = models.CharField(max_length=64)
    licence_version = models.CharField(max_length=20)
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-at"]

    def __str__(self) -> str:
        return f"{self.user} downloaded {self.file_name}"
