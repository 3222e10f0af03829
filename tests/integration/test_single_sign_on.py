"""Sign-in through an organisation's provider, a real process over HTTP: it makes an account that may do nothing, and
its groups suggest roles that two people may then grant."""

from __future__ import annotations

import html
import json
import re
import urllib.request
from typing import Any

import pytest
from allauth.socialaccount.models import SocialAccount
from django.test import Client

from audit.models import Outbox
from llmsynthor_site.models import ClaimedRole, Notice, User
from llmsynthor_site.people import changes
from llmsynthor_site.roles import roles_of
from llmsynthor_site.signin import id_tokens
from tests import request_site
from tests.fakes import oidc_process, oidc_provider

PASSWORD = "a long enough sentence of words"

pytestmark = pytest.mark.django_db(databases=["default", "log"], transaction=True)


@pytest.fixture
def small() -> request_site.Site:
    return request_site.make()


def link(page: str, label: str) -> str:
    found = re.search(rf"href=['\"]([^'\"]+)['\"][^>]*>{label}<", page)
    assert found is not None, page
    return html.unescape(found.group(1))


def fetched(address: str) -> str:
    with urllib.request.urlopen(address) as answer:
        return str(answer.read().decode())


def through(client: Client, choice: str = "Continue", **query: str) -> Any:
    """Press the button of the sign-in page, agree at the provider, and come back."""
    leaving = client.post("/sign-in/through/hospital/", query_params=query)
    assert leaving.status_code == 200, "a redirect would be stopped by the content security policy"
    back = link(fetched(link(leaving.content.decode(), "Go on")), choice)
    return client.get(back.removeprefix("http://testserver"))


def test_a_new_colleague_comes_with_nothing_but_a_suggestion(small: request_site.Site, settings: Any) -> None:
    """The group suggests a role: it gives none. An administrator proposes it, a data owner confirms it, and the
    second factor is asked for at the next sign-in, whatever the provider asked for."""
    with oidc_process.running() as address:
        settings.SOCIALACCOUNT_PROVIDERS = oidc_process.known(address)
        assert "Sign in through Hospital" in Client().get("/sign-in/").content.decode()
        client = Client()
        assert through(client)["Location"] == "/"
        nina = User.objects.get(username="nina")
        assert (nina.get_full_name(), nina.email) == ("Nina Nurse", "nina@hospital.example")
        assert not nina.has_usable_password()
        assert roles_of(nina) == ()
        assert "Ask an administrator for a role" in client.get("/").content.decode()
        assert list(ClaimedRole.objects.values_list("role", "group")) == [("steward", "data-stewards")]
        assert Notice.objects.filter(user=small.ada, text__startswith="A sign-in provider suggests").count() == 1
        ada = Client()
        ada.force_login(small.ada)
        assert "Group “data-stewards” of hospital" in ada.get(nina.get_absolute_url()).content.decode()

        change = changes.propose(by=small.ada, user=nina, kind="grant", role="steward", reason="As her group says.")
        assert roles_of(nina) == ()
        changes.confirm(by=small.owner, change=change)
        settings.SECOND_FACTOR_ROLES = ["steward"]
        again = Client()
        assert through(again)["Location"] == "/"
        assert again.get("/")["Location"] == "/settings/second-factor/"
    actions = list(Outbox.objects.filter(subject=f"user:{nina.pk}").values_list("action", flat=True))
    assert actions[:2] == ["site:person:added", "site:role:suggested"]


def test_a_group_that_is_gone_is_told_and_takes_nothing(small: request_site.Site, settings: Any) -> None:
    with oidc_process.running(sub="s", preferred_username="other") as address:
        settings.SOCIALACCOUNT_PROVIDERS = oidc_process.known(address)
        through(Client())
    other = User.objects.get(username="other")
    change = changes.propose(by=small.ada, user=other, kind="grant", role="steward", reason="As the group says.")
    changes.confirm(by=small.owner, change=change)
    with oidc_process.running(sub="s", preferred_username="other", groups="board") as address:
        settings.SOCIALACCOUNT_PROVIDERS = oidc_process.known(address)
        through(Client())
    assert [role.name for role in roles_of(other)] == ["steward"]
    assert not ClaimedRole.objects.exists()
    assert Notice.objects.filter(user=small.ada, text__contains="no longer names the group").count() == 1


def test_a_name_or_an_address_at_the_provider_opens_no_account_here(small: request_site.Site, settings: Any) -> None:
    """Somebody at the provider calls themselves as a steward here, with her address: they get one of their own."""
    with oidc_process.running(preferred_username="stella", email=small.stella.email) as address:
        settings.SOCIALACCOUNT_PROVIDERS = oidc_process.known(address)
        client = Client()
        through(client)
    assert client.session["_auth_user_id"] != str(small.stella.pk)
    assert SocialAccount.objects.get().user != small.stella


def test_an_account_is_linked_by_its_own_person(small: request_site.Site, settings: Any) -> None:
    with oidc_process.running() as address:
        settings.SOCIALACCOUNT_PROVIDERS = oidc_process.known(address)
        small.rosa.set_password(PASSWORD)
        small.rosa.save()
        rosa = Client()
        rosa.force_login(small.rosa)
        assert through(rosa, process="connect")["Location"] == "/sign-in/again/", "a session alone links nothing"
        assert not SocialAccount.objects.exists()
        assert rosa.post("/sign-in/again/", {"password": PASSWORD})["Location"] == "/settings/providers/"
        assert "Hospital" in rosa.get("/settings/providers/").content.decode()
        client = Client()
        through(client)
        assert client.session["_auth_user_id"] == str(small.rosa.pk)
    assert Outbox.objects.filter(action="site:sign_in:linked", by="user:rosa").exists()


def test_turning_back_and_a_provider_that_is_away(settings: Any) -> None:
    with oidc_process.running() as address:
        settings.SOCIALACCOUNT_PROVIDERS = oidc_process.known(address)
        assert through(Client(), "Cancel")["Location"] == "/sign-in/stopped/"
        forged = Client().get("/sign-in/through/hospital/back/?code=stolen&state=made-up")
        assert "Sign-in failed" in forged.content.decode()
    away = Client().post("/sign-in/through/hospital/")
    assert "Sign-in failed" in away.content.decode()
    assert Client().post("/sign-in/through/nobody/").status_code == 404
    assert not User.objects.exists()


def test_a_provider_with_another_secret_lets_nobody_in(settings: Any) -> None:
    with oidc_process.running() as address:
        settings.SOCIALACCOUNT_PROVIDERS = oidc_process.known(address)
        settings.SOCIALACCOUNT_PROVIDERS["openid_connect"]["APPS"][0]["secret"] = "wrong"
        assert "Sign-in failed" in through(Client()).content.decode()
    assert not User.objects.exists()


@pytest.mark.django_db(databases=[])
class TestIdTokens:
    """What is wrong with a token is found before anything in it is believed."""

    provider = oidc_provider.Provider(0, {})
    good = {"iss": "i", "aud": "us", "exp": 4e9, "sub": "1"}

    def check(self, token: str) -> dict[str, Any]:
        return id_tokens.checked(token, keys=self.provider.keys()["keys"], issuer="i", audience="us")

    def test_a_right_one(self) -> None:
        assert self.check(self.provider.signed(self.good))["sub"] == "1"

    @pytest.mark.parametrize(
        ("change", "rule"),
        [({"iss": "j"}, "another issuer"), ({"aud": ["them"]}, "another client"), ({"exp": 1}, "over its time")],
    )
    def test_wrong_claims(self, change: dict[str, Any], rule: str) -> None:
        with pytest.raises(ValueError, match=rule):
            self.check(self.provider.signed({**self.good, **change}))

    def test_wrong_signatures(self) -> None:
        head, body, signature = self.provider.signed(self.good).split(".")
        other = oidc_provider.bare(json.dumps({**self.good, "sub": "2"}).encode())
        none = oidc_provider.bare(b'{"alg": "none"}')
        for token, rule in [
            (f"{head}.{other}.{signature}", "does not hold"), (f"{none}.{body}.", "not signed with"),
            (f"{head}.{body}", "no signed token"), ("a.b.c", "no signed token"),
        ]:  # fmt: skip
            with pytest.raises(ValueError, match=rule):
                self.check(token)
        with pytest.raises(ValueError, match="names no key"):
            id_tokens.checked(f"{head}.{body}.{signature}", keys=[], issuer="i", audience="us")
