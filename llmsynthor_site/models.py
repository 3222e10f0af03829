"""People, the roles they hold, what two of them decide together about a third, and what each is told."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_backends
from django.contrib.auth.models import AbstractUser
from django.db import models
from django.db.models import F, Q
from django.urls import reverse
from django.utils import timezone
from django.utils.crypto import salted_hmac

from llmsynthor_site.api_models import ApiToken, Delivery, StoredAnswer, Webhook
from llmsynthor_site.beat_models import Beat
from llmsynthor_site.organisation_models import Membership, Organisation
from llmsynthor_site.roles import ROLES, permissions_of, roles_of

__all__ = [
    "ApiToken", "Beat", "ClaimedRole", "Delivery", "Membership", "Notice", "Organisation", "PeopleChange",
    "RoleGrant", "StoredAnswer", "User", "Webhook",
]  # fmt: skip

ROLE_CHOICES = [(role.name, role.display_name) for role in ROLES]


class User(AbstractUser):
    suspended_until = models.DateTimeField(
        null=True, blank=True, help_text="Until then this person decides nothing: others reset how they sign in"
    )

    access_number = models.PositiveIntegerField(
        default=0, help_text="Counts changes of what this person may do; sessions from before one have ended"
    )
    time_zone = models.CharField(max_length=60, blank=True, help_text="Times are shown in it; empty is the site's own")
    language = models.CharField(max_length=10, blank=True, help_text="Of pages and mail; empty: what the browser asks")

    class Meta:
        permissions = [
            ("manage_people", "Can add people, propose roles and take them away"),
            ("watch_machines", "Can see how workers, queues and the log are"),
            ("confirm_people", "Can confirm what somebody else proposed about a third person"),
        ]

    def __str__(self) -> str:
        return self.get_full_name() or self.username

    def get_absolute_url(self) -> str:
        return reverse("person", args=[self.pk])

    def has_perm(self, perm: str, obj: Any = None) -> bool:
        """Roles alone decide: Django's own rule that a superuser may do everything does not hold here."""
        return any(backend.has_perm(self, perm, obj) for backend in get_backends() if hasattr(backend, "has_perm"))

    def holds(self, permission: str) -> bool:
        """Whether a role held now allows it, suspended or not."""
        return self.is_active and permission in permissions_of(roles_of(self))

    def _get_session_auth_hash(self, secret: str | None = None) -> str:
        """Sessions end with the password they began under, and with every change of this person's access."""
        told = f"{self.password}/{self.access_number}"
        return salted_hmac("llmsynthor_site.sessions", told, secret=secret, algorithm="sha256").hexdigest()

    def end_sessions(self) -> None:
        """Every session of this person is over at its next page."""
        self.access_number += 1
        self.save(update_fields=["access_number"])

    @property
    def is_suspended(self) -> bool:
        """Whether the day after a reset of the password or the second factor is not over yet."""
        return self.suspended_until is not None and self.suspended_until > timezone.now()


class RoleGrant(models.Model):
    """One role held by one person from a moment on, and who granted it; kept when it is taken away.

    That nobody holds two roles that conflict is also a trigger of the database (migration 0003).
    """

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="role_grants")
    role = models.CharField(max_length=20, choices=ROLE_CHOICES)
    granted_at = models.DateTimeField(auto_now_add=True)
    granted_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+", null=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    ended_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+", null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "role"], condition=Q(ended_at=None), name="one_grant_per_role"),
            models.CheckConstraint(condition=Q(ended_by=None) | Q(ended_at__isnull=False), name="ended_by_and_when"),
        ]

    def __str__(self) -> str:
        return f"{self.user}: {self.role}"


class PeopleChange(models.Model):
    """A role, a new password or second factor, or an organisation: one person proposes it, another one decides."""

    class Kind(models.TextChoices):
        GRANT = "grant", "Grant a role"
        RESET = "reset", "Reset the password"
        FACTOR = "factor", "Reset the second factor"
        JOIN = "join", "Join an organisation"

    class Outcome(models.TextChoices):
        WAITING = "", "Waiting for a second person"
        CONFIRMED = "confirmed", "Confirmed"
        DECLINED = "declined", "Declined"

    kind = models.CharField(max_length=10, choices=Kind.choices)
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="changes")
    role = models.CharField(max_length=20, choices=ROLE_CHOICES, blank=True)
    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="+", null=True, blank=True)
    reason = models.CharField(max_length=500)
    proposed_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    proposed_at = models.DateTimeField(auto_now_add=True)
    outcome = models.CharField(max_length=10, choices=Outcome.choices, default=Outcome.WAITING, blank=True)
    decided_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+", null=True, blank=True)
    decided_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-pk"]
        default_permissions = ()
        constraints = [
            models.CheckConstraint(
                condition=Q(kind="grant", organisation=None) & ~Q(role="")
                | Q(kind__in=["reset", "factor"], role="", organisation=None)
                | Q(kind="join", role="", organisation__isnull=False),
                name="each_kind_names_what_it_changes",
            ),
            models.CheckConstraint(
                condition=Q(outcome="", decided_by=None, decided_at=None)
                | ~Q(outcome="") & Q(decided_by__isnull=False, decided_at__isnull=False),
                name="decided_by_whom_and_when",
            ),
            models.CheckConstraint(
                condition=~Q(outcome="confirmed") | ~Q(decided_by=F("proposed_by")), name="a_second_person_confirms"
            ),
            models.CheckConstraint(
                condition=~Q(proposed_by=F("user")) & ~Q(outcome="confirmed", decided_by=F("user")),
                name="nobody_changes_their_own_access",
            ),
            models.UniqueConstraint(
                fields=["user", "kind", "role"],
                condition=Q(outcome="") & ~Q(kind="join"),
                name="proposed_once_at_a_time",
            ),
            models.UniqueConstraint(
                fields=["user", "organisation"], condition=Q(outcome="", kind="join"), name="joins_once_at_a_time"
            ),
        ]

    def __str__(self) -> str:
        of = self.get_role_display() if self.role else self.organisation
        what = f"{self.get_kind_display()}: {of}" if of else self.get_kind_display()
        return f"{what}, {self.user}"

    def get_absolute_url(self) -> str:
        return reverse("people-change", args=[self.pk])


class ClaimedRole(models.Model):
    """A role that a sign-in provider's groups suggest for somebody; it gives nothing until two people grant it."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="claimed_roles")
    provider = models.CharField(max_length=200)
    role = models.CharField(max_length=20, choices=ROLE_CHOICES)
    group = models.CharField(max_length=200)
    seen_at = models.DateTimeField(auto_now=True)

    class Meta:
        default_permissions = ()
        ordering = ["provider", "role"]
        constraints = [
            models.UniqueConstraint(fields=["user", "provider", "role"], name="suggested_once_by_each_provider")
        ]

    def __str__(self) -> str:
        return f"{self.user}: {self.role} ({self.provider})"


class Notice(models.Model):
    """Something one person is told: in the site, and by mail where the site has a mail server."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="notices")
    text = models.CharField(max_length=200)
    url = models.CharField(max_length=200)
    key = models.CharField(max_length=100, help_text="What it tells of: nobody is told the same thing twice")
    created_at = models.DateTimeField(auto_now_add=True)
    read_at = models.DateTimeField(null=True, blank=True)
    mailed_at = models.DateTimeField(null=True, blank=True)
    tries = models.PositiveSmallIntegerField(default=0, help_text="How often mailing it was tried")

    class Meta:
        default_permissions = ()
        indexes = [
            models.Index(fields=["user", "-id"], name="notices_newest_first"),
            models.Index(fields=["user"], condition=Q(read_at=None), name="notices_unread"),
            models.Index(fields=["key"], name="notices_by_key"),
            models.Index(fields=["id"], condition=Q(mailed_at=None), name="notices_to_mail"),
        ]
        constraints = [models.UniqueConstraint(fields=["user", "key"], name="told_once")]

    def __str__(self) -> str:
        return self.text
