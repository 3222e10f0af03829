"""A new steward comes, votes and leaves: an administrator and a data owner in the browser, two people at every step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests import request_site
from tests.functional.looking import violations

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True, databases=["default", "log"])]
PASSWORD = "a-heron-by-the-lake"


def test_a_steward_comes_and_leaves(sign_in: Any, browser: Browser, live_server: Any, screenshots: Path) -> None:
    """Ada adds Nina and proposes a role and a password; Olivia confirms both; Nina signs in, and may not vote yet;
    Ada takes the role away while Nina's page is open, and her session and the request are gone."""
    small = request_site.make()
    request = small.submitted()
    ada, olivia = sign_in("ada"), sign_in("olivia")
    ada.get_by_role("link", name="People", exact=True).click()
    ada.get_by_role("link", name="Add a person").click()
    ada.get_by_role("button", name="Add").click()
    expect(ada.get_by_role("alert")).to_contain_text("Username: This field is required")
    ada.get_by_label("Username").fill("nina")
    ada.get_by_label("Email address").fill("nina@example.org")
    ada.get_by_role("button", name="Add").click()
    ada.get_by_role("link", name="Propose a role").click()
    ada.get_by_label("Data steward").check()
    ada.get_by_label("Why").fill("Joins the office in May.")
    ada.get_by_role("button", name="Propose").click()
    expect(ada.get_by_role("button", name="Confirm")).to_be_disabled()
    expect(ada.get_by_text("A second person confirms it, never whoever proposed it.")).to_be_visible()
    ada.get_by_role("link", name="nina").click()
    ada.get_by_role("link", name="Propose a new password").click()
    ada.get_by_label("Why").fill("Has none yet.")
    ada.get_by_role("button", name="Propose").click()

    olivia.goto("/")
    olivia.get_by_role("link", name="Grant a role: Data steward, nina").click()
    olivia.get_by_role("button", name="Confirm").click()
    expect(olivia.get_by_text("Confirmed. It counts from now on.")).to_be_visible()
    olivia.goto("/")
    olivia.get_by_role("link", name="Reset the password, nina").click()
    olivia.get_by_role("button", name="Confirm").click()
    address = olivia.locator("code").inner_text()
    assert not violations(olivia)
    olivia.screenshot(path=screenshots / "new-password-address.png", full_page=True)

    nina = browser.new_context(base_url=live_server.url).new_page()
    nina.goto(address)
    nina.get_by_label("New password", exact=True).fill(PASSWORD)
    nina.get_by_label("New password confirmation").fill(PASSWORD)
    nina.get_by_role("button", name="Set the password").click()
    nina.get_by_label("Username").fill("nina")
    nina.get_by_label("Password").fill(PASSWORD)
    nina.get_by_role("button", name="Sign in").click()
    expect(nina.get_by_text("You decide nothing until")).to_be_visible()
    nina.screenshot(path=screenshots / "home-suspended.png", full_page=True)
    nina.goto(request.get_absolute_url())
    expect(nina.get_by_role("heading", name=request.title)).to_be_visible()
    expect(nina.get_by_text("Decide on measuring")).to_have_count(0)

    ada.get_by_role("link", name="nina").click()
    ada.get_by_role("link", name="Take away the role Data steward").click()
    ada.get_by_label("Why").fill("Left the office.")
    ada.get_by_role("button", name="Take the role away").click()
    expect(ada.get_by_text("nina is no data steward any more.")).to_be_visible()
    nina.goto(request.get_absolute_url())
    nina.get_by_label("Username").fill("nina")
    nina.get_by_label("Password").fill(PASSWORD)
    nina.get_by_role("button", name="Sign in").click()
    expect(nina.get_by_text("There is nothing at this address")).to_be_visible()
    nina.goto("/")
    expect(nina.get_by_text("Ask an administrator for a role.")).to_be_visible()
    nina.context.close()
