"""Signing in: a password, a second factor for whoever decides, a lockout for whoever guesses, and sessions that end."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from allauth.mfa.adapter import get_adapter
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import (
    TOTP,
    format_hotp_value,
    generate_totp_secret,
    hotp_value,
    yield_hotp_counters_from_time,
)
from cryptography.fernet import InvalidToken
from django.core.cache import cache
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.test import Client

from audit.models import Outbox
from llmsynthor_site import services
from llmsynthor_site.models import Notice, User
from llmsynthor_site.people import changes
from tests import request_site

pytestmark = pytest.mark.django_db(databases=["default", "log"], transaction=True)
PASSWORD = "correct-horse-battery-staple"


@pytest.fixture(autouse=True)
def _factors_asked_for(settings: Any) -> None:
    settings.SECOND_FACTOR_ROLES = ["owner", "steward", "auditor", "admin"]
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    cache.clear()


@pytest.fixture
def small() -> request_site.Site:
    return request_site.make()


def with_password(user: User) -> User:
    user.set_password(PASSWORD)
    user.save()
    return user


def typed(user: User, password: str = PASSWORD, client: Client | None = None) -> tuple[Client, Any]:
    client = client or Client()
    return client, client.post("/sign-in/", {"login": user.username, "password": password})


def code_of(secret: str) -> str:
    """The code of now; one that is about to end is waited out, as a person would."""
    if (left := 30 - time.time() % 30) < 5:
        time.sleep(left)
    return format_hotp_value(hotp_value(secret, next(yield_hotp_counters_from_time())))


def with_app(user: User) -> str:
    """An authenticator app for somebody; its secret."""
    TOTP.activate(user, secret := generate_totp_secret())
    return secret


def actions() -> list[str]:
    return list(Outbox.objects.order_by("pk").values_list("action", flat=True))


def test_a_steward_sets_up_an_app_before_anything_else(small: request_site.Site) -> None:
    """Every page leads to the second factor until there is one; recovery codes are shown once."""
    client, answer = typed(with_password(small.stella))
    assert answer["Location"] == "/"
    for page in ("/", "/requests/", "/settings/"):
        assert client.get(page)["Location"] == "/settings/second-factor/"
    assert client.post("/settings/", {"theme": "dark"}).status_code == 403
    refused = client.get("/api/v1/requests/")
    assert (refused.status_code, refused["Content-Type"]) == (403, "application/problem+json")
    assert "Your role needs a second factor" in client.get("/settings/second-factor/").content.decode()
    begun = client.get("/settings/second-factor/totp/activate/")
    assert begun["Location"].startswith("/sign-in/again/"), "a session alone sets up nothing"
    client.post(begun["Location"], {"password": PASSWORD})
    page = client.get("/settings/second-factor/totp/activate/").content.decode()
    assert "<svg" in page
    secret = re.search(r'<code class="break">(\w+)</code>', page).group(1)
    wrong = client.post("/settings/second-factor/totp/activate/", {"code": "000000"})
    assert "Incorrect code" in wrong.content.decode()
    done = client.post("/settings/second-factor/totp/activate/", {"code": code_of(secret)}, follow=True)
    codes = re.findall(r"<li><code>(\w+)</code>", done.content.decode())
    assert len(codes) == 10
    assert codes[0] not in client.get("/settings/second-factor/recovery-codes/").content.decode()
    assert client.get("/").status_code == 200
    assert "site:second_factor:added" in actions()
    assert Notice.objects.filter(user=small.stella, text__startswith="A second factor was set up").exists()

    again, answer = typed(small.stella)
    assert answer["Location"] == "/settings/second-factor/authenticate/"
    assert again.get("/").status_code == 302, "a password alone opens nothing"
    assert again.post("/settings/second-factor/authenticate/", {"code": codes[0]})["Location"] == "/"
    assert again.get("/").status_code == 200
    third, _ = typed(small.stella)
    assert "Incorrect code" in third.post("/settings/second-factor/authenticate/", {"code": codes[0]}).content.decode()


def test_researchers_may_have_one_and_need_none(small: request_site.Site) -> None:
    client, _ = typed(with_password(small.rosa))
    assert client.get("/").status_code == 200
    with_app(small.rosa)
    assert typed(small.rosa)[1]["Location"] == "/settings/second-factor/authenticate/"


def test_secrets_lie_encrypted(small: request_site.Site, settings: Any) -> None:
    """Nothing that the database holds makes codes; a new SECRET_KEY still reads what the old one wrote."""
    secret = with_app(small.stella)
    with connection.cursor() as cursor:
        cursor.execute("SELECT data FROM mfa_authenticator")
        stored = str(cursor.fetchall())
    assert secret not in stored
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], "x" * 60
    assert Authenticator.objects.get().wrap().validate_code(code_of(secret))
    settings.SECRET_KEY_FALLBACKS = []
    with pytest.raises(InvalidToken):
        Authenticator.objects.get().wrap().validate_code(code_of(secret))


def test_the_last_factor_of_a_duty_stays(small: request_site.Site) -> None:
    with_app(with_password(small.stella))
    one = Authenticator.objects.get()
    assert not get_adapter().can_delete_authenticator(one)
    with_app(small.rosa)
    assert get_adapter().can_delete_authenticator(Authenticator.objects.get(user=small.rosa))


def test_guessing_locks_out(small: request_site.Site) -> None:
    """After eight wrong passwords not even the right one opens, the page says why, and others are not concerned."""
    for user in (small.rosa, small.stella):
        with_password(user)
    client = Client()
    answers = [typed(small.rosa, "wrong", client)[1] for _ in range(9)]
    assert answers[0].status_code == 200
    assert answers[-1].status_code == 429
    assert "Locked for a while" in answers[-1].content.decode()
    assert "_auth_user_id" not in typed(small.rosa)[0].session
    assert "_auth_user_id" in typed(small.stella)[0].session


def test_guessing_codes_is_limited(small: request_site.Site) -> None:
    secret = with_app(with_password(small.stella))
    client, _ = typed(small.stella)
    for _ in range(11):
        answer = client.post("/settings/second-factor/authenticate/", {"code": "000000"})
    assert "Too many" in answer.content.decode()
    right = client.post("/settings/second-factor/authenticate/", {"code": code_of(secret)})
    assert right.status_code == 200
    assert "_auth_user_id" not in client.session


def test_a_changed_role_ends_every_session(small: request_site.Site, settings: Any) -> None:
    settings.SECOND_FACTOR_ROLES = []
    client, _ = typed(with_password(small.stella))
    services.take_away_role(by=small.ada, user=small.stella, role="steward", reason="Left.")
    assert client.get("/")["Location"].startswith("/sign-in/")
    client, _ = typed(small.stella)
    assert client.get("/").status_code == 200
    change = changes.propose(by=small.ada, user=small.stella, kind="grant", role="steward", reason="Came back.")
    changes.confirm(by=small.owner, change=change)
    assert client.get("/")["Location"].startswith("/sign-in/")


def test_two_people_reset_a_second_factor(small: request_site.Site) -> None:
    """It ends app, codes and sessions, and suspends what the person decides for a day."""
    with_app(with_password(small.stella))
    client = Client()
    client.force_login(small.stella)
    assert client.get("/").status_code == 200
    change = changes.propose(by=small.ada, user=small.stella, kind="factor", reason="Lost the telephone.")
    with pytest.raises(PermissionDenied, match="never whoever proposed it"):
        changes.confirm(by=small.ada, change=change)
    assert Authenticator.objects.exists()
    changes.confirm(by=small.owner, change=change)
    assert not Authenticator.objects.exists()
    assert client.get("/")["Location"].startswith("/sign-in/")
    stella = User.objects.get(pk=small.stella.pk)
    assert stella.is_suspended
    assert not stella.has_perm("synthesis.review_request")
    assert stella.has_usable_password()
    assert "site:second_factor:reset" in actions()
    assert typed(stella)[0].get("/")["Location"] == "/settings/second-factor/"


def test_nobody_signs_up_or_resets_by_mail(client: Client) -> None:
    assert client.get("/sign-in/not-here/")["Location"] == "/sign-in/"
    for gone in ("/accounts/signup/", "/sign-in/password/reset/", "/accounts/password/reset/"):
        assert client.get(gone).status_code == 404
    assert not User.objects.exists()
