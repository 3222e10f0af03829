"""A table that waits to be compared with the rows it came from, before it is packed."""

from __future__ import annotations

from django.db import models


class HandedOver(models.Model):
    """What a run made, on its way through the measuring worker to its package."""

    run = models.OneToOneField("synthesis.Run", on_delete=models.PROTECT, related_name="handed_over")
    package = models.UUIDField(help_text="The package that the table's files are part of")
    sha256 = models.CharField(max_length=64, help_text="Of the file with its distinct records")
    distinct = models.PositiveIntegerField(help_text="How many distinct records it holds")
    told = models.JSONField(default=dict, help_text="What the package says of a what-if")
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"table of {self.run_id}"
