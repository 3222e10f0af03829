"""What people try that they may not, in the browser: each sees a page that says so plainly, and nothing happens."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from audit.models import LogEntry
from llmsynthor_site import services as people
from llmsynthor_site.models import User
from synthesis import delivery, reviewing
from synthesis.models import DownloadLink, Receipt, SynthesisRequest
from synthesis.states import RequestState
from tests import privacy_site, request_site
from tests.functional.conftest import PASSWORD
from tests.functional.steps import accept_the_terms, fetch, go_to_the_package

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True, databases=["default", "log"])]


@pytest.fixture
def small(live_server: Any) -> request_site.Site:
    return request_site.make()


def refused(page: Page, *words: str) -> None:
    """A page of the site's own that says what is not possible, that nothing was changed, and how to go on."""
    expect(page.get_by_role("heading", level=1)).to_have_text("You may not open this")
    for one in (*words, "Nothing was changed."):
        expect(page.locator("main")).to_contain_text(one)
    expect(page.get_by_role("link", name="Home").first).to_be_visible()


def not_there(page: Page) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_text("Page not found")
    expect(page.locator("main")).to_contain_text("There is nothing at this address, or nothing you may see.")


def in_the_log() -> int:
    return LogEntry.objects.count()


def became_steward(user: User, *, through: User) -> None:
    """The roles of asking and of deciding go together in nobody, but one may follow the other."""
    people.take_away_role(by=through, user=user, role="researcher", reason="Changes sides.")
    people.grant_role(by=None, user=user, role="steward")


def vote_from(page: Page, request: SynthesisRequest) -> dict[str, str | float | bool]:
    """What the confirmation page of a vote would send, from the session that this page belongs to."""
    token = page.locator("input[name=csrfmiddlewaretoken]").first.input_value()
    return {"csrfmiddlewaretoken": token, "decision": "approve", "seen": request.content_hash, "comment": ""}


def test_a_steward_cannot_approve_what_they_asked_for_themselves(small: request_site.Site, sign_in: Any) -> None:
    """Rosa asks, becomes a steward, and goes to addresses that no page offers her, at last with a vote in hand."""
    request = small.submitted()
    became_steward(small.rosa, through=small.ada)
    rosa, before = sign_in("rosa"), in_the_log()
    gate = f"/requests/{request.pk}/gate/measure/"
    rosa.goto(gate)
    vote = vote_from(rosa, request)
    expect(rosa.get_by_role("heading", level=1)).to_have_text("Gate A: measure")
    expect(rosa.get_by_role("link", name="Approve")).to_have_count(0)
    for address in (
        f"{gate}decide/?decision=approve&seen={request.content_hash}",
        f"/requests/{request.pk}/condition/?seen={request.content_hash}",
        f"/requests/{request.pk}/step/claim/",
    ):
        rosa.goto(address)
        refused(rosa)
    sent = rosa.request.post(f"{gate}decide/", form=vote)
    assert sent.status == 403
    assert "Stewards decide on requests of other people" in sent.text()
    assert not request.votes.exists()
    assert state_of(request) == RequestState.SUBMITTED
    assert in_the_log() == before


def state_of(request: SynthesisRequest) -> str:
    return SynthesisRequest.objects.get(pk=request.pk).state


def test_a_researcher_finds_nothing_at_the_address_of_anothers_run(small: request_site.Site, sign_in: Any) -> None:
    """Rival has Rosa's addresses: they look as if there were nothing there, just like one that was made up."""
    request = small.submitted(title="A title that tells")
    privacy_site.person("rival", "researcher")
    rival, before = sign_in("rival"), in_the_log()
    for page in ("", "run/", "prompts/", "compare/", "download/", "edit/", "step/withdraw/"):
        rival.goto(f"/requests/{request.pk}/{page}")
        not_there(rival)
        told = rival.content()
        assert request.title not in told, page
        rival.goto(f"/requests/{small.dataset.pk}/{page}")
        assert rival.content() == told, "a request of another's looks like none at all"
    assert state_of(request) == RequestState.SUBMITTED
    assert in_the_log() == before


def test_an_expired_link_and_a_recalled_package_give_nothing(
    small: request_site.Site, sign_in: Any, open_door: Any
) -> None:
    """Rosa comes back to a link after its time, and to the download page she left open after a recall."""
    request = small.released()
    rosa = sign_in("rosa")
    go_to_the_package(rosa, request)
    accept_the_terms(rosa)
    page = rosa.url
    fetch(rosa, "README.md")
    grant = small.rosa.grants.get()
    token = delivery.make_link(by=small.rosa, grant=grant, file_name="data.csv")
    grant.links.update(expires_at=timezone.now() - timedelta(seconds=1))
    before = in_the_log()
    rosa.goto(f"/downloads/{token}/")
    refused(rosa, "This link was used already or has expired. Make a new one on the download page.")

    rosa.goto(page)
    expect(rosa.get_by_role("button", name="Download data.csv")).to_be_visible()
    reviewing.recall(by=small.stella, request=SynthesisRequest.objects.get(), reason="A bound was wrong.")
    recalled, links = in_the_log(), DownloadLink.objects.count()
    rosa.get_by_role("button", name="Download data.csv").click()
    refused(rosa, "it is no longer released")
    rosa.goto(page)
    refused(rosa, "it is no longer released")
    assert recalled == before + 1, "the recall alone"
    assert in_the_log() == recalled
    assert DownloadLink.objects.count() == links
    assert [one.file_name for one in Receipt.objects.all()] == ["README.md"]


def test_a_role_taken_away_meanwhile_ends_the_session_and_the_vote_it_was_about_to_cast(
    small: request_site.Site, sign_in: Any
) -> None:
    """Stella has the confirmation page of her vote open when Ada takes her role away; then she presses the button."""
    request = small.submitted()
    stella = sign_in("stella")
    gate = f"/requests/{request.pk}/gate/measure/"
    stella.goto(gate)
    stella.get_by_role("link", name="Approve").click()
    people.take_away_role(by=small.ada, user=small.stella, role="steward", reason="Left the office.")
    before = in_the_log()
    stella.get_by_role("button", name="Approve").click()
    expect(stella.get_by_role("button", name="Sign in")).to_be_visible()
    assert not request.votes.exists()
    assert state_of(request) == RequestState.SUBMITTED
    assert in_the_log() == before
    stella.get_by_label("Username").fill("stella")
    stella.get_by_label("Password").fill(PASSWORD)
    stella.get_by_role("button", name="Sign in").click()
    refused(stella, "The gates are for the people who review requests.")
    assert not request.votes.exists()
