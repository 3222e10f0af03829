"""An auditor makes a pack with the button; whoever gets it reads it offline, in any browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from audit import bags, check_evidence, keys
from tests import request_site
from tests.functional.looking import Watch, look

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True, databases=["default", "log"])]


def test_from_the_button_to_a_page_read_offline(
    live_server: Any, sign_in: Any, browser: Browser, open_door: Any, watch: Watch, tmp_path: Path, screenshots: Path
) -> None:
    """Downloaded through the page, checked, unpacked, opened without a network: both themes, phone and desk."""
    request = request_site.make().released(title="Pay for a class in statistics")
    amir = sign_in("amir")
    amir.goto(f"/requests/{request.pk}/")
    amir.get_by_role("link", name="Evidence pack").click()
    amir.get_by_role("button", name="Make and download").click()
    expect(amir.get_by_role("alert")).to_contain_text("Why you need it")
    amir.get_by_label("Why you need it").fill("The yearly check")
    with amir.expect_download() as coming:
        amir.get_by_role("button", name="Make and download").click()
    pack = tmp_path / coming.value.suggested_filename
    coming.value.save_as(pack)
    expect(amir.locator("button[type=submit][aria-disabled]")).to_have_count(0, timeout=10_000)
    assert check_evidence.check(pack, key=str(keys.public())).verdict == "holds"
    page = bags.unpack(pack, tmp_path / "open") / "data" / "index.html"
    context = browser.new_context(offline=True)
    reader, asked = context.new_page(), list[str]()
    watch.over(reader)
    reader.on("request", lambda sent: asked.append(sent.url))
    reader.goto(page.as_uri())
    expect(reader.get_by_role("heading", level=1)).to_have_text(request.title)
    expect(reader.locator(".seg-dpvalue").first).to_be_visible()
    assert not look(reader, "evidence-offline", screenshots)
    assert asked == [page.as_uri()]
    assert reader.locator("script, link, img, iframe").count() == 0
    context.close()
