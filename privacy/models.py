"""Populations, what was declared about them, what was charged and what was released.

No model knows where raw rows lie, or holds one: the vault finds them by a version's id alone.
"""

from __future__ import annotations

import datetime
import uuid
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from privacy.draft_models import DeclarationDraft
from privacy.permissions import LABELS
from privacy.source_models import SourceCheck
from privacy.waiver_models import StewardWaiver

__all__ = [
    "CapRaise", "Dataset", "DatasetVersion", "DeclarationDraft", "LedgerEntry", "MeasurementRecord", "Population",
    "ReleaseRecord", "SourceCheck", "StewardWaiver",
]  # fmt: skip

RHO: dict[str, Any] = {"max_digits": 15, "decimal_places": 12}  # 15 digits survive SQLite's binary numbers
DELTA: dict[str, Any] = {"max_digits": 15, "decimal_places": 15}


def site_today() -> datetime.date:
    """The day by which last days are counted: the site's, whatever time zone somebody reads its pages in."""
    return timezone.localdate(timezone=timezone.get_default_timezone())


class Population(models.Model):
    """The people in the data. Its cap bounds the privacy loss of every dataset about them, for ever."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=200)
    key = models.CharField(max_length=200, unique=True, help_text="The name, folded, so that spelling refills nothing")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="populations")
    delta = models.DecimalField(**DELTA, help_text="The delta at which epsilon is shown")
    curve = models.JSONField(default=list, help_text="All that was spent as epsilon at several deltas, by OpenDP")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        default_permissions = ()
        constraints = [
            models.CheckConstraint(condition=Q(delta__gt=0, delta__lt=1), name="delta_between_0_and_1"),
        ]

    def __str__(self) -> str:
        return self.name


class Dataset(models.Model):
    """A declared table. The declaration is kept word for word and never changes."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    title = models.CharField(max_length=200)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="datasets")
    population = models.ForeignKey(Population, on_delete=models.PROTECT, related_name="datasets")
    declaration = models.TextField()
    declaration_hash = models.CharField(max_length=64, help_text="SHA-256 of the declaration")
    created_at = models.DateTimeField(auto_now_add=True)
    limited_to = models.ManyToManyField(
        "llmsynthor_site.Organisation", blank=True, related_name="datasets",
        help_text="Researchers of these alone may ask for it; none: every researcher",
    )  # fmt: skip

    class Meta:
        ordering = ["title", "created_at"]
        default_permissions = ()
        permissions = LABELS

    def __str__(self) -> str:
        return self.title

    def get_absolute_url(self) -> str:
        return reverse("dataset-detail", args=[self.pk])


class DatasetVersion(models.Model):
    """One accepted file, coded, bounded and sealed. Its size and name are never shown to researchers."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    dataset = models.ForeignKey(Dataset, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    file_name = models.CharField(max_length=200)
    size_bytes = models.PositiveBigIntegerField()
    rows_read = models.PositiveBigIntegerField()
    rows_kept = models.PositiveBigIntegerField(help_text="After bounding what one privacy unit contributes")
    tables = models.JSONField(default=list, help_text="Of related tables: name, rows read, rows kept")
    fingerprint = models.CharField(max_length=64, db_index=True, help_text="Keyed, so that it tells nobody the content")
    uploaded_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    uploaded_at = models.DateTimeField(auto_now_add=True)
    source = models.JSONField(
        default=dict, help_text="Of data that stay in an engine: its name and kind, the table, a hash of its form"
    )
    keep_until = models.DateField(null=True, help_text="The last day on which it may be measured")
    destroyed_at = models.DateTimeField(null=True, help_text="When its key was destroyed; nothing opens it since")

    closed: int | None = None
    """Rows of a journey that did not start where the one before ended: told to who hands it in, and no column."""

    class Meta:
        ordering = ["number"]
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["dataset", "number"], name="version_numbers_differ"),
            models.CheckConstraint(condition=Q(rows_kept__lte=models.F("rows_read")), name="kept_rows_were_read"),
        ]

    def __str__(self) -> str:
        return f"version {self.number} of {self.dataset}"

    @property
    def measurable(self) -> bool:
        """Whether its rows may still be read: it is not destroyed, and its last day is not over."""
        return self.destroyed_at is None and (self.keep_until is None or self.keep_until >= site_today())


class LedgerEntry(models.Model):
    """One line of the privacy ledger. Never changed or deleted: triggers in the database refuse it."""

    class Kind(models.TextChoices):
        CAP_SET = "CAP_SET", "cap set"
        CAP_RAISE = "CAP_RAISE", "cap raised"
        RESERVE = "RESERVE", "reserved"
        COMMIT = "COMMIT", "spent"
        RELEASE_RESERVE = "RELEASE_RESERVE", "reservation returned"
        FORFEIT = "FORFEIT", "rest forfeited"

    population = models.ForeignKey(Population, on_delete=models.PROTECT, related_name="entries")
    dataset = models.ForeignKey(Dataset, on_delete=models.PROTECT, related_name="entries", null=True)
    kind = models.CharField(max_length=20, choices=Kind.choices)
    rho = models.DecimalField(**RHO)
    delta = models.DecimalField(**DELTA, default=0)
    reservation = models.ForeignKey("self", on_delete=models.PROTECT, related_name="charges", null=True)
    request = models.CharField(max_length=100, blank=True, help_text="On whose behalf, as the requesting room names it")
    key = models.CharField(max_length=150, unique=True, help_text="Makes a repeated call find the first one's entry")
    facts = models.JSONField(default=dict, help_text="Mechanism, tables, sensitivity, noise scale, unit, library")
    by = models.CharField(max_length=200)
    at = models.DateTimeField(default=timezone.now, help_text="Of a charge: when its reservation was made")

    class Meta:
        ordering = ["id"]
        default_permissions = ()
        constraints = [
            models.CheckConstraint(condition=Q(rho__gte=0, delta__gte=0), name="charges_are_not_negative"),
            models.CheckConstraint(
                condition=Q(kind__in=["CAP_SET", "CAP_RAISE", "RESERVE"], reservation__isnull=True)
                | Q(kind__in=["COMMIT", "RELEASE_RESERVE", "FORFEIT"], reservation__isnull=False),
                name="charges_draw_on_a_reservation",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.rho}"

    @staticmethod
    def reservation_key(request: str, purpose: str = "") -> str:
        """The key of a request's reservation: of its release, or of what else it sets privacy loss aside for."""
        return f"reserve:{request}:{purpose}" if purpose else f"reserve:{request}"


class CapRaise(models.Model):
    """A higher cap, proposed by one data owner. It counts only once another data owner has confirmed it.

    Whoever proposed it may withdraw it until then, and any other data owner may decline it: it has ended then.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    population = models.ForeignKey(Population, on_delete=models.PROTECT, related_name="raises")
    rho = models.DecimalField(**RHO, help_text="The whole new cap")
    delta = models.DecimalField(**DELTA, default=0, help_text="The whole new delta that key discovery may spend")
    reason = models.TextField(max_length=4000)
    proposed_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    confirmed_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", null=True)
    entry = models.OneToOneField(LedgerEntry, on_delete=models.PROTECT, related_name="raised_by", null=True)
    proposed_at = models.DateTimeField(auto_now_add=True)
    ended_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", null=True)
    ended_at = models.DateTimeField(null=True)
    ended_because = models.TextField(max_length=4000, blank=True)

    class Meta:
        ordering = ["proposed_at"]
        default_permissions = ()
        constraints = [
            models.CheckConstraint(
                condition=Q(confirmed_by__isnull=True) | ~Q(confirmed_by=models.F("proposed_by")),
                name="a_cap_is_raised_by_two_people",
            ),
            models.CheckConstraint(
                condition=Q(confirmed_by__isnull=True, entry__isnull=True)
                | Q(confirmed_by__isnull=False, entry__isnull=False),
                name="a_confirmed_raise_has_its_line",
            ),
            models.CheckConstraint(
                condition=Q(ended_by=None, ended_at=None)
                | Q(ended_by__isnull=False, ended_at__isnull=False, entry=None),
                name="a_raise_is_confirmed_or_ended",
            ),
        ]

    def __str__(self) -> str:
        return f"cap of {self.population} raised to {self.rho}"

    @property
    def waits(self) -> bool:
        return self.entry_id is None and self.ended_at is None

    @property
    def withdrawn(self) -> bool:
        """Whether whoever proposed it ended it, not a second owner."""
        return self.ended_by_id is not None and self.ended_by_id == self.proposed_by_id


class ReleaseRecord(models.Model):
    """One measuring of one version: asked, reserved, then measured once or failed for good."""

    class State(models.TextChoices):
        RESERVED = "RESERVED", "reserved"
        MEASURING = "MEASURING", "measuring"
        MEASURED = "MEASURED", "measured"
        FAILED = "FAILED", "failed"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    version = models.ForeignKey(DatasetVersion, on_delete=models.PROTECT, related_name="releases")
    reservation = models.OneToOneField(LedgerEntry, on_delete=models.PROTECT, related_name="release")
    key = models.CharField(max_length=100, unique=True)
    plan = models.JSONField()
    domain = models.JSONField(help_text="The declared columns in order, each with its number of codes")
    unit = models.JSONField(help_text="The privacy unit as declared")
    rho = models.DecimalField(**RHO)
    delta = models.DecimalField(**DELTA, default=0)
    state = models.CharField(max_length=20, choices=State.choices, default=State.RESERVED)
    beat_at = models.DateTimeField(null=True, help_text="When the worker that measures last showed that it lives")
    curve = models.JSONField(default=list, help_text="What it spent as epsilon at several deltas, by OpenDP")
    discovered = models.JSONField(default=dict, help_text="By column: the categories that key discovery let out")
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["created_at"]
        default_permissions = ()
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=["RESERVED", "MEASURING"], finished_at__isnull=True)
                | Q(state__in=["MEASURED", "FAILED"], finished_at__isnull=False),
                name="releases_end_once",
            ),
        ]

    def __str__(self) -> str:
        return f"release {self.pk} ({self.state})"


class CheckRecord(models.Model):
    """One comparison of a synthetic table with the rows behind its release: carried out once, or failed for good.

    It is charged to a reservation of its own, or not charged: then its counts are exact, sealed
    (privacy/exact_counts.py), and destroyed once its gate has decided.
    """

    State = ReleaseRecord.State

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    release = models.ForeignKey(ReleaseRecord, on_delete=models.PROTECT, related_name="checks")
    reservation = models.OneToOneField(LedgerEntry, on_delete=models.PROTECT, related_name="check_of", null=True)
    key = models.CharField(max_length=100, unique=True)
    table = models.CharField(max_length=64, help_text="SHA-256 of the synthetic records that were handed over")
    radius = models.PositiveSmallIntegerField(help_text="In how many columns a neighbour may differ")
    results = models.JSONField(default=list, help_text="Of a charged one: each question with its count, noise, charge")
    sealed = models.BinaryField(default=b"", help_text="Of an exact one: the same without noise, for its gate alone")
    destroyed_at = models.DateTimeField(null=True, help_text="When its exact counts ended")
    state = models.CharField(max_length=20, choices=State.choices, default=State.RESERVED)
    beat_at = models.DateTimeField(null=True, help_text="When the worker that compares last showed that it lives")
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["created_at"]
        default_permissions = ()
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=["RESERVED", "MEASURING"], finished_at__isnull=True)
                | Q(state__in=["MEASURED", "FAILED"], finished_at__isnull=False),
                name="checks_end_once",
            ),
        ]

    def __str__(self) -> str:
        return f"check {self.pk} ({self.state})"

    @property
    def exact(self) -> bool:
        """Whether its counts carry no noise, so that nobody but its gate's stewards and auditors may see them."""
        return self.reservation_id is None

    def as_facts(self) -> dict[str, object]:
        """What the log calls it by."""
        population = self.release.version.dataset.population_id
        return {
            "check": str(self.pk), "release": str(self.release_id), "population": str(population), "request": self.key
        }  # fmt: skip


class MeasurementRecord(models.Model):
    """One released table: raw noisy integers as they came out of the mechanism."""

    release = models.ForeignKey(ReleaseRecord, on_delete=models.PROTECT, related_name="measurements")
    entry = models.OneToOneField(LedgerEntry, on_delete=models.PROTECT, related_name="measurement")
    place = models.PositiveIntegerField(help_text="The order in which the release's tables were measured")
    clique = models.JSONField()
    counts = models.JSONField(help_text="Noisy whole numbers in row-major order")
    sigma = models.FloatField()
    held = models.BooleanField(default=False, help_text="Kept from the loop and from prompts, to judge the fit by")

    class Meta:
        ordering = ["release", "place"]
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["release", "place"], name="tables_in_order"),
            models.CheckConstraint(condition=Q(sigma__gt=0), name="released_tables_carry_noise"),
        ]

    def __str__(self) -> str:
        return f"measurement {self.entry_id}"
