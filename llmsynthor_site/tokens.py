"""API tokens: made and revoked by their person, found by the hash of what a program shows.

A token proves that somebody holds a string; a session proves that somebody signed in, with a second factor where
roles need one. So a token reads, asks, and says no; what says yes for others takes a session (``SIGNED_IN_ONLY``).
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from audit import events
from audit.actors import actor
from llmsynthor_site.api_models import ApiToken

PREFIX = "llms_"
SCOPES: dict[str, str] = {
    "read": "Read what you may read: datasets, requests, runs, notices",
    "request": "Ask for tables, submit and withdraw requests, download what was granted",
    "own": "Register datasets and upload data, decline and withdraw raises of a cap",
    "review": "Claim, return, stop and recall requests, and set kill switches; never vote",
    "audit": "Read the log, the ledger, exposure, duties and downloads, have the log checked, and export evidence",
}
LONGEST = timedelta(days=366)
MOST = 20
USED_EVERY = timedelta(minutes=1)


@transaction.atomic
def make(*, by: Any, name: str, scopes: list[str], days: int) -> tuple[ApiToken, str]:
    """A token and its secret, which is told this once. ValidationError, naming the field, for what cannot be;
    PermissionDenied for whoever's access has changed since ``by`` was read, which was when they were recognised.
    """
    person = as_recognised(by)
    name = name.strip()
    if not name or len(name) > 80:
        raise ValidationError({"name": "Give it a name of at most 80 characters, so that you know which to revoke."})
    if not scopes or not set(scopes) <= SCOPES.keys():
        raise ValidationError({"scopes": f"Choose at least one of: {', '.join(SCOPES)}."})
    if not 1 <= days <= LONGEST.days:
        raise ValidationError({"days": f"A token expires after 1 to {LONGEST.days} days."})
    if standing(by).count() >= MOST:
        raise ValidationError(f"You hold {MOST} tokens already: revoke one first.")
    secret = PREFIX + secrets.token_urlsafe(32)
    kept = [scope for scope in SCOPES if scope in scopes]
    token = ApiToken.objects.create(
        user=by, name=name, token_hash=hash_of(secret), scopes=kept, bound_to=person.get_session_auth_hash(),
        expires_at=timezone.now() + timedelta(days=days),
    )  # fmt: skip
    facts = {"token": token.pk, "user": by.username, "scopes": kept, "expires": token.expires_at.date().isoformat()}
    events.record(action="site:token:made", by=actor(by), subject=f"user:{by.pk}", facts=facts)
    return token, secret


def as_recognised(by: Any) -> Any:
    """The person's row, held until the token is made: a reset or a change of roles that comes meanwhile ends it too."""
    person = get_user_model().objects.select_for_update().get(pk=by.pk)
    if not person.is_active or person.get_session_auth_hash() != by.get_session_auth_hash():
        raise PermissionDenied("Your password or roles have changed meanwhile: sign in again, and make it then.")
    return person


@transaction.atomic
def revoke(*, by: Any, token: ApiToken) -> None:
    """End a token at once. Ending what has ended changes nothing."""
    mine = ApiToken.objects.filter(pk=token.pk, user=by, revoked_at=None)
    if mine.update(revoked_at=timezone.now()):
        facts = {"token": token.pk, "user": by.username}
        events.record(action="site:token:revoked", by=actor(by), subject=f"user:{by.pk}", facts=facts)


def hash_of(secret: str) -> str:
    """256 random bits need no slow hash: there is nothing to guess."""
    return hashlib.sha256(secret.encode()).hexdigest()


def found(secret: str) -> ApiToken | None:
    """The token of this secret, while it stands; notes that it is used, to the minute."""
    token = ApiToken.objects.select_related("user").filter(token_hash=hash_of(secret)).first()
    if token is None or not token.stands:
        return None
    now = timezone.now()
    stale = Q(last_used_at=None) | Q(last_used_at__lt=now - USED_EVERY)
    if token.last_used_at is None or token.last_used_at < now - USED_EVERY:
        ApiToken.objects.filter(stale, pk=token.pk).update(last_used_at=now)
    return token


def standing(user: Any) -> QuerySet[ApiToken]:
    return ApiToken.objects.filter(user=user, revoked_at=None, expires_at__gt=timezone.now())
