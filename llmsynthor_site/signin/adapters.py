"""This site's rules where the library asks for them."""

from __future__ import annotations

import base64
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialLogin
from cryptography.fernet import Fernet, MultiFernet
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.db import transaction
from django.http import HttpRequest

from audit import events
from llmsynthor_site.models import User
from llmsynthor_site.signin.requirement import FACTORS


class Accounts(DefaultAccountAdapter):
    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False  # an account is made by an administrator, or by a first sign-in through a known provider

    def login(self, request: HttpRequest, user: User) -> None:
        if not hasattr(user, "backend"):
            user.backend = "llmsynthor_site.backends.RoleBackend"
        super().login(request, user)


class SingleSignOn(DefaultSocialAccountAdapter):
    def is_open_for_signup(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:
        return True  # such an account holds no role, so it sees nothing: two people give it one

    def save_user(self, request: HttpRequest, sociallogin: SocialLogin, form: Any = None) -> User:
        with transaction.atomic():
            user: User = super().save_user(request, sociallogin, form)
            by = f"provider:{sociallogin.account.provider}"
            facts = {"user": user.username}
            events.record(action="site:person:added", by=by, subject=f"user:{user.pk}", facts=facts)
        return user


class SecondFactors(DefaultMFAAdapter):
    """Secrets of second factors lie in the database under a key that the database does not hold."""

    def encrypt(self, text: str) -> str:
        return ring().encrypt(text.encode()).decode()

    def decrypt(self, encrypted_text: str) -> str:
        return ring().decrypt(encrypted_text.encode()).decode()

    def build_totp_svg(self, url: str) -> str:
        svg: str = super().build_totp_svg(url)
        return svg[svg.index("<svg") :]  # stands inside a page: pictures from data: addresses are not loaded here

    def get_totp_label(self, user: User) -> str:
        return user.username

    def can_delete_authenticator(self, authenticator: Authenticator) -> bool:
        """The last second factor of somebody whose role asks for one is not taken away, only replaced."""
        duty = authenticator.user.role_grants.filter(ended_at=None, role__in=settings.SECOND_FACTOR_ROLES).exists()
        others = Authenticator.objects.filter(user=authenticator.user, type__in=FACTORS).exclude(pk=authenticator.pk)
        return not duty or others.exists()


def ring() -> MultiFernet:
    """The key made from SECRET_KEY, and those of its earlier values for what was stored under them."""
    return MultiFernet([Fernet(derived(one)) for one in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)])


def derived(secret: str) -> bytes:
    kdf = HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=b"llmsynthor second factors")
    return base64.urlsafe_b64encode(kdf.derive(secret.encode()))
