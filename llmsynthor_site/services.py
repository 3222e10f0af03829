"""People and their roles: the console makes the first ones alone; after that every role needs two people.

A role is proposed by an administrator and confirmed by somebody else (people/changes.py). It is taken away by one
administrator at once, since access that should have ended must not wait for a second person.
"""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from audit import events
from audit.actors import actor
from llmsynthor_site import notices
from llmsynthor_site.models import RoleGrant, User
from llmsynthor_site.roles import BY_NAME, Admin, conflict, roles_of

MANAGE = "llmsynthor_site.manage_people"


def check_grantable(user: User, role: str) -> None:
    """ValidationError, naming the rule, where this person may not be given this role."""
    if role not in BY_NAME:
        raise ValidationError(f"There is no role called {role}.")
    held = {one.name for one in roles_of(user)}
    if role in held:
        raise ValidationError(f"{user} holds that role already.")
    if clash := conflict(held | {role}):
        raise ValidationError(f"One person may not be {' and '.join(sorted(clash))}.")


@transaction.atomic
def grant_role(*, by: User | None, user: User, role: str, proposed_by: User | None = None) -> RoleGrant:
    """Give ``user`` a role: from the console (``by`` None), or ``by`` one person after another one proposed it."""
    if by is not None and proposed_by in (None, by):
        raise PermissionDenied("A role is granted by two people: one proposes it, another one confirms it.")
    user = User.objects.select_for_update().get(pk=user.pk)
    check_grantable(user, role)
    grant = RoleGrant.objects.create(user=user, role=role, granted_by=by)
    user.end_sessions()  # the next one begins with whatever the new role asks for at sign-in
    facts = {"user": user.username, "role": role}
    if proposed_by is not None:
        text = f"You hold the role of {BY_NAME[role].display_name.lower()} now."
        notices.tell([user], text, url=reverse("home"), key=f"granted:{grant.pk}")
        facts |= {"proposed_by": actor(proposed_by), "confirmed_by": actor(by)}
    events.record(action="site:role:granted", by=actor(by or "console"), subject=f"user:{user.pk}", facts=facts)
    return grant


@transaction.atomic
def take_away_role(*, by: Any, user: User, role: str, reason: str) -> RoleGrant:
    """End a role at once, whatever the person is doing; every session of theirs ends with it."""
    if by is not None and not by.has_perm(MANAGE):
        raise PermissionDenied("Only administrators take roles away.")
    if not reason.strip():
        raise ValidationError({"reason": "Say why; it stays in the log, and the person reads it."})
    user = User.objects.select_for_update().get(pk=user.pk)
    grant = RoleGrant.objects.filter(user=user, role=role, ended_at=None).first()
    if grant is None:
        raise ValidationError(f"{user} does not hold that role any more.")
    if role == Admin.name and not other_administrators(user):
        raise ValidationError("The last administrator keeps the role: nobody could propose another one.")
    grant.ended_at, grant.ended_by = timezone.now(), by
    grant.save(update_fields=["ended_at", "ended_by"])
    user.end_sessions()
    facts = {"user": user.username, "role": role, "reason": reason.strip()}
    events.record(action="site:role:taken_away", by=actor(by or "console"), subject=f"user:{user.pk}", facts=facts)
    text = f"You are no {BY_NAME[role].display_name.lower()} any more."
    notices.tell([user], text, url=reverse("home"), key=f"ended:{grant.pk}", by=by)
    return grant


def other_administrators(user: User) -> bool:
    found = RoleGrant.objects.filter(role=Admin.name, ended_at=None, user__is_active=True)
    return found.exclude(user=user).exists()


@transaction.atomic
def add_person(*, by: User | None, username: str, password: str, roles: list[str], **names: Any) -> User:
    """From the console: an account with its roles; the password is checked by the site's validators first."""
    from django.contrib.auth.password_validation import validate_password

    user = User(username=username, **names)
    validate_password(password, user)
    user.set_password(password)
    entered(user, by=by)
    for role in roles:
        grant_role(by=by, user=user, role=role)
    user.refresh_from_db()
    return user


@transaction.atomic
def invite(*, by: Any, username: str, **names: Any) -> User:
    """An account that can do nothing yet: no role, no password. Two people give it both."""
    if not by.has_perm(MANAGE):
        raise PermissionDenied("Only administrators add people.")
    user = User(username=username, **names)
    user.set_unusable_password()
    return entered(user, by=by)


def entered(user: User, *, by: User | None) -> User:
    user.full_clean()
    user.save()
    events.record(
        action="site:person:added", by=actor(by or "console"), subject=f"user:{user.pk}", facts={"user": user.username}
    )
    return user
