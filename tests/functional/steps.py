"""What people do in more than one journey: asking, voting at a gate, accepting the terms and downloading."""

from __future__ import annotations

import re

from playwright.sync_api import Download, Page, expect

from synthesis.models import SynthesisRequest


def ask(researcher: Page) -> SynthesisRequest:
    """The researcher finds the dataset, says what for, and submits."""
    researcher.get_by_role("link", name="Datasets", exact=True).click()
    researcher.get_by_role("link", name="Pay in a small town").click()
    expect(researcher.get_by_text("Rows read")).to_have_count(0)
    researcher.get_by_role("link", name="Ask for a synthetic table").click()
    researcher.get_by_label("Title").fill("Pay for a class in statistics")
    researcher.get_by_label("Purpose").fill("To teach regression.")
    researcher.get_by_label("Context").fill("One class, on school computers; nothing is published.")
    researcher.get_by_label("Number of synthetic rows").fill("500")
    researcher.get_by_label("Epsilon").fill("4")
    expect(researcher.locator("#price")).to_contain_text("right at most about")
    researcher.get_by_role("button", name="Save draft").dblclick()
    researcher.get_by_role("link", name="Submit for review").click()
    researcher.get_by_role("button", name="Submit for review").click()
    expect(researcher.get_by_text("data stewards now decide")).to_be_visible()
    return SynthesisRequest.objects.get()  # the double click made one request, not two


def approve(steward: Page, request: SynthesisRequest, gate: str, *, sees: str) -> None:
    """A steward finds the request on the home page, reads the gate's page, and confirms."""
    steward.goto("/")
    steward.get_by_role("link", name=request.title).click()
    steward.get_by_role("link", name=re.compile(f"^{gate}")).first.click()
    expect(steward.get_by_text(sees).first).to_be_visible()
    steward.get_by_role("link", name="Approve").click()
    steward.get_by_role("button", name="Approve").click()
    expect(steward.get_by_text("Your vote is recorded.")).to_be_visible()


def go_to_the_package(researcher: Page, request: SynthesisRequest) -> None:
    researcher.goto("/")
    researcher.get_by_role("link", name=request.title).click()
    researcher.get_by_role("link", name="Download the package").click()


def accept_the_terms(researcher: Page) -> None:
    researcher.get_by_label("I have read these terms").check()
    researcher.get_by_role("button", name="Accept and go on").click()


def fetch(researcher: Page, file_name: str) -> Download:
    """One file of the package, by its own link."""
    with researcher.expect_download() as coming:
        researcher.get_by_role("button", name=f"Download {file_name}").click()
    return coming.value
