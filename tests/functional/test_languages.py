"""Somebody chooses German in the settings: the next page is German, accessible, and narrow enough for a phone."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests import request_site
from tests.functional.looking import NARROWEST, violations

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True, databases=["default", "log"])]


@pytest.fixture
def small(live_server: Any) -> request_site.Site:
    return request_site.make()


def in_german(page: Page) -> Page:
    page.goto("/settings/")
    page.get_by_label("Deutsch").check()
    page.get_by_role("button", name="Keep").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Einstellungen")
    expect(page.locator("html")).to_have_attribute("lang", "de")
    return page


def test_the_next_page_is_german_and_fits_a_phone(small: request_site.Site, sign_in: Any) -> None:
    ds = small.dataset.get_absolute_url()
    walks = {
        "olivia": ["/", "/settings/", "/help/", ds, f"{ds}cap/", "/datasets/new/"],
        "ada": ["/people/", "/machines/"],
    }
    wrong: list[str] = []
    for who, addresses in walks.items():
        page = in_german(sign_in(who, viewport={"width": NARROWEST, "height": 900}))
        for address in addresses:
            page.goto(address)
            expect(page.get_by_role("button", name="Abmelden")).to_be_visible()
            wrong += [f"{address}: {found}" for found in violations(page)]
            over = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
            wrong += [f"{address}: scrolls {over} px sideways"] if over > 0 else []
    assert not wrong, "\n".join(wrong)
