"""The whole way in a real browser, by five people; the workers' own functions run between their steps."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from llmsynthor_site import joining
from synthesis import running
from synthesis.models import SynthesisRequest
from tests import privacy_site, request_site

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True, databases=["default", "log"])]


@pytest.fixture
def people() -> None:
    privacy_site.make_keys()
    for name, role in [
        ("olivia", "owner"), ("stella", "steward"), ("stefan", "steward"), ("rosa", "researcher"), ("amir", "auditor"),
    ]:  # fmt: skip
        privacy_site.person(name, role)


def register(owner: Page, folder: Path) -> None:
    """The owner declares a table and hands in its file."""
    (folder / "d.json").write_text(privacy_site.declaration(title="Pay in a small town", publicLabels=True))
    (folder / "t.csv").write_bytes(request_site.table())
    owner.get_by_role("link", name="Datasets", exact=True).click()
    owner.get_by_role("link", name="Register a dataset").first.click()
    owner.get_by_label("Declaration").set_input_files(folder / "d.json")
    owner.get_by_label("Data file").set_input_files(folder / "t.csv")
    owner.get_by_role("button", name="Register").click()
    expect(owner.get_by_role("heading", level=1)).to_have_text("Pay in a small town")
    expect(owner.get_by_text("sealed as version 1")).to_be_visible()


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


def follow_the_run(researcher: Page, request: SynthesisRequest) -> None:
    """The researcher watches; the page follows by itself and stops asking when there is nothing more to see."""
    asked: list[str] = []
    researcher.on("request", lambda sent: asked.append(sent.url) if "/progress/" in sent.url else None)
    researcher.goto(f"/requests/{request.pk}/run/")
    expect(researcher.get_by_text("This page follows by itself")).to_be_visible()
    running.synthesise(str(request.pk))
    expect(researcher.get_by_role("heading", name="waiting for the output gate")).to_be_visible()
    expect(researcher.locator("svg.chart")).to_be_visible()
    expect(researcher.locator("#stages [aria-current]")).to_contain_text("Gate C")
    done = len(asked)
    researcher.wait_for_timeout(1500)
    assert len(asked) == done


def download(researcher: Page, request: SynthesisRequest) -> dict[str, Any]:
    """Terms, one file by its own link, and the receipt; the bytes are those the page promised."""
    researcher.goto("/")
    researcher.get_by_role("link", name=request.title).click()
    researcher.get_by_role("link", name="Download the package").click()
    researcher.get_by_role("button", name="Accept and go on").click()
    expect(researcher.get_by_role("alert")).to_contain_text("Accept the terms to go on")
    researcher.get_by_label("I have read these terms").check()
    researcher.get_by_role("button", name="Accept and go on").click()
    with researcher.expect_download() as coming:
        researcher.get_by_role("button", name="Download manifest.json").click()
    content = coming.value.path().read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    expect(researcher.locator("#receipts")).to_contain_text(digest, timeout=10_000)
    again = researcher.request.get(coming.value.url)
    assert again.status == 403
    assert "used already" in again.text()
    found: dict[str, Any] = json.loads(content)
    return found


def trace(auditor: Page, request: SynthesisRequest) -> None:
    """The auditor follows a prompt from the log, and a number in it to the charge that paid for it."""
    auditor.get_by_role("link", name="Audit log", exact=True).click()
    auditor.get_by_label("Action").select_option("audit:prompt:intent")
    auditor.get_by_role("button", name="Show").click()
    auditor.locator("tbody summary").first.click()
    auditor.get_by_role("link", name="Open the prompt").first.click()
    auditor.locator("a.seg-dpvalue").first.click()
    expect(auditor.get_by_role("heading", level=1)).to_contain_text("Charge")
    expect(auditor.get_by_text("before its noise was drawn")).to_be_visible()
    auditor.get_by_role("link", name=f"Request {request.reference}").click()
    expect(auditor.get_by_role("heading", level=1)).to_have_text(request.title)


def test_from_a_table_to_a_download(people: None, sign_in: Any, open_door: Any, tmp_path: Path) -> None:
    """An owner registers a table; a researcher asks; two stewards approve three times; the researcher downloads.

    Between their steps the measuring and the synthesising worker do their jobs. The auditor then follows one
    number of one prompt back to the charge that paid for it.
    """
    owner, rosa, stella, stefan = (sign_in(name) for name in ("olivia", "rosa", "stella", "stefan"))
    register(owner, tmp_path)
    request = ask(rosa)
    approve(stella, request, "Decide on measuring", sees="Exactly what would be counted")
    expect(stella.get_by_text("Votes stay hidden")).to_be_visible()
    approve(stefan, request, "Decide on measuring", sees="Exactly what would be counted")
    joining.measure(str(request.pk))
    approve(stella, request, "Decide on egress", sees="Released statistics")
    follow_the_run(rosa, request)
    for steward in (stella, stefan):
        approve(steward, request, "Decide on release", sees="Every released table, worst first")
    manifest = download(rosa, request)
    assert manifest["rows"] == 500
    assert manifest["request"] == str(request.pk)
    trace(sign_in("amir"), request)
