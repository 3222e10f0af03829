"""More pages as they are looked at: comparisons, rehearsals, a registration step by step, caps and waivers."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from llmsynthor_site import rehearsing
from llmsynthor_site.models import User
from privacy import caps, drafts
from synthesis import simulating
from synthesis.models import Run, Simulation, SynthesisRequest
from tests import privacy_site, report_sample, request_site
from tests.functional.looking import arrive, look

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True, databases=["default", "log"])]


@pytest.fixture
def small(live_server: Any) -> request_site.Site:
    return request_site.make()


def every_page(site: request_site.Site) -> Iterator[tuple[str, str, str]]:
    """(who, name of the page, its address)."""
    submitted = site.submitted(title="A first look at pay", epsilon=Decimal(1))
    yield from rehearsal_pages(submitted)
    yield "stella", "condition", f"/requests/{submitted.pk}/condition/?seen={submitted.content_hash}"
    released = site.released(title="Pay for a class in statistics", rows=20_000)
    yield "rosa", "run-researcher", f"/requests/{released.pk}/run/"
    yield from compare_pages(released)
    yield "olivia", "access", f"/requests/of/{site.dataset.pk}/access/"
    yield from owner_pages(site, f"/datasets/{site.dataset.pk}/")


def compare_pages(released: SynthesisRequest) -> Iterator[tuple[str, str, str]]:
    """As it came out, and with the report of sixty columns in its place."""
    own, address = released.run.report, f"/requests/{released.pk}/compare/"
    yield "rosa", "compare", address
    for width in (1, 60):
        Run.objects.filter(pk=released.run.pk).update(report=report_sample.report(width))
        for show in ("columns", "pairs", "tables"):
            yield "stella", f"compare-{show}-{width}", f"{address}{show}/"
    yield "stella", "compare-none", f"{address}columns/?words=nobody"
    Run.objects.filter(pk=released.run.pk).update(report=own)


def rehearsal_pages(submitted: SynthesisRequest) -> Iterator[tuple[str, str, str]]:
    """A rehearsal that waits, its figures, and one that came to nothing."""
    stella, gate = User.objects.get(username="stella"), f"/requests/{submitted.pk}/gate/measure/"
    asked = simulating.ask_for(by=stella, request=submitted)
    yield "stella", "rehearsal-waiting", gate
    rehearsing.carry_out(str(asked.pk))
    yield "stella", "rehearsal", gate
    Simulation.objects.filter(pk=asked.pk).update(found=[], problem="it took longer than 4 minutes")
    yield "stella", "rehearsal-in-vain", gate


def owner_pages(site: request_site.Site, ds: str) -> Iterator[tuple[str, str, str]]:
    """A registration step by step, as begun and as finished; a higher cap; a waiver; the end of a version."""
    privacy_site.person("otto", "owner")
    yield "olivia", "draft-new", "/datasets/drafts/"
    draft = drafts.begin(by=site.owner, header="sex,age,pay,visited,remark", title="Pay, step by step")
    steps = f"/datasets/drafts/{draft.pk}/"
    for step in ("unit", "columns", "people", "check", "columns/0", "columns/3"):
        yield "olivia", f"draft-{step.replace('/', '-')}", f"{steps}{step}/"
    whole = privacy_site.declared(title="Pay, step by step")
    drafts.keep(by=site.owner, draft=draft, changes=whole, edition=draft.edition)
    yield "olivia", "draft-check-whole", f"{steps}check/"
    yield "olivia", "draft-delete", f"{steps}delete/"
    yield "olivia", "drafts", "/datasets/drafts/"
    yield "olivia", "caps-none", "/caps/"
    yield "olivia", "history", f"{ds}history/"
    yield "olivia", "cap-propose", f"{ds}cap/"
    proposed = caps.propose_raise(
        by=site.owner, population=site.dataset.population, rho=Decimal(3), reason="More is asked for than was foreseen."
    )
    yield "olivia", "cap-own", f"/caps/{proposed.pk}/"
    yield "otto", "cap-raise", f"/caps/{proposed.pk}/"
    yield "otto", "caps", "/caps/"
    yield "olivia", "waiver-sign", f"{ds}one-steward/"
    yield "olivia", "version-last-day", f"{ds}versions/1/last-day/"
    yield "olivia", "version-destroy", f"{ds}versions/1/destroy/"


def test_these_pages_in_both_themes_at_every_width(
    small: request_site.Site, sign_in: Any, open_door: Any, screenshots: Path
) -> None:
    """axe finds nothing, and nothing scrolls sideways on a narrow phone."""
    wrong: list[str] = []
    pages: dict[str, Page] = {}
    for who, name, address in every_page(small):
        if who not in pages:
            pages[who] = sign_in(who, reduced_motion="reduce")
        arrive(pages[who], address)
        wrong += look(pages[who], name, screenshots)
    assert not wrong, "\n".join(wrong)


def test_the_slider_and_the_field_go_together(small: request_site.Site, sign_in: Any, screenshots: Path) -> None:
    """Sliding towards accuracy raises epsilon, and the margins that the page shows at once become smaller."""
    page = sign_in("rosa")
    page.goto(f"/requests/new/?dataset={small.dataset.pk}")
    price, slider = page.locator("#price"), page.get_by_label("Or slide it")
    expect(price).to_contain_text("each column alone")
    before = price.inner_text()
    slider.focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    expect(page.get_by_label("Epsilon")).to_have_value("3")
    expect(price).to_contain_text("ε = 3")
    assert price.inner_text() != before
    page.get_by_label("Epsilon").fill("0.2")
    expect(slider).to_have_value("1")
    expect(price).to_contain_text("ε = 0.2")
    assert not look(page, "request-slider", screenshots)
