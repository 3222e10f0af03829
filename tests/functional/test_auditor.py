"""The auditor's desk in a real browser: a question answered from it, and every page of it looked at."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.db import connections
from playwright.sync_api import Page, expect

from audit import events, log, prompts
from audit.models import LogEntry, PromptRecord
from audit.segments import Synthetic
from synthesis import delivery
from synthesis.models import SynthesisRequest, Vote
from tests import request_site
from tests.append_only import triggers_lifted
from tests.functional.looking import arrive, look

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True, databases=["default", "log"])]


@pytest.fixture
def small(live_server: Any) -> request_site.Site:
    return request_site.make()


def downloaded(site: request_site.Site) -> SynthesisRequest:
    """A request that went the whole way, asked at least twice, its manifest taken once; the log is signed then."""
    request = site.released(title="Pay for a class in statistics")
    ask_again(request)
    grant = site.rosa.grants.get()
    delivery.accept_licence(by=site.rosa, grant=grant, version="1")
    delivery.redeem(by=site.rosa, token=delivery.make_link(by=site.rosa, grant=grant, file_name="manifest.json"))
    log.checkpoint()
    return request


def ask_again(request: SynthesisRequest) -> None:
    """One more recorded call with one other number: how many calls a run makes depends on its noise."""
    last = PromptRecord.objects.filter(run=str(request.run.pk)).latest("sequence")
    before = prompts.load_prompt(last)
    *first, told = before.messages
    changed = Synthetic(7, "settings:proposals")
    segments = [
        changed if isinstance(one, Synthetic) and one.origin == changed.origin else one for one in told.segments
    ]
    again = replace(before, messages=(*first, replace(told, segments=tuple(segments))))
    intent = prompts.record_intent(
        run=last.run, sequence=last.sequence + 1, attempt=1, endpoint=last.endpoint, prompt=again, by="system"
    )
    token = prompts.start_sending(intent.intent_id, lease_seconds=60)
    prompts.finish(intent.intent_id, token=token, answer=prompts.answer(last.intent_id), error="", usage={})


def see_the_exposure(page: Page) -> None:
    """What did the proposer see? The statement, narrowed to an endpoint, with the loss behind it."""
    page.get_by_role("link", name="Audit desk").click()
    page.get_by_role("link", name="What did a language model see?").click()
    page.get_by_label("Endpoint").select_option("embedded")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_role("heading", name="Privacy loss behind it")).to_be_visible()
    assert "endpoint=embedded" in page.url


def follow_one_number(page: Page, request: SynthesisRequest) -> None:
    """From the statement to the request's prompts, to what changed since the call before, to one number's charge."""
    page.get_by_role("link", name=request.title).click()
    page.get_by_role("link", name=re.compile("Question .*, attempt")).last.click()
    tree = page.get_by_role("navigation", name="Calls of this run")
    expect(tree.locator("[aria-current=page]")).to_have_text("Attempt 1")
    page.get_by_role("link", name=re.compile("Changes since")).click()
    expect(page.locator("ins.mark-new").first).to_be_visible()
    expect(page.locator("del.mark-gone").first).to_be_visible()
    page.get_by_role("link", name="Whole text").click()
    page.locator("a.seg-dpvalue").first.click()
    expect(page.get_by_text("before its noise was drawn")).to_be_visible()
    expect(page.get_by_text("stella, to be measured")).to_be_visible()


def prove_the_entry(page: Page) -> None:
    """The approval's entry, its exact bytes, and the proof that it is under the signed root."""
    page.locator("dd", has_text="to be measured").get_by_role("link").first.click()
    expect(page.get_by_role("region", name="Exact bytes")).to_contain_text("synthesis:vote:cast")
    expect(page.get_by_text("It is in the signed log.")).to_be_visible()


def check_the_log(page: Page) -> None:
    """The verifier that outsiders run, at the press of a button; then, after one more entry, no longer all green."""
    page.get_by_role("link", name="Audit log", exact=True).first.click()
    expect(page.get_by_text("Not checked yet.")).to_be_visible()
    page.get_by_role("button", name="Check now").click()
    expect(page.get_by_text("entries checked: the log holds.")).to_be_visible()
    expect(page.locator(".badge-good")).to_contain_text("all there are")


def take_the_list(page: Page) -> list[dict[str, Any]]:
    """A part of the log as a file, with a reason; a reason too short is refused and nothing is made."""
    page.goto("/log/?action=synthesis%3Avote")
    page.get_by_role("link", name="Export what fits these filters").click()
    page.get_by_label("Reason").fill("so")
    page.get_by_role("button", name="Make the file").click()
    expect(page.get_by_role("alert")).to_contain_text("Say in a few words")
    page.get_by_label("Reason").fill("Yearly review of votes")
    with page.expect_download() as coming:
        page.get_by_role("button", name="Make the file").click()
    return [json.loads(line) for line in coming.value.path().read_text().splitlines()]


def test_from_a_question_to_the_proof(small: request_site.Site, sign_in: Any, open_door: Any) -> None:
    """What did the model see of this dataset? An auditor answers from the desk, and proves the answer.

    Amir opens the exposure statement, narrows it, goes from its request to a prompt, sees what changed since the
    call before, follows one number to the charge that paid for it and to who approved that, reads the approval's
    entry with its exact bytes and its proof, has the log verified, and takes the votes as a file, which is logged.
    """
    request = downloaded(small)
    page = sign_in("amir")
    see_the_exposure(page)
    follow_one_number(page, request)
    prove_the_entry(page)
    check_the_log(page)
    votes = take_the_list(page)
    assert {vote["action"] for vote in votes} == {"synthesis:vote:cast"}
    assert len(votes) == 5
    made = LogEntry.objects.get(action="audit:list_export:made")
    assert b"Yearly review of votes" in bytes(made.leaf)
    page.goto("/log/check/")
    expect(page.locator(".badge-open")).to_contain_text(re.compile("newer entr(y was|ies were) not"))


def pages(site: request_site.Site) -> Iterator[tuple[str, str]]:
    request = downloaded(site)
    second = PromptRecord.objects.filter(run=str(request.run.pk)).latest("sequence")
    yield "desk", "/desk/"
    yield "desk-entry", "/log/entries/5/"
    yield "desk-prompt", f"/log/prompts/{second.intent_id}/"
    yield "desk-changes", f"/log/prompts/{second.intent_id}/?show=changes"
    yield "desk-exposure", "/desk/exposure/"
    yield "desk-ledger", "/desk/ledger/"
    yield "desk-statement", "/desk/exposure/statement/"
    yield "desk-duties", "/desk/duties/"
    yield "desk-duties-only", "/desk/duties/?only=conflicts"
    yield "desk-duties-count", "/desk/duties/count/"
    yield "desk-access", "/desk/access/"
    yield "desk-people", "/desk/access/people/"
    yield "desk-lineage", "/desk/lineage/"
    yield "desk-export", "/log/export/?by=system"
    yield "desk-check", "/log/check/"
    yield "desk-wrong-filter", "/log/?since=2026-13-45&mentions=x"


def test_every_page_of_the_desk(small: request_site.Site, sign_in: Any, open_door: Any, screenshots: Path) -> None:
    """axe finds nothing in either theme at either width, and nothing scrolls sideways on a narrow phone."""
    wrong: list[str] = []
    page = None
    for name, address in pages(small):
        page = page or sign_in("amir", reduced_motion="reduce")
        arrive(page, address)
        wrong += look(page, name, screenshots)
    assert not wrong, "\n".join(wrong)


def test_a_desk_with_nothing_on_it_says_so(small: request_site.Site, sign_in: Any, screenshots: Path) -> None:
    """Before anybody asked: what will stand there is said, and nothing is green that was not checked."""
    page = sign_in("amir")
    for address, says in {
        "/desk/exposure/": "Nothing was sent yet.",
        "/desk/duties/": "No request was submitted yet.",
        "/desk/access/": "Nothing was downloaded yet.",
        "/desk/access/grants/": "Nobody holds a grant",
        "/desk/lineage/": "No package was made yet.",
        "/log/check/": "This log was not checked here yet.",
    }.items():
        page.goto(address)
        expect(page.get_by_text(says)).to_be_visible()
        assert page.locator(".badge-good").count() == 0
    assert not look(page, "desk-check-empty", screenshots)


def test_what_is_wrong_stands_out(small: request_site.Site, sign_in: Any, screenshots: Path) -> None:
    """A vote moved to the dataset's owner behind the site's back, and an entry changed: both pages say so, in red."""
    request = small.submitted(title="A first look at pay")
    vote = small.vote(request, small.stella)
    Vote.objects.filter(pk=vote.pk).update(voter=small.owner)
    for number in range(60):
        events.append(action="test:thing:done", by="system", subject="thing:1", facts={"number": number})
    entry = LogEntry.objects.latest("index")
    with triggers_lifted(connections["log"]):
        LogEntry.objects.filter(pk=entry.pk).update(leaf=bytes(entry.leaf).replace(b"59", b"58"))
    page = sign_in("amir", reduced_motion="reduce")
    page.goto("/desk/duties/?only=conflicts")
    expect(page.get_by_text("Olivia owns the dataset and voted on it")).to_be_visible()
    wrong = look(page, "desk-conflict", screenshots)
    page.goto("/log/check/")
    page.get_by_role("button", name="Check now").click()
    expect(page.locator(".badge-bad")).to_contain_text("Does not hold.")
    expect(page.get_by_role("region", name="Findings")).to_contain_text(f"entry {entry.index}")
    wrong += look(page, "desk-broken", screenshots)
    page.goto("/log/")
    page.get_by_role("link", name="Older entries").click()
    expect(page.get_by_role("link", name="Newer entries")).to_be_visible()
    wrong += look(page, "desk-older", screenshots)
    assert not wrong, "\n".join(wrong)
