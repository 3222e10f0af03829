"""Who belongs to which organisation: proposed and confirmed like a role, ended by one administrator at once."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied, ValidationError
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.urls import reverse
from django.utils import timezone

from audit import events
from audit.actors import actor
from llmsynthor_site import notices
from llmsynthor_site.models import Membership, Organisation, User
from llmsynthor_site.services import MANAGE


@transaction.atomic
def add_organisation(*, by: Any, name: str) -> Organisation:
    """A new organisation nobody is in yet. ValidationError where one of that name is there."""
    if not by.has_perm(MANAGE):
        raise PermissionDenied("Only administrators add organisations.")
    name = " ".join(name.split())
    if not name:
        raise ValidationError({"name": "An organisation has a name."})
    try:
        with transaction.atomic():
            made = Organisation.objects.create(name=name, key=name.casefold(), added_by=by)
    except IntegrityError:
        raise ValidationError({"name": "There is an organisation of this name."}) from None
    facts = {"organisation": made.pk, "name": made.name}
    events.record(action="site:organisation:added", by=actor(by), subject=f"organisation:{made.pk}", facts=facts)
    return made


def of(user: Any) -> QuerySet[Membership]:
    """The memberships of one person that stand."""
    return Membership.objects.filter(user=user, ended_at=None).select_related("organisation")


def check_joinable(user: User, organisation: Organisation | None) -> None:
    if organisation is None:
        raise ValidationError({"organisation": "Choose an organisation."})
    if of(user).filter(organisation=organisation).exists():
        raise ValidationError({"organisation": f"{user} is in it already."})


@transaction.atomic
def join(*, by: User, user: User, organisation: Organisation, proposed_by: User) -> Membership:
    """``by`` one person after another one proposed it (people/changes.py asks for both)."""
    user = User.objects.select_for_update().get(pk=user.pk)
    check_joinable(user, organisation)
    made = Membership.objects.create(user=user, organisation=organisation, granted_by=by)
    facts = {"user": user.username, "organisation": organisation.pk, "name": organisation.name,
             "proposed_by": actor(proposed_by), "confirmed_by": actor(by)}  # fmt: skip
    events.record(action="site:membership:begun", by=actor(by), subject=f"user:{user.pk}", facts=facts)
    notices.tell([user], "You belong to another organisation now.", url=reverse("home"), key=f"joined:{made.pk}")
    return made


@transaction.atomic
def leave(*, by: Any, user: User, organisation: Organisation, reason: str) -> Membership:
    """End a membership at once; what is limited to the organisation is closed to the person from their next page on."""
    if not by.has_perm(MANAGE):
        raise PermissionDenied("Only administrators end memberships.")
    if not reason.strip():
        raise ValidationError({"reason": "Say why; it stays in the log."})
    user = User.objects.select_for_update().get(pk=user.pk)
    found = of(user).filter(organisation=organisation).first()
    if found is None:
        raise ValidationError(f"{user} is not in it any more.")
    found.ended_at, found.ended_by = timezone.now(), by
    found.save(update_fields=["ended_at", "ended_by"])
    facts = {
        "user": user.username,
        "organisation": organisation.pk,
        "name": organisation.name,
        "reason": reason.strip(),
    }
    events.record(action="site:membership:ended", by=actor(by), subject=f"user:{user.pk}", facts=facts)
    notices.tell([user], "You do not belong to an organisation any more.", url=reverse("home"), key=f"left:{found.pk}")
    return found
