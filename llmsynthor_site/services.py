"""Changes to people and their roles."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction

from audit import events
from audit.actors import actor
from llmsynthor_site.models import RoleGrant, User
from llmsynthor_site.roles import BY_NAME, conflict


@transaction.atomic
def grant_role(*, by: User | None, user: User, role: str) -> RoleGrant:
    """Give ``user`` a role; refused when it conflicts with one already held. ``by`` None means the console."""
    held = set(user.role_grants.values_list("role", flat=True))
    if role not in BY_NAME:
        raise ValidationError(f"There is no role called {role}.")
    if clash := conflict(held | {role}):
        raise ValidationError(f"One person may not be {' and '.join(sorted(clash))}.")
    grant, created = RoleGrant.objects.get_or_create(user=user, role=role, defaults={"granted_by": by})
    if created:
        facts = {"user": user.username, "role": role}
        events.record(action="site:role:granted", by=actor(by or "console"), subject=f"user:{user.pk}", facts=facts)
    return grant


@transaction.atomic
def add_person(*, by: User | None, username: str, password: str, roles: list[str], **names: Any) -> User:
    """Create an account with its roles; the password is checked by the site's validators first."""
    from django.contrib.auth.password_validation import validate_password

    user = User(username=username, **names)
    validate_password(password, user)
    user.set_password(password)
    user.full_clean()
    user.save()
    events.record(
        action="site:person:added", by=actor(by or "console"), subject=f"user:{user.pk}", facts={"user": username}
    )
    for role in roles:
        grant_role(by=by, user=user, role=role)
    return user
