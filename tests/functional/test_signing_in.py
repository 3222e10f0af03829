"""Second factors in a browser: an app by its QR code, a security key, and every page of it looked at."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests import request_site
from tests.fakes import oidc_process
from tests.functional.conftest import PASSWORD
from tests.functional.looking import look
from tests.integration.test_signing_in import code_of

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True, databases=["default", "log"])]


@pytest.fixture
def duties(settings: Any) -> None:
    settings.SECOND_FACTOR_ROLES = ["owner", "steward", "auditor", "admin"]


def plug_in_a_key(page: Page) -> None:
    """A security key that the browser itself plays, and that somebody touches at once."""
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    options = {"protocol": "ctap2", "transport": "usb", "hasUserVerification": True, "isUserVerified": True,
               "automaticPresenceSimulation": True}  # fmt: skip
    session.send("WebAuthn.addVirtualAuthenticator", {"options": options})


def confirm(page: Page) -> None:
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Confirm").click()


def test_an_app_and_a_key(sign_in: Any, duties: None, screenshots: Path) -> None:
    """Stella has to set something up: she scans a code, keeps recovery codes, adds a key, and signs in with it."""
    request_site.make()
    page = sign_in("stella")
    wrong = look(page, "second-factor-needed", screenshots)
    page.get_by_role("link", name="Set up an app").click()
    wrong += look(page, "sign-in-again", screenshots)
    confirm(page)
    wrong += look(page, "second-factor-app", screenshots)
    secret = page.locator("p code").inner_text()
    page.get_by_label("Authenticator code").fill(code_of(secret))
    page.get_by_role("button", name="Set up").click()
    expect(page.get_by_text("They are not shown again")).to_be_visible()
    wrong += look(page, "recovery-codes", screenshots)
    page.get_by_role("link", name="I have kept them").click()
    expect(page.get_by_role("heading", level=1)).to_be_visible()

    plug_in_a_key(page)
    page.goto("/settings/second-factor/webauthn/add/")
    wrong += look(page, "security-key", screenshots)
    page.get_by_label("Name").fill("Blue key")
    page.get_by_role("button", name="Add the key").click()
    expect(page.get_by_text("1 key can be used")).to_be_visible()
    wrong += look(page, "second-factor", screenshots)
    page.get_by_role("link", name="See the keys").click()
    expect(page.get_by_text("Blue key").first).to_be_visible()
    wrong += look(page, "security-keys", screenshots)
    page.get_by_role("button", name="Sign out").click()
    page.get_by_label("Username").fill("stella")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    wrong += look(page, "sign-in-second", screenshots)
    page.get_by_role("button", name="Use a security key").click()
    page.wait_for_url(re.compile(r"//[^/]+/$"))
    expect(page.get_by_role("link", name="Settings")).to_be_visible()
    assert not wrong


def test_a_key_that_is_not_there_is_said_on_the_page(sign_in: Any) -> None:
    request_site.make()
    page = sign_in("rosa")
    page.goto("/settings/second-factor/webauthn/add/")
    confirm(page)
    page.evaluate("() => { navigator.credentials.create = () => Promise.reject(new Error('no key')) }")
    page.get_by_role("button", name="Add the key").click()
    expect(page.get_by_text("The key could not be used")).to_be_visible()


def test_through_an_organisation(
    browser: Browser, live_server: Any, settings: Any, watch: Any, screenshots: Path
) -> None:
    """From the sign-in page to the provider and back, under the content security policy of the site."""
    request_site.make()
    with oidc_process.running() as address:
        settings.SOCIALACCOUNT_PROVIDERS = oidc_process.known(address)
        page = browser.new_context(base_url=live_server.url).new_page()
        watch.over(page)
        page.goto("/sign-in/")
        assert not look(page, "sign-in", screenshots)
        page.get_by_role("button", name="Sign in through Hospital").click()
        page.get_by_role("link", name="Continue").click()
        expect(page.get_by_text("Nina Nurse")).to_be_visible()
        page.context.close()
