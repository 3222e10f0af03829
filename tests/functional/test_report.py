"""The report of a package, as whoever downloads it opens it: offline, in both themes, on a phone and on paper."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from synthesis.report.page import page
from tests import report_sample
from tests.functional.looking import Watch, look

pytestmark = pytest.mark.browser


PANELS = {
    "held": "kept from whoever made the table", "sampling": "is such sampling", "disclosure": "of 3,977 distinct ones",
}  # fmt: skip
"""Parts of the report that only some packages have, by what they say."""


@pytest.mark.parametrize("width", [5, 20, 60])
def test_it_opens_offline_with_few_and_many_columns(
    width: int, browser: Browser, watch: Watch, tmp_path: Path, screenshots: Path
) -> None:
    """Nothing is fetched, no script runs, axe finds nothing, every column and panel is there, and it prints."""
    file = tmp_path / "report.html"
    file.write_text(page(report_sample.report(width), report_sample.EVERY_PANEL), encoding="utf-8")
    context = browser.new_context(offline=True)
    reader, asked = context.new_page(), list[str]()
    watch.over(reader)
    reader.on("request", lambda sent: asked.append(sent.url))
    reader.goto(file.as_uri())
    expect(reader.get_by_role("heading", level=1)).to_have_text("Admissions, synthetic")
    assert not look(reader, f"report-{width}", screenshots)
    assert reader.locator("#columns ~ .grid > div").count() == width
    assert asked == [file.as_uri()]
    assert reader.locator("script, link, img, iframe").count() == 0
    for name, words in PANELS.items():
        expect(reader.locator(f"#{name}, #{name} + p, #{name} + ul").filter(has_text=words)).to_have_count(1)
    expect(reader.get_by_text("One steward decided")).to_be_visible()
    on_paper(reader)
    context.close()


def on_paper(reader: Page) -> None:
    """Dark screens print black on white, nothing is cut off at the edge of the sheet, and there is no bar to scroll."""
    reader.emulate_media(media="print", color_scheme="dark")
    reader.set_viewport_size({"width": 718, "height": 1000})  # A4 between margins of a centimetre
    colours = "[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]"
    assert reader.evaluate(colours) == ["rgb(0, 0, 0)", "rgb(255, 255, 255)"]
    wide = "[...document.querySelectorAll('table, svg, p, li')].filter(one => one.getBoundingClientRect().right > 719)"
    assert reader.evaluate(f"{wide}.map(one => one.outerHTML.slice(0, 120))") == []
    assert len(reader.pdf(format="A4")) > 10_000


def test_hostile_labels_stay_text(browser: Browser, tmp_path: Path) -> None:
    """A category that reads as a script is shown as the text that it is."""
    file = tmp_path / "report.html"
    file.write_text(page(report_sample.report(5), report_sample.FACTS), encoding="utf-8")
    reader = browser.new_page()
    reader.goto(file.as_uri())
    reader.locator("#columns ~ .grid > div summary").first.click()
    expect(reader.get_by_text("<script>alert(1)</script>").first).to_be_visible()
