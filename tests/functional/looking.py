"""Looking at a page as a reader, a phone and an auditor of accessibility would."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
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


def look(page: Page, name: str, folder: Path) -> list[str]:
    """The page in both themes and at three widths: a screenshot each, and everything that is wrong with it."""
    wrong = []
    for theme in THEMES:
        page.emulate_media(color_scheme=theme)
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            page.screenshot(path=folder / f"{name}-{theme}-{width}.png", full_page=True)
            wrong += [f"{name} {theme} {width}: {found}" for found in violations(page)]
    page.set_viewport_size({"width": NARROWEST, "height": 900})
    if (over := page.evaluate("document.documentElement.scrollWidth - window.innerWidth")) > 0:
        wrong.append(f"{name}: scrolls {over} px sideways at {NARROWEST} px")
    return wrong


def violations(page: Page) -> list[str]:
    # Without "resultTypes" everything that passed is described too, which takes a third of the time.
    found = Axe().run(page, options={"runOnly": RULES, "resultTypes": ["violations"]}).response["violations"]
    return [f"{one['id']}: {one['nodes'][0]['html'][:200]}" for one in found]
