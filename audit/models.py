"""What is stored: the log and its bodies in the `log` database; outbox and prompts beside the state."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.db import models


class LogEntry(models.Model):
    """One leaf. ``leaf`` holds the exact bytes; the columns beside it repeat them for searching."""

    in_log: ClassVar[bool] = True
    index = models.BigIntegerField(primary_key=True)
    leaf = models.BinaryField()
    leaf_hash = models.BinaryField(max_length=32)
    event_id = models.CharField(max_length=80, unique=True)
    action = models.CharField(max_length=80, db_index=True)
    by = models.CharField(max_length=200, db_index=True)
    subject = models.CharField(max_length=200, db_index=True)
    at = models.DateTimeField(db_index=True)

    class Meta:
        ordering = ("index",)
        indexes = [  # so that the newest of a common action, or by a busy person, are found without sorting all of them
            models.Index(fields=("action", "index"), name="audit_newest_of_action"),
            models.Index(fields=("by", "index"), name="audit_newest_by"),
        ]

    def __str__(self) -> str:
        return f"{self.index} {self.action}"


class LogHead(models.Model):
    """The one row every append locks: the log's size and the subtree roots needed to go on."""

    in_log: ClassVar[bool] = True
    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    size = models.BigIntegerField(default=0)
    frontier = models.BinaryField(default=bytes)

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="audit_one_loghead")]

    def __str__(self) -> str:
        return f"log of {self.size} entries"


class Body(models.Model):
    """A prompt, an answer or a segment map, encrypted; the log holds only a salted hash of it."""

    in_log: ClassVar[bool] = True
    id = models.CharField(max_length=32, primary_key=True)
    kind = models.CharField(max_length=16)
    key_id = models.CharField(max_length=16)
    nonce = models.BinaryField(max_length=12)
    salt = models.BinaryField(max_length=32)
    cipher = models.BinaryField()
    erased = models.BooleanField(default=False)

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"


class ErasureProposal(models.Model):
    """One person's wish to destroy bodies, and the second person who agreed, or whoever withdrew it.

    What became of it is in the log; ``done_at`` is when it was carried out or withdrawn.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    bodies = models.JSONField(help_text="Ids of the bodies, which are destroyed together")
    reason = models.CharField(max_length=500)
    proposed_by = models.CharField(max_length=200)
    proposed_at = models.DateTimeField(auto_now_add=True)
    confirmed_by = models.CharField(max_length=200, blank=True)
    withdrawn_by = models.CharField(max_length=200, blank=True)
    done_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("proposed_at",)
        default_permissions = ()
        constraints = [
            models.CheckConstraint(
                condition=~models.Q(confirmed_by=models.F("proposed_by")), name="audit_two_people_erase"
            ),
            models.CheckConstraint(
                condition=models.Q(confirmed_by="") | models.Q(withdrawn_by=""), name="audit_erased_or_withdrawn"
            ),
        ]

    def __str__(self) -> str:
        return f"erasure of {len(self.bodies)} bodies, proposed by {self.proposed_by}"


class Checkpoint(models.Model):
    """A signed note over the log at one size; copies lie outside the database, in the anchor folder."""

    in_log: ClassVar[bool] = True
    size = models.BigIntegerField(primary_key=True)
    note = models.BinaryField()
    at = models.DateTimeField()

    class Meta:
        ordering = ("size",)

    def __str__(self) -> str:
        return f"checkpoint at {self.size}"


class Outbox(models.Model):
    """An event written in the transaction of the change it tells of, on its way into the log."""

    event_id = models.CharField(max_length=80, unique=True)
    action = models.CharField(max_length=80)
    by = models.CharField(max_length=200)
    subject = models.CharField(max_length=200)
    facts = models.BinaryField()
    index = models.BigIntegerField(null=True, db_index=True)

    class Meta:
        ordering = ("id",)

    def __str__(self) -> str:
        return f"{self.action} {self.subject}"


class PromptRecord(models.Model):
    """One physical attempt to send one prompt, and how far it got. Bodies and proof are in the log."""

    class State(models.TextChoices):
        PREPARED = "prepared", "prepared"  # not yet in the log, so it can never be sent
        INTENT = "intent", "recorded"
        SENDING = "sending", "sending"
        ANSWERED = "answered", "answered"
        FAILED = "failed", "failed"
        LAPSED = "lapsed", "never sent"
        IN_DOUBT = "in_doubt", "in doubt"

    intent_id = models.CharField(max_length=32, unique=True)
    run = models.CharField(max_length=120, db_index=True)
    sequence = models.PositiveIntegerField()
    attempt = models.PositiveIntegerField()
    endpoint = models.CharField(max_length=200)
    by = models.CharField(max_length=200)
    state = models.CharField(max_length=16, choices=State, default=State.PREPARED, db_index=True)
    body_id = models.CharField(max_length=32)
    map_id = models.CharField(max_length=32)
    answer_id = models.CharField(max_length=32, blank=True)
    error = models.CharField(max_length=200, blank=True)
    usage = models.JSONField(default=dict)
    token = models.CharField(max_length=32, blank=True)
    deadline = models.DateTimeField()
    intent_index = models.BigIntegerField(null=True)
    closed_index = models.BigIntegerField(null=True)

    class Meta:
        ordering = ("run", "sequence", "attempt")
        constraints = [
            models.UniqueConstraint(fields=("run", "sequence", "attempt"), name="audit_one_intent_per_attempt")
        ]

    def __str__(self) -> str:
        return f"{self.run} prompt {self.sequence}.{self.attempt}"


class PromptFigures(models.Model):
    """What one recorded prompt holds, in numbers, kept so that a statement over many opens no body.

    The bytes of each kind of text as they were sent; ``total`` is the whole request, so that what is left are
    the model's name, parameters, the answer's schema and the syntax around them.
    """

    record = models.OneToOneField(PromptRecord, on_delete=models.CASCADE, primary_key=True, related_name="figures")
    at = models.DateTimeField(db_index=True, help_text="Of the intent's entry in the log")
    readable = models.BooleanField(default=True, help_text="False where the body was gone before it was counted")
    total = models.PositiveIntegerField(default=0)
    template = models.PositiveIntegerField(default=0)
    declared = models.PositiveIntegerField(default=0)
    dpvalue = models.PositiveIntegerField(default=0)
    synthetic = models.PositiveIntegerField(default=0)
    freetext = models.PositiveIntegerField(default=0)
    values = models.JSONField(default=dict, help_text="The distinct released cells in it, by measurement")
    answer = models.PositiveIntegerField(null=True, help_text="Bytes that came back")

    def __str__(self) -> str:
        return f"figures of {self.record_id}"


class LogCheck(models.Model):
    """One check of the whole log, asked for by a person and carried out at once or by a worker."""

    class Verdict(models.TextChoices):
        NONE = "", "not finished"
        HOLDS = "holds", "holds"
        BROKEN = "broken", "broken"
        UNUSABLE = "unusable", "could not be made"

    by = models.CharField(max_length=200)
    asked_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True, db_index=True)
    verdict = models.CharField(max_length=16, choices=Verdict, blank=True)
    size = models.BigIntegerField(null=True, help_text="How many entries were checked")
    root = models.CharField(max_length=64, blank=True)
    counts = models.JSONField(default=dict)
    findings = models.JSONField(default=list, help_text="The first of what did not hold: check, place, message")
    found = models.PositiveIntegerField(default=0, help_text="How much did not hold")

    class Meta:
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"check {self.pk}: {self.verdict or 'open'}"
