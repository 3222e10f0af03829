"""Organisations, and who belongs to which from when to when: datasets may be limited to some of them."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.urls import reverse


class Organisation(models.Model):
    """A house, department or group that people belong to. It gives nobody a role."""

    name = models.CharField(max_length=200)
    key = models.CharField(max_length=200, unique=True, help_text="The name, folded: nobody is another by spelling")
    added_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    added_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]
        default_permissions = ()

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("organisation", args=[self.pk])


class Membership(models.Model):
    """One person in one organisation from a moment on; kept when it ends."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships")
    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="memberships")
    since = models.DateTimeField(auto_now_add=True)
    granted_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    ended_at = models.DateTimeField(null=True, blank=True)
    ended_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", null=True, blank=True
    )

    class Meta:
        ordering = ["organisation__name"]
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["user", "organisation"], condition=Q(ended_at=None), name="one_membership_each"
            ),
            models.CheckConstraint(
                condition=Q(ended_by=None, ended_at=None) | Q(ended_by__isnull=False, ended_at__isnull=False),
                name="membership_ended_by_whom_and_when",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user} in {self.organisation}"
