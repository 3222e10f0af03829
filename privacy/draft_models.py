"""A declaration while its owner still writes it: kept as it stands, whether or not it is one already."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models


class DeclarationDraft(models.Model):
    """What one owner has answered so far. It holds what will be declared, and nothing of any data."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    declaration = models.JSONField(default=dict)
    notes = models.JSONField(default=list, help_text="What was assumed of a column: pairs of its name and a sentence")
    edition = models.PositiveIntegerField(default=1, help_text="Counts changes, so that an old page is noticed")
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["-changed_at"]
        default_permissions = ()

    def __str__(self) -> str:
        return str(self.declaration.get("title") or "Untitled")
