"""Requests, votes, runs and packages.

Datasets and releases belong to the privacy room: they are referred to by string, and read through
``privacy.selectors`` alone.
"""

from __future__ import annotations

import uuid
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from synthesis.disclosure_models import HandedOver
from synthesis.door_models import CallFinding, CallReservation, KillSwitch
from synthesis.download_models import DownloadGrant, DownloadLink, Receipt
from synthesis.endpoint_models import Endpoint, Probe, Provider
from synthesis.review_models import Claim, Condition, Submission, Vote
from synthesis.shard_models import Shard
from synthesis.simulation_models import Simulation
from synthesis.states import EMBEDDED, Disclosure, JobKind, Proposer, RequestState, Use, UseBy
from synthesis.structure_models import Inference, SuggestedRule

__all__ = [
    "CallFinding", "CallReservation", "Claim", "Condition", "DownloadGrant", "DownloadLink", "EgressManifest",
    "Endpoint", "HandedOver", "Inference", "Job", "KillSwitch", "Package", "Probe", "Provider", "Receipt", "Reference",
    "Run", "RunEvent", "Shard", "Simulation", "Submission", "SuggestedRule", "SynthesisRequest", "Vote",
]  # fmt: skip


class Reference(models.Model):
    """What was learned from a table that a dataset's owner declared public: a mixture, and the file's hash.

    Rows are never changed: a new table is a new row, and a request keeps the one it was made with.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    dataset = models.ForeignKey("privacy.Dataset", on_delete=models.PROTECT, related_name="references")
    rows = models.PositiveIntegerField(help_text="Public rows in the file")
    file_sha256 = models.CharField(max_length=64)
    plan = models.JSONField(help_text="The components: weights, and chances by column")
    content_hash = models.CharField(max_length=64, help_text="SHA-256 of the components")
    declared_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    declared_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-declared_at"]
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.rows:,} public rows of {self.declared_at:%Y-%m-%d}"


class SynthesisRequest(models.Model):
    """One person's wish for a synthetic table, from draft to download."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    dataset = models.ForeignKey("privacy.Dataset", on_delete=models.PROTECT, related_name="requests")
    requester = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="requests")
    title = models.CharField(max_length=200)
    purpose = models.TextField(max_length=4000, help_text="What the synthetic table will be used for")
    context = models.TextField(
        max_length=4000, help_text="Who will use it, where it will be kept, what will be published"
    )
    targets = models.JSONField(
        default=list, blank=True, help_text="Columns of interest: each is measured with every other column"
    )
    rows = models.PositiveIntegerField(help_text="How many synthetic rows to make")
    epsilon = models.DecimalField(max_digits=8, decimal_places=4)
    delta = models.DecimalField(max_digits=15, decimal_places=15)
    rho = models.DecimalField(max_digits=15, decimal_places=12, help_text="The privacy loss asked for, in zCDP")
    proposer = models.CharField(max_length=20, choices=Proposer.choices, default=Proposer.EMBEDDED)
    endpoint = models.ForeignKey(Endpoint, on_delete=models.PROTECT, null=True, blank=True)
    takeover = models.BooleanField(
        default=True,
        help_text="Where the language model gives no usable answer, the embedded proposer answers in its place",
    )
    what_if = models.CharField(
        max_length=200, blank=True, default="",
        help_text="A sentence that the language model is told, for a second table under its assumption",
    )  # fmt: skip
    structuring = models.BooleanField(
        default=False,
        help_text="Before anything is measured, the language model is asked which columns belong together",
    )
    about = models.TextField(
        max_length=1000, blank=True, help_text="What the language model is told about the table in words, then"
    )
    public_reference = models.ForeignKey(
        Reference, on_delete=models.PROTECT, null=True, blank=True, related_name="requests"
    )
    disclosure = models.CharField(
        max_length=10, choices=Disclosure.choices, default=Disclosure.NONE,
        help_text="How the table is compared with the rows it came from, before gate C",
    )  # fmt: skip
    use = models.CharField(
        max_length=10, choices=Use.choices, blank=True, default="", help_text="What kind of use it is"
    )
    use_by = models.CharField(max_length=10, choices=UseBy.choices, blank=True, default="", help_text="Whose use it is")
    held_back = models.BooleanField(
        default=False, help_text="Some tables are measured and kept from the loop, to judge the fit by"
    )
    seed = models.PositiveBigIntegerField(help_text="Seed of the synthesis, fixed before anything is measured")
    state = models.CharField(max_length=20, choices=RequestState.choices, default=RequestState.DRAFT)
    snapshot = models.JSONField(default=dict, blank=True, help_text="What was submitted, frozen")
    content_hash = models.CharField(max_length=64, blank=True, help_text="SHA-256 of the snapshot, which votes bind to")
    round = models.PositiveIntegerField(default=0, help_text="How often it was submitted; votes count for one round")
    version = models.PositiveIntegerField(default=0, help_text="Counts every change of state")
    release = models.ForeignKey(
        "privacy.ReleaseRecord", on_delete=models.PROTECT, null=True, blank=True, related_name="requests"
    )
    reused = models.ForeignKey(
        "privacy.ReleaseRecord", on_delete=models.PROTECT, null=True, blank=True, related_name="reusing",
        help_text="Statistics that were let out before, to be used again at no charge",
    )  # fmt: skip
    waiver = models.ForeignKey(
        "privacy.StewardWaiver", on_delete=models.PROTECT, null=True, blank=True, related_name="requests",
        help_text="The owner's waiver of the second steward, if it stood when this was submitted",
    )  # fmt: skip
    note = models.TextField(blank=True, help_text="The last comment on it, shown to the requester")
    renewals = models.PositiveIntegerField(default=0, help_text="How often a renewal was asked for")
    since = models.DateTimeField(default=timezone.now, help_text="When it came to the state it is in")
    reminded_at = models.DateTimeField(null=True, blank=True, help_text="When those it waits for were last reminded")
    created_at = models.DateTimeField(auto_now_add=True)
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["-created_at"]
        permissions = [
            ("make_request", "Can ask for a synthetic table"),
            ("review_request", "Can vote at the gates"),
            ("stop_run", "Can end a run for good"),
            ("view_request", "Can read any request"),
            ("view_prompts", "Can read prompts and answers"),
            ("download_package", "Can download what was granted"),
            ("manage_endpoints", "Can edit the list of endpoints"),
        ]
        default_permissions = ()
        indexes = [
            models.Index(fields=["-created_at"], name="requests_newest_first"),
            models.Index(fields=["requester", "-created_at"], name="requests_of_a_person"),
            models.Index(fields=["state", "-created_at"], name="requests_by_state"),
            models.Index(fields=["state", "since"], name="requests_by_age"),
            models.Index(fields=["dataset", "-created_at"], name="requests_of_a_dataset"),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(rows__gt=0), name="rows_positive"),
            models.CheckConstraint(condition=Q(epsilon__gt=0, delta__gt=0, rho__gt=0), name="privacy_loss_positive"),
            models.CheckConstraint(
                condition=~Q(proposer="openai") | Q(endpoint__isnull=False), name="llm_needs_endpoint"
            ),
            models.CheckConstraint(
                condition=~Q(proposer="public") | Q(public_reference__isnull=False), name="public_needs_reference"
            ),
            models.CheckConstraint(condition=Q(what_if="") | Q(proposer="openai"), name="what_if_needs_llm"),
        ]

    def __str__(self) -> str:
        return self.title

    def get_absolute_url(self) -> str:
        return reverse("request-detail", args=[self.pk])

    @property
    def release_key(self) -> uuid.UUID:
        """The release it was measured into; asked only of requests that were measured."""
        if self.release_id is None:
            raise ValueError("this request was not measured")
        return self.release_id

    @property
    def approved_to_leave(self) -> dict[str, Any]:
        """What may be told to the proposer: gate B's manifest, and before it gate A's question about the columns."""
        approved = self.manifest.body if hasattr(self, "manifest") else self.snapshot["structure"]
        return dict(approved)

    @property
    def provider(self) -> Provider:
        """Who answers, as it is set now; what was approved stands in the snapshot and in the manifest."""
        if self.endpoint is None or self.proposer != Proposer.OPENAI:
            return Provider(EMBEDDED, EMBEDDED, "", local=True)
        return Provider(self.endpoint.name, self.endpoint.model, self.endpoint.base_url, local=self.endpoint.is_local)

    @property
    def one_steward(self) -> bool:
        """Whether one steward decides: the owner waived the second before it was submitted, and still does."""
        return self.waiver is not None and self.waiver.stands

    @property
    def reference(self) -> str:
        """A short handle people can say on the telephone."""
        return str(self.pk)[:8]


class EgressManifest(models.Model):
    """The envelope a run may send within: templates, released statistics, declared facts, endpoint, caps."""

    request = models.OneToOneField(SynthesisRequest, on_delete=models.PROTECT, related_name="manifest")
    body = models.JSONField()
    content_hash = models.CharField(max_length=64)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"egress manifest of {self.request_id}"


class Job(models.Model):
    """Work a worker must do. This row is the queue: a lost message or a killed worker loses nothing."""

    request = models.ForeignKey(SynthesisRequest, on_delete=models.PROTECT, related_name="jobs")
    kind = models.CharField(max_length=20, choices=JobKind.choices)
    created_at = models.DateTimeField(auto_now_add=True)
    leased_until = models.DateTimeField(null=True)
    fencing_token = models.PositiveIntegerField(
        default=0, help_text="Grows with every claim; an older holder is refused"
    )
    done_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["request", "kind"], name="one_job_of_a_kind")]

    def __str__(self) -> str:
        return f"{self.kind} of {self.request_id}"


class Run(models.Model):
    """One synthesis of one request; it begins with the question about its columns, where one is asked."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    request = models.OneToOneField(SynthesisRequest, on_delete=models.PROTECT, related_name="run")
    settings = models.JSONField(
        default=dict, help_text="Settings of the loop; with the release, the answers and the seed they fix the output"
    )
    environment = models.JSONField(
        default=dict, help_text="Code, libraries, processor and threads of its latest start, as in the log"
    )
    started_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True)
    report = models.JSONField(default=dict, help_text="Quality against the noised statistics")

    def __str__(self) -> str:
        return f"run {self.pk}"

    def tell(self, kind: str, data: dict[str, Any]) -> None:
        RunEvent.objects.create(run=self, sequence=self.events.count() + 1, kind=kind, data=data)


class RunEvent(models.Model):
    """One step of a run, for the live page and the report. Derived from released statistics alone."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="events")
    sequence = models.PositiveIntegerField()
    kind = models.CharField(max_length=20)
    data = models.JSONField()
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["sequence"]
        constraints = [models.UniqueConstraint(fields=["run", "sequence"], name="run_events_in_order")]

    def __str__(self) -> str:
        return f"{self.kind} {self.sequence}"


class Package(models.Model):
    """The files of one run, as they leave: a name, a SHA-256 and a size each."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    run = models.OneToOneField(Run, on_delete=models.PROTECT, related_name="package")
    manifest = models.JSONField()
    content_hash = models.CharField(max_length=64, help_text="SHA-256 of manifest.json, which gate C binds to")
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"package {self.pk}"
