"""The report of a package, as whoever downloads it opens it: offline, in both themes, on a phone and on paper."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from audit import documents
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


def test_the_public_catalogue_shows_permitted_uses_by_their_codes(
    browser: Browser, watch: Watch, tmp_path: Path, screenshots: Path
) -> None:
    """The page over what is catalogued, with a data set's DUO codes, opens from any web server as the report does."""
    uses = [
        {"code": f"DUO:{at:07d}", "words": f"permitted for purpose {at}, and what follows from it"} for at in (6, 42)
    ]
    known = report_sample.FACTS | {"uses": uses, "sha256": "ab" * 32, "columns": [{"name": "column_0"}]}
    words = {
        "found": [known, known | {"package": "other", "uses": []}],
        "publisher": "City Hospital",
        "site": "https://x.example",
    }
    file = tmp_path / "index.html"
    file.write_text(documents.written("package/catalogue.html", words), encoding="utf-8")
    reader = browser.new_page()
    watch.over(reader)
    reader.goto(file.as_uri())
    expect(reader.get_by_text("(DUO:0000042)")).to_be_visible()
    assert not look(reader, "catalogue", screenshots)
    reader.close()


def test_names_fit_beside_their_bars(browser: Browser, tmp_path: Path) -> None:
    """The widest names that are drawn begin within the drawing."""
    report = report_sample.report(5)
    names = ("W" * 20, "EMERGENCY WARD NORTH", "20300102030405", "日" * 20, "x" * 9)
    for one, name in zip(report["columns"], names, strict=True):
        one["values"][0]["value"] = name
    file = tmp_path / "report.html"
    file.write_text(page(report, report_sample.FACTS), encoding="utf-8")
    reader = browser.new_page()
    reader.goto(file.as_uri())
    expect(reader.get_by_text("x" * 9, exact=True).first).to_be_attached()
    begun = "[...document.querySelectorAll('.grid svg text')].map(one => one.getBBox().x)"
    assert min(reader.evaluate(begun)) >= 0
    reader.close()


def test_hostile_labels_stay_text(browser: Browser, tmp_path: Path) -> None:
    """A category that reads as a script is shown as the text that it is."""
    file = tmp_path / "report.html"
    file.write_text(page(report_sample.report(5), report_sample.FACTS), encoding="utf-8")
    reader = browser.new_page()
    reader.goto(file.as_uri())
    reader.locator("#columns ~ .grid > div summary").first.click()
    expect(reader.get_by_text("<script>alert(1)</script>").first).to_be_visible()
