"""The API's reference and the pages of tokens, in a browser that reports whatever breaks the security policy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests import request_site
from tests.functional.conftest import SignIn

pytestmark = [pytest.mark.browser, pytest.mark.django_db(databases=["default", "log"], transaction=True)]
PAGES = ("/settings/tokens/", "/settings/tokens/new/", "/settings/webhooks/")


def test_a_researcher_makes_a_token_and_reads_the_reference(sign_in: SignIn, site: Any, screenshots: Path) -> None:
    """Rosa makes a token in her settings, copies it, opens the reference, and finds how a table is asked for."""
    request_site.make()
    page = sign_in("rosa")
    page.goto("/settings/tokens/new/")
    page.get_by_label("What is it for").fill("laptop")
    page.get_by_label("Read what you may read").check()
    page.get_by_role("button", name="Make the token").click()
    assert page.locator("code").first.inner_text().startswith("llms_")
    page.screenshot(path=screenshots / "token-made.png")
    page.goto("/settings/tokens/")
    assert "laptop" in page.locator("table").inner_text()
    page.screenshot(path=screenshots / "tokens.png")
    page.goto("/api/v1/docs/")
    page.wait_for_selector(".opblock")
    assert "/api/v1/requests/" in page.locator("#swagger-ui").inner_text()
    page.screenshot(path=screenshots / "api-reference.png")
    page.set_viewport_size({"width": 320, "height": 700})
    for place in PAGES:
        page.goto(place)
        assert page.evaluate("document.documentElement.scrollWidth") <= 320, place
