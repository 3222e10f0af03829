"""Groups that a sign-in provider names, and the roles they suggest. A suggestion gives nobody anything:
an administrator may propose the role, and a second person confirms it, as for everybody else.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from allauth.socialaccount.models import SocialAccount
from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from audit import events
from llmsynthor_site import notices
from llmsynthor_site.models import ClaimedRole, User
from llmsynthor_site.roles import BY_NAME, roles_of


def suggested(account: SocialAccount) -> dict[str, str]:
    """Role -> group, for the groups in the claim that the provider's settings map; unknown roles count for nothing."""
    mapping = account.get_provider().app.settings.get("groups", {})
    name, claims = mapping.get("claim", "groups"), account.extra_data
    told = claims.get("userinfo", {}).get(name) or claims.get("id_token", {}).get(name) or []
    groups = told if isinstance(told, list) else [told]
    roles = mapping.get("roles", {})
    return {roles[group]: group for group in groups if isinstance(group, str) and roles.get(group) in BY_NAME}


@transaction.atomic
def remember(user: User, account: SocialAccount) -> None:
    """Keep what this sign-in suggests; tell administrators what is new, and which group behind a held role is gone."""
    now = suggested(account)
    provider = account.provider
    before = set(ClaimedRole.objects.filter(user=user, provider=provider).values_list("role", flat=True))
    ClaimedRole.objects.filter(user=user, provider=provider).exclude(role__in=now).delete()
    for role, group in now.items():
        ClaimedRole.objects.update_or_create(user=user, provider=provider, role=role, defaults={"group": group[:200]})
    held = {role.name for role in roles_of(user)}
    tell(user, (now.keys() - before) - held, "A sign-in provider suggests a role for somebody.", "suggested")
    tell(user, (before - now.keys()) & held, "A sign-in provider no longer names the group behind a role.", "dropped")
    if before != now.keys():
        facts = {"user": user.username, "provider": provider, "roles": sorted(now)}
        events.record(action="site:role:suggested", by=f"provider:{provider}", subject=f"user:{user.pk}", facts=facts)


def tell(user: User, roles: Iterable[str], text: str, what: str) -> None:
    for role in roles:
        key = f"claim:{user.pk}:{role}:{what}:{timezone.localdate()}"
        notices.tell(notices.holding("admin"), text, url=reverse("person", args=[user.pk]), key=key)


def of(user: User, *, held: set[str]) -> list[ClaimedRole]:
    """Suggestions for roles beyond those that this person holds."""
    return [one for one in user.claimed_roles.all() if one.role not in held]


def on_sign_in(*, user: User, **kwargs: Any) -> None:
    if (login := kwargs.get("sociallogin")) is not None:
        remember(user, login.account)
