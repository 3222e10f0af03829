"""Looking at a page as a reader, a phone and an auditor of accessibility would."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
OF_COLOUR = ["color-contrast", "link-in-text-block"]
THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
WIDTHS = (1280, 390)
NARROWEST = 320


@dataclass
class Watch:
    """Collects what the browser's console and scripts complain of, on every page it watches."""

    complaints: list[str] = field(default_factory=list)

    def over(self, page: Page) -> None:
        page.on("pageerror", lambda error: self.complaints.append(f"{page.url}: {error}"))
        page.on("console", lambda message: self._hear(page, message.type, message.text))

    def _hear(self, page: Page, kind: str, text: str) -> None:
        # A refusal (4xx) is an answer, and the browser notes every one; the tests look at those themselves.
        if kind == "error" and "the server responded with a status of 4" not in text:
            self.complaints.append(f"{page.url}: {text}")


def arrive(page: Page, address: str) -> None:
    """Open a page and wait for the parts that htmx loads into it; a page that goes on polling is never idle."""
    page.goto(address)
    expect(page.locator(".htmx-request, .htmx-swapping, .htmx-settling")).to_have_count(0)


def look(page: Page, name: str, folder: Path) -> list[str]:
    """The page in both themes and at three widths: everything that is wrong with it, and a screenshot of what is.

    Every state is pictured where SCREENSHOTS is set. The document is the same in both themes, which differ in
    colours: what is judged without looking at colours is judged once.
    """
    wrong = []
    for theme in THEMES:
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")  # no colour is judged half-way to another
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            found = violations(page, RULES if theme == THEMES[0] else OF_COLOUR)
            wrong += [f"{name} {theme} {width}: {one}" for one in found]
            if found or "SCREENSHOTS" in os.environ:
                page.screenshot(path=folder / f"{name}-{theme}-{width}.png", full_page=True)
    page.set_viewport_size({"width": NARROWEST, "height": 900})
    if (over := page.evaluate("document.documentElement.scrollWidth - window.innerWidth")) > 0:
        wrong.append(f"{name}: scrolls {over} px sideways at {NARROWEST} px")
    return wrong


def violations(page: Page, rules: list[str] = RULES) -> list[str]:
    """What axe finds wrong with the page as it is now: by these tags of rules, or these rules alone."""
    if page.evaluate("typeof axe") == "undefined":
        page.evaluate(Axe().axe_script)
    # Without "resultTypes" everything that passed is described too, which takes a third of the time.
    found = page.evaluate("options => axe.run(options)", {"runOnly": rules, "resultTypes": ["violations"]})
    return [f"{one['id']}: {one['nodes'][0]['html'][:200]}" for one in found["violations"]]
