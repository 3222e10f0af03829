"""One table's whole life in the browser: six people in all five roles, from registration to an acknowledged recall."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from llmsynthor_site import joining
from synthesis import running
from synthesis.models import SynthesisRequest
from tests import privacy_site, request_site
from tests.functional.steps import accept_the_terms, approve, ask, fetch, go_to_the_package

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True, databases=["default", "log"])]

COLUMNS = {
    "sex": "one of: f, m",
    "age": "whole number 0 to 99",
    "pay": "number 0 to 100",
}

# What the log must tell, in this order; between these steps it tells more.
STORY = [
    ("site:people_change:proposed", "user:ada"),
    ("site:role:granted", "user:olivia"),
    ("privacy:dataset:registered", "user:olivia"),
    ("privacy:upload:accepted", "user:olivia"),
    ("synthesis:request:created", "user:rosa"),
    ("synthesis:request:submitted", "user:rosa"),
    ("synthesis:vote:cast", "user:stella"),
    ("synthesis:vote:cast", "user:stefan"),
    ("privacy:release:opened", "system"),
    ("privacy:release:measured", "system"),
    ("synthesis:vote:cast", "user:stefan"),
    ("synthesis:run:started", "system"),
    ("synthesis:package:built", "system"),
    ("synthesis:vote:cast", "user:stella"),
    ("synthesis:vote:cast", "user:stefan"),
    ("synthesis:grant:issued", "system"),
    ("synthesis:licence:accepted", "user:rosa"),
    ("synthesis:download:served", "user:rosa"),
    ("synthesis:request:recalled", "user:stella"),
    ("synthesis:request:recall_acknowledged", "user:rosa"),
]


@pytest.fixture
def people() -> None:
    """Everybody but the researcher has a role already."""
    privacy_site.make_keys()
    for name, role in [
        ("ada", "admin"), ("olivia", "owner"), ("stella", "steward"), ("stefan", "steward"), ("amir", "auditor"),
    ]:  # fmt: skip
        privacy_site.person(name, role)
    privacy_site.person("rosa")


def give_a_role(admin: Page, owner: Page) -> None:
    """An administrator proposes that Rosa may ask for tables; an owner confirms."""
    admin.get_by_role("link", name="People", exact=True).click()
    admin.get_by_role("link", name="rosa").click()
    admin.get_by_role("link", name="Propose a role").click()
    admin.get_by_label("Researcher").check()
    admin.get_by_label("Why").fill("Teaches statistics.")
    admin.get_by_role("button", name="Propose").click()
    owner.goto("/")
    owner.get_by_role("link", name="Grant a role: Researcher, rosa").click()
    owner.get_by_role("button", name="Confirm").click()
    expect(owner.get_by_text("Confirmed. It counts from now on.")).to_be_visible()


def register_step_by_step(owner: Page, folder: Path) -> None:
    """Source, privacy unit, columns, people and cap, a look at all of it; then the file."""
    owner.get_by_role("link", name="Datasets", exact=True).click()
    owner.get_by_role("link", name="Register a dataset").first.click()
    owner.get_by_role("link", name="step by step").click()
    owner.get_by_label("Title").fill("Pay in a small town")
    owner.get_by_label("Header line").fill(",".join(COLUMNS))
    owner.get_by_role("button", name="Begin").click()
    owner.get_by_label("Who is protected, in words").fill("one person")
    owner.get_by_role("button", name="Keep and go on").click()
    for name, words in COLUMNS.items():
        say_what_is_in(owner, name, words)
    owner.get_by_role("link", name="Go on to people and cap").click()
    owner.get_by_label("Purposes").fill("teaching")
    owner.get_by_label("Population").fill("people of the town")
    owner.get_by_label("Cap: most privacy loss").fill("8")
    owner.get_by_label("at delta").fill("1e-6")
    owner.get_by_label("Names and labels of columns are public").check()
    owner.get_by_role("button", name="Keep and go on").click()
    expect(owner.get_by_role("heading", level=1)).to_have_text("Check your answers")
    expect(owner.get_by_text("Still to declare")).to_have_count(0)
    owner.get_by_role("button", name="Register").click()
    hand_in(owner, folder)


def say_what_is_in(owner: Page, name: str, words: str) -> None:
    owner.get_by_role("link", name=name, exact=True).click()
    owner.get_by_label("What is in it, in a few words").fill(words)
    owner.get_by_role("button", name="Keep").click()
    expect(owner.get_by_text(f"{name}: kept.")).to_be_visible()
    owner.get_by_role("navigation", name="Steps").get_by_role("link", name="Columns").click()


def hand_in(owner: Page, folder: Path) -> None:
    (folder / "t.csv").write_bytes(request_site.table())
    owner.get_by_label("File").set_input_files(folder / "t.csv")
    owner.get_by_role("button", name="Upload and seal").click()
    expect(owner.get_by_text("sealed as version 1")).to_be_visible()


def pass_the_gates(stella: Page, stefan: Page, request: SynthesisRequest) -> None:
    """Both stewards at gate A; one at gate B, since nothing leaves the house; both at gate C."""
    for steward in (stella, stefan):
        approve(steward, request, "Decide on measuring", sees="Exactly what would be counted")
    joining.measure(str(request.pk))
    approve(stefan, request, "Decide on egress", sees="Released statistics")
    running.synthesise(str(request.pk))
    for steward in (stella, stefan):
        approve(steward, request, "Decide on release", sees="Every released table, worst first")


def download(researcher: Page, request: SynthesisRequest) -> None:
    """The terms, the table, and a receipt that names its bytes."""
    go_to_the_package(researcher, request)
    accept_the_terms(researcher)
    content = fetch(researcher, "data.csv").path().read_bytes()
    assert content.startswith(b"sex,age,pay")
    assert len(content.splitlines()) == 501
    expect(researcher.locator("#receipts")).to_contain_text(hashlib.sha256(content).hexdigest(), timeout=10_000)


def recall(steward: Page, request: SynthesisRequest) -> None:
    steward.goto(request.get_absolute_url())
    steward.get_by_role("link", name="Recall").click()
    steward.get_by_label("Reason").fill("The bounds of pay were declared wrongly.")
    steward.get_by_role("button", name="Recall").click()
    expect(steward.get_by_text("The package is recalled.")).to_be_visible()
    expect(steward.get_by_text("Not yet", exact=True)).to_be_visible()


def acknowledge(researcher: Page, request: SynthesisRequest) -> None:
    """The researcher is told on the home page, finds the download gone, and says that she knows."""
    researcher.goto("/")
    researcher.get_by_role("link", name=request.title).first.click()
    expect(researcher.get_by_role("link", name="Download the package")).to_have_count(0)
    researcher.get_by_role("link", name="Acknowledge the recall").click()
    researcher.get_by_role("button", name="Acknowledge").click()
    expect(researcher.get_by_text("The stewards see that you know.")).to_be_visible()


def read_the_log(auditor: Page) -> list[tuple[str, str]]:
    """Every entry's action and who did it, oldest first, as the auditor pages back through the log."""
    follow(auditor, auditor.get_by_role("link", name="Audit log", exact=True))
    newest_first: list[tuple[str, str]] = []
    while True:
        rows = auditor.locator("table.log tbody tr").all()
        newest_first += [(row.locator("code").inner_text(), by_whom(row)) for row in rows]
        older = auditor.get_by_role("link", name="Older entries")
        if not older.count():
            return newest_first[::-1]
        follow(auditor, older)


def follow(page: Page, link: Locator) -> None:
    """To the end of loading: what is read from a page at once, without waiting for it, must be there."""
    with page.expect_navigation():
        link.click()


def by_whom(row: Any) -> str:
    found: str = row.locator("[data-label=By]").inner_text()
    return found


def left_out(story: list[tuple[str, str]], log: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The steps of the story from the first one on that the log does not tell after those before it."""
    told = iter(log)
    return [step for step in story if step not in told]


def test_six_people_from_a_registration_to_a_recall(people: None, sign_in: Any, open_door: Any, tmp_path: Path) -> None:
    """The script:

    1. Ada, an administrator, proposes that Rosa becomes a researcher; Olivia, a data owner, confirms.
    2. Olivia registers a table of three columns step by step, and hands in its file.
    3. Rosa finds it in the catalogue, says what for, and submits her request.
    4. Stella and Stefan, the stewards, approve the measuring; the measuring worker does its job.
    5. Stefan approves what the proposer may be told; the synthesising worker does its job.
    6. Stella and Stefan approve the release.
    7. Rosa accepts the terms and downloads the table.
    8. Stella finds that a bound was declared wrongly and recalls the package.
    9. Rosa can download nothing any more, and acknowledges the recall; Stella sees that she did.
    10. Amir, the auditor, reads the log back to the beginning: every step is there, in order, with who took it.
    """
    olivia, stella, stefan = (sign_in(name) for name in ("olivia", "stella", "stefan"))
    give_a_role(sign_in("ada"), olivia)
    register_step_by_step(olivia, tmp_path)
    rosa = sign_in("rosa")
    request = ask(rosa)
    pass_the_gates(stella, stefan, request)
    download(rosa, request)
    recall(stella, request)
    acknowledge(rosa, request)
    stella.goto(request.get_absolute_url())
    expect(stella.get_by_text("Acknowledged", exact=True)).to_be_visible()
    log = read_the_log(sign_in("amir"))
    assert not left_out(STORY, log), log
