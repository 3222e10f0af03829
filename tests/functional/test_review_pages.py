"""The pages of the review and of the time after a release, looked at in both themes and at every width."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from privacy import caps
from synthesis import reviewing, services
from synthesis.models import SynthesisRequest
from tests import privacy_site, request_site
from tests.functional.looking import arrive, look

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True, databases=["default", "log"])]


@pytest.fixture
def small(live_server: Any) -> request_site.Site:
    return request_site.make()


def again(site: request_site.Site) -> SynthesisRequest:
    """A request that came back once and was submitted again."""
    request = site.submitted(title="Pay for a class")
    services.return_with_comments(by=site.stella, request=request, comment="Say who will use it, and for how long.")
    request.refresh_from_db()
    wish = request_site.WISH | {"title": "Pay for a class", "context": "Used in class by forty pupils until May."}
    services.edit_request(by=site.rosa, request=request, **wish)
    return services.submit(by=site.rosa, request=SynthesisRequest.objects.get(pk=request.pk))


def pages(site: request_site.Site) -> Iterator[tuple[str, str, str]]:
    request = again(site)
    address = f"/requests/{request.pk}/"
    yield "stella", "condition", f"{address}condition/?seen={request.content_hash}"
    yield "stella", "gate-changes", f"{address}gate/measure/"
    reviewing.claim(by=site.stefan, request=request)
    asked = {"text": "Delete it in May.", "seen": request.content_hash}
    reviewing.state_condition(by=site.stefan, request=SynthesisRequest.objects.get(pk=request.pk), **asked)
    yield "rosa", "request-condition", address
    yield "stella", "gate-claimed", f"{address}gate/measure/"
    draft = site.request(title="A draft with too few words")
    yield "rosa", "request-advice", f"/requests/{draft.pk}/"
    yield "rosa", "submit-advice", f"/requests/{draft.pk}/step/submit/"
    released = site.released(title="A package that is recalled")
    yield "stella", "recall", f"/requests/{released.pk}/step/recall/"
    reviewing.recall(by=site.stella, request=released, reason="A rule was declared wrongly.")
    yield "stella", "recalled-steward", f"/requests/{released.pk}/"
    yield "rosa", "recalled-requester", f"/requests/{released.pk}/"
    yield "rosa", "settings", "/settings/"
    yield "rosa", "catalogue", "/datasets/"
    yield "rosa", "catalogue-none", "/datasets/?words=zebra"
    yield "olivia", "caps-none", "/caps/"
    yield "olivia", "cap-propose", f"/datasets/{site.dataset.pk}/cap/"
    population = site.dataset.population
    proposal = caps.propose_raise(by=site.owner, population=population, rho=Decimal(3), reason="A second study.")
    privacy_site.person("oscar", "owner")
    yield "olivia", "caps", "/caps/"
    yield "oscar", "cap-raise", f"/caps/{proposal.pk}/"


def test_every_page_of_the_review(small: request_site.Site, sign_in: Any, open_door: Any, screenshots: Path) -> None:
    """axe finds nothing in either theme at either width, and nothing scrolls sideways on a narrow phone."""
    wrong: list[str] = []
    people: dict[str, Page] = {}
    for who, name, address in pages(small):
        if who not in people:
            people[who] = sign_in(who, reduced_motion="reduce")
        arrive(people[who], address)
        wrong += look(people[who], name, screenshots)
    assert not wrong, "\n".join(wrong)


def test_from_a_conditional_approval_to_an_acknowledged_recall(
    small: request_site.Site, sign_in: Any, open_door: Any
) -> None:
    """Stella approves on a condition, Rosa accepts it; later Stefan recalls the package and Rosa acknowledges."""
    request = small.submitted()
    stella, rosa = sign_in("stella"), sign_in("rosa")
    stella.goto(f"/requests/{request.pk}/gate/measure/")
    stella.get_by_role("link", name="State a condition").click()
    stella.get_by_label("The condition").fill("Delete every copy in May.")
    stella.get_by_role("button", name="Ask the requester").click()
    expect(stella.get_by_text("The requester is asked")).to_be_visible()
    rosa.goto(f"/requests/{request.pk}/")
    expect(rosa.get_by_text("Delete every copy in May.")).to_be_visible()
    rosa.get_by_role("link", name="Accept the condition").click()
    rosa.get_by_role("button", name="Accept").click()
    expect(rosa.get_by_text("Accepted: the approval counts.")).to_be_visible()
    done = small.released(title="The second one", epsilon=Decimal(1))
    reviewing.recall(by=small.stefan, request=done, reason="A rule was wrong.")
    rosa.goto(f"/requests/{done.pk}/")
    rosa.get_by_role("link", name="Acknowledge the recall").click()
    rosa.get_by_role("button", name="Acknowledge").click()
    expect(rosa.get_by_text("The stewards see that you know.")).to_be_visible()
    stella.goto(f"/requests/{done.pk}/")
    expect(stella.get_by_text("Acknowledged", exact=True)).to_be_visible()
