"""Who took what, who still may, and who holds which role."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

from audit import entries
from audit.actors import actor
from audit.leaves import time_of
from audit.models import LogEntry
from llmsynthor_site.desk.forms import AccessFilter
from llmsynthor_site.models import RoleGrant, User
from llmsynthor_site.roles import BY_NAME, conflict
from synthesis.models import DownloadGrant, Receipt

OF_REQUEST = "package__run__request"


def receipts(form: AccessFilter) -> QuerySet[Receipt]:
    """Downloads that fit."""
    asked, moments = form.asked, form.moments()
    found = Receipt.objects.select_related("user", f"grant__{OF_REQUEST}__dataset").defer(*_heavy("grant__"))
    return found.filter(**_set({
        "user__username": asked.get("person"), f"grant__{OF_REQUEST}__dataset": asked.get("dataset"),
        "at__gte": moments["since"], "at__lte": moments["until"],
    }))  # fmt: skip


def open_grants(form: AccessFilter) -> QuerySet[DownloadGrant]:
    """Grants that still open a download: neither expired nor revoked."""
    asked = form.asked
    found = DownloadGrant.objects.filter(revoked_at=None, expires_at__gt=timezone.now())
    found = found.select_related("user", f"{OF_REQUEST}__dataset").defer(*_heavy(""))
    return found.filter(**_set({
        "user__username": asked.get("person"), f"{OF_REQUEST}__dataset": asked.get("dataset"),
    }))  # fmt: skip


def _heavy(before: str) -> list[str]:
    """Long columns that no line of a list shows."""
    return [f"{before}{name}" for name in ("package__manifest", "package__run__report", f"{OF_REQUEST}__snapshot")]


def _set(lookups: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in lookups.items() if value}


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with an account: roles with who gave them and when, the last sign-in and the last entry in the log."""

    user: User
    roles: tuple[RoleGrant, ...]
    entry: int | None
    at: datetime | None

    @property
    def clash(self) -> str:
        """Two roles of theirs that nobody may hold together, if there are such."""
        pair = conflict({grant.role for grant in self.roles})
        return " and ".join(sorted(BY_NAME[name].display_name for name in pair)) if pair else ""


def people(username: str = "") -> QuerySet[User]:
    found = User.objects.order_by("username")
    return found.filter(username=username) if username else found


def with_activity(users: list[User]) -> list[Person]:
    """These people with their roles and the newest entry each of them left; three queries for all of them."""
    newest = entries.newest_by([actor(user) for user in users])
    found = LogEntry.objects.filter(index__in=newest.values())
    times = {entry.index: time_of(entries.leaf_of(entry).time) for entry in found}
    grants: dict[int, list[RoleGrant]] = {}
    held = RoleGrant.objects.filter(user__in=users, ended_at=None).select_related("granted_by")
    for grant in held.order_by("granted_at"):
        grants.setdefault(grant.user_id, []).append(grant)
    return [
        Person(user, tuple(grants.get(user.pk, ())), newest.get(actor(user)), times.get(newest.get(actor(user), -1)))
        for user in users
    ]
