"""The whole way in a real browser, by five people; the workers' own functions run between their steps."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from llmsynthor_site import joining
from synthesis import running
from synthesis.models import SynthesisRequest
from tests import privacy_site, request_site
from tests.functional.steps import accept_the_terms, approve, ask, fetch, go_to_the_package

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
    go_to_the_package(researcher, request)
    researcher.get_by_role("button", name="Accept and go on").click()
    expect(researcher.get_by_role("alert")).to_contain_text("Accept the terms to go on")
    accept_the_terms(researcher)
    sent = fetch(researcher, "manifest.json")
    content = sent.path().read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    expect(researcher.locator("#receipts")).to_contain_text(digest, timeout=10_000)
    again = researcher.request.get(sent.url)
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
