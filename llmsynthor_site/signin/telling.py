"""What happens to somebody's means of signing in is in the log, and they are told."""

from __future__ import annotations

from typing import Any

from allauth.account.signals import user_logged_in
from allauth.mfa.signals import authenticator_added, authenticator_removed, authenticator_reset
from allauth.socialaccount.signals import social_account_added, social_account_removed
from django.urls import reverse
from django.utils import timezone

from audit import events
from audit.actors import actor
from llmsynthor_site import notices
from llmsynthor_site.models import User
from llmsynthor_site.signin import claims


def listen() -> None:
    authenticator_added.connect(on_factor_added, dispatch_uid="second factor added")
    authenticator_reset.connect(on_factor_added, dispatch_uid="second factor renewed")
    authenticator_removed.connect(on_factor_removed, dispatch_uid="second factor removed")
    social_account_added.connect(on_linked, dispatch_uid="provider linked")
    social_account_removed.connect(on_unlinked, dispatch_uid="provider unlinked")
    user_logged_in.connect(claims.on_sign_in, dispatch_uid="claims of a provider")


def on_factor_added(*, user: User, authenticator: Any, **_: Any) -> None:
    facts = {"user": user.username, "type": str(authenticator.type)}
    events.record(action="site:second_factor:added", by=actor(user), subject=f"user:{user.pk}", facts=facts)
    warn(user, "A second factor was set up for your account. If that was not you, tell an administrator.")


def on_factor_removed(*, user: User, authenticator: Any, **_: Any) -> None:
    facts = {"user": user.username, "type": str(authenticator.type)}
    events.record(action="site:second_factor:removed", by=actor(user), subject=f"user:{user.pk}", facts=facts)
    warn(user, "A second factor of your account was removed. If that was not you, tell an administrator.")


def on_linked(*, sociallogin: Any, **_: Any) -> None:
    user, facts = sociallogin.user, {"user": sociallogin.user.username, "provider": sociallogin.account.provider}
    events.record(action="site:sign_in:linked", by=actor(user), subject=f"user:{user.pk}", facts=facts)
    warn(user, "Your account can be signed in to through another provider now.")
    claims.remember(user, sociallogin.account)


def on_unlinked(*, socialaccount: Any, **_: Any) -> None:
    user, facts = socialaccount.user, {"user": socialaccount.user.username, "provider": socialaccount.provider}
    events.record(action="site:sign_in:unlinked", by=actor(user), subject=f"user:{user.pk}", facts=facts)
    user.claimed_roles.filter(provider=socialaccount.provider).delete()
    warn(user, "A provider through which your account could be signed in to was removed.")


def warn(user: User, text: str) -> None:
    key = f"sign-in:{timezone.now().isoformat(timespec='microseconds')}"
    notices.tell([user], text, url=reverse("mfa_index"), key=key)
