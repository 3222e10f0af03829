"""Tokens: shown once, kept as a hash, for some scopes, until a day; never more than their person may do now."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import connection
from django.test import Client
from django.utils import timezone

from audit.models import LogEntry
from llmsynthor_site import services, tasks, tokens
from llmsynthor_site.models import ApiToken, StoredAnswer
from llmsynthor_site.people import changes
from tests import request_site
from tests.api_site import Caller

pytestmark = pytest.mark.django_db(databases=["default", "log"], transaction=True)


@pytest.fixture
def small() -> request_site.Site:
    return request_site.make()


def test_the_secret_is_in_no_table_and_no_log(small: request_site.Site) -> None:
    caller = Caller(small.rosa, "read")
    assert caller.get("me/").json()["scopes"] == ["read"]
    [token] = ApiToken.objects.all()
    assert token.token_hash == tokens.hash_of(caller.token)
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM llmsynthor_site_apitoken")
        assert caller.token not in str(cursor.fetchall())
    made = LogEntry.objects.get(action="site:token:made")
    assert caller.token.encode() not in bytes(made.leaf)
    assert b'"scopes":["read"]' in bytes(made.leaf)


@pytest.mark.parametrize("end", ["revoked", "expired", "inactive", "password", "nonsense"])
def test_a_token_that_has_ended_opens_nothing(small: request_site.Site, end: str) -> None:
    caller = Caller(small.rosa, "read")
    assert caller.get("me/").status_code == 200
    token = ApiToken.objects.get()
    if end == "revoked":
        tokens.revoke(by=small.rosa, token=token)
        assert LogEntry.objects.filter(action="site:token:revoked").count() == 1
    elif end == "expired":
        past = timezone.now() - timedelta(days=2)
        ApiToken.objects.update(created_at=past - timedelta(days=1), expires_at=past)
    elif end == "inactive":
        type(small.rosa).objects.filter(pk=small.rosa.pk).update(is_active=False)
    elif end == "password":
        change = changes.propose(by=small.ada, user=small.rosa, kind="reset", reason="Lost it.")
        changes.confirm(by=small.owner, change=change)
    else:
        caller.token = tokens.PREFIX + "x" * 43
    refused = caller.get("me/")
    assert refused.status_code == 401
    assert refused["WWW-Authenticate"] == "Bearer"
    assert caller.token not in refused.content.decode()


@pytest.mark.parametrize("change", ["password", "role", "inactive"])
def test_no_token_is_made_for_a_session_that_ended_meanwhile(small: request_site.Site, change: str) -> None:
    """Recognised, then changed by others, then at the point of making the token."""
    recognised = type(small.stella).objects.get(pk=small.stella.pk)
    if change == "password":
        proposed = changes.propose(by=small.ada, user=small.stella, kind="reset", reason="Lost it.")
        changes.confirm(by=small.owner, change=proposed)
    elif change == "role":
        services.take_away_role(by=small.ada, user=small.stella, role="steward", reason="Has left.")
    else:
        type(small.stella).objects.filter(pk=small.stella.pk).update(is_active=False)
    with pytest.raises(PermissionDenied, match="sign in again"):
        tokens.make(by=recognised, name="x", scopes=["read"], days=1)
    assert not ApiToken.objects.exists()


def test_a_role_that_was_taken_away_ends_what_its_token_may_do(small: request_site.Site) -> None:
    request, stella = small.submitted(), Caller(small.stella, "read", "review")
    assert stella.get(f"requests/{request.pk}/").status_code == 200
    services.take_away_role(by=small.ada, user=small.stella, role="steward", reason="Has left.")
    assert stella.get(f"requests/{request.pk}/").status_code == 401
    assert stella.post(f"requests/{request.pk}/actions/claim/").status_code == 401
    small.stella.refresh_from_db()  # who signs in again
    again = Caller(small.stella, "read", "review")
    assert again.get("me/").json()["roles"] == []
    assert again.get(f"requests/{request.pk}/").status_code == 404
    assert again.post(f"requests/{request.pk}/actions/claim/").status_code == 404


def test_a_scope_is_needed_for_each_kind_of_step(small: request_site.Site) -> None:
    request = small.submitted()
    reading = Caller(small.rosa, "read")
    refused = reading.post(f"requests/{request.pk}/actions/withdraw/")
    assert refused.status_code == 403
    assert "scope request" in refused.json()["detail"]
    asking = Caller(small.rosa, "request")
    assert asking.get(f"requests/{request.pk}/").status_code == 403
    assert asking.post(f"requests/{request.pk}/actions/withdraw/").status_code == 200


@pytest.mark.parametrize(
    ("changes", "field"),
    [({"name": " "}, "name"), ({"scopes": []}, "scopes"), ({"scopes": ["root"]}, "scopes"), ({"days": 0}, "days"),
     ({"days": 367}, "days")],
)  # fmt: skip
def test_a_token_that_cannot_be_is_told_by_field(small: request_site.Site, changes: Any, field: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        tokens.make(by=small.rosa, **({"name": "x", "scopes": ["read"], "days": 1} | changes))
    assert list(refusal.value.message_dict) == [field]
    assert not ApiToken.objects.exists()


def test_the_settings_page_makes_one_shows_it_once_and_revokes_it(small: request_site.Site) -> None:
    client = Client()
    client.force_login(small.rosa)
    assert "no tokens" in client.get("/settings/tokens/").content.decode()
    form = client.get("/settings/tokens/new/").context["form"]
    once = {"once": form["once"].value(), "days": "30"}
    wrong = client.post("/settings/tokens/new/", {"name": "n"} | once)
    assert "There is a problem" in wrong.content.decode()
    wish = {"name": "laptop", "scopes": ["read", "request"]} | once
    made = client.post("/settings/tokens/new/", wish)
    twice = client.post("/settings/tokens/new/", wish)
    assert "was sent already" in twice.content.decode()
    assert tokens.PREFIX not in twice.content.decode()
    assert ApiToken.objects.count() == 1
    assert made["Cache-Control"] == "no-store"
    shown = made.content.decode()
    secret = tokens.PREFIX + shown.split(tokens.PREFIX, 1)[1].split("<", 1)[0]
    assert tokens.found(secret) is not None
    page = client.get("/settings/tokens/").content.decode()
    assert "laptop" in page
    assert secret not in page
    token = ApiToken.objects.get()
    other = Client()
    other.force_login(small.amir)
    assert other.post(f"/settings/tokens/{token.pk}/revoke/").status_code == 404
    client.post(f"/settings/tokens/{token.pk}/revoke/")
    assert tokens.found(secret) is None


def test_keys_are_swept_after_a_day(small: request_site.Site) -> None:
    rosa = Caller(small.rosa)
    for key in ("old", "new"):
        assert rosa.post("notices/read/", Idempotency_Key=key).status_code == 200
    past = timezone.now() - timedelta(hours=25)
    StoredAnswer.objects.filter(key="old").update(created_at=past)
    tasks.sweep()
    assert [one.key for one in StoredAnswer.objects.all()] == ["new"]
