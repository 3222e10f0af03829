"""The shards of a large table while it is being made: a queue of rows, like that of jobs."""

from __future__ import annotations

from django.db import models


class Shard(models.Model):
    """Consecutive rows of one run's table, for whichever worker draws them first. Gone once the table is written."""

    run = models.ForeignKey("synthesis.Run", on_delete=models.CASCADE, related_name="shards")
    batch = models.UUIDField(help_text="Which start of the run it belongs to; also where its files lie")
    number = models.PositiveIntegerField(help_text="From 0, in the order of the table's rows")
    fit_sha256 = models.CharField(max_length=64, help_text="Of the finished fit that it is drawn from")
    leased_until = models.DateTimeField(null=True)
    fencing_token = models.PositiveIntegerField(
        default=0, help_text="Grows with every claim; an older holder is refused"
    )
    done_at = models.DateTimeField(null=True)
    sha256 = models.CharField(max_length=64, blank=True, help_text="Of the part's file, once it is drawn")

    class Meta:
        ordering = ["run", "number"]
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["run", "number"], name="one_shard_of_a_number")]

    def __str__(self) -> str:
        return f"shard {self.number} of run {self.run_id}"
