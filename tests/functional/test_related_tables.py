"""Related tables through a browser: an owner hands in three files, and a researcher downloads three again."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from llmsynthor_site import joining
from synthesis import running
from synthesis.models import SynthesisRequest
from tests import diary_site, privacy_site
from tests.functional import looking
from tests.functional.test_journey import approve

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True, databases=["default", "log"])]
TITLE = "Days of a small town"
FILES = ("households.csv", "persons.csv", "trips.csv")


@pytest.fixture
def people() -> None:
    privacy_site.make_keys()
    for name, role in [("olivia", "owner"), ("stella", "steward"), ("stefan", "steward"), ("rosa", "researcher")]:
        privacy_site.person(name, role)


def register(owner: Page, folder: Path) -> None:
    """First with a file that does not fit, then with all as they should be."""
    files = diary_site.files(300)
    first = files["trips.csv"].split(b"\n")[1].split(b",")
    broken = b",".join([*first[:4], b"elsewhere", *first[5:]])
    files["trips.csv"] = files["trips.csv"].replace(b",".join(first), broken, 1)
    (folder / "d.json").write_text(diary_site.declaration())
    lost = {"wrong/trips.csv": files["trips.csv"] + b"t,nobody,work,8,1,1,bus\n"}
    for name, content in (files | lost).items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
    owner.goto("/datasets/new/")
    owner.get_by_label("Declaration").set_input_files(folder / "d.json")
    wrong = [folder / "households.csv", folder / "persons.csv", folder / "wrong" / "trips.csv"]
    owner.get_by_label("Data file").set_input_files(wrong)
    owner.get_by_role("button", name="Register").click()
    expect(owner.get_by_text("trips.person_id: a key names no row of persons")).to_be_visible()
    owner.get_by_label("Declaration").set_input_files(folder / "d.json")
    owner.get_by_label("Data file").set_input_files([folder / name for name in FILES])
    owner.get_by_role("button", name="Register").click()
    expect(owner.get_by_text("sealed as version 1")).to_be_visible()
    expect(owner.get_by_text("trips.purpose", exact=True)).to_be_visible()
    expect(owner.get_by_text("as far as measured classes tell: 1. They are counted")).to_be_visible()
    look(owner, "dataset", folder)


def look(page: Page, name: str, folder: Path) -> None:
    assert looking.look(page, name, folder) == []
    page.set_viewport_size({"width": 1280, "height": 900})


def ask(researcher: Page) -> SynthesisRequest:
    researcher.goto("/datasets/")
    researcher.get_by_role("link", name=TITLE).click()
    researcher.get_by_role("link", name="Ask for a synthetic table").click()
    researcher.get_by_label("Title").fill("Days for a class")
    researcher.get_by_label("Purpose").fill("To teach.")
    researcher.get_by_label("Context").fill("One class.")
    researcher.get_by_label("Number of synthetic rows").fill("120")
    researcher.get_by_label("Epsilon").fill("3")
    researcher.get_by_role("button", name="Save draft").click()
    researcher.get_by_role("link", name="Submit for review").click()
    researcher.get_by_role("button", name="Submit for review").click()
    expect(researcher.get_by_text("data stewards now decide")).to_be_visible()
    return SynthesisRequest.objects.get()


def downloaded(researcher: Page, request: SynthesisRequest, name: str) -> list[dict[str, str]]:
    researcher.goto(f"/requests/{request.pk}/download/")
    with researcher.expect_download() as coming:
        researcher.get_by_role("button", name=f"Download {name}").click()
    return list(csv.DictReader(io.StringIO(coming.value.path().read_text())))


def test_days_from_three_files_to_three_files(people: None, sign_in: Any, open_door: Any, tmp_path: Path) -> None:
    owner, rosa, stella, stefan = (sign_in(name) for name in ("olivia", "rosa", "stella", "stefan"))
    register(owner, tmp_path)
    request = ask(rosa)
    for steward in (stella, stefan):
        approve(steward, request, "Decide on measuring", sees="The unit is one row of")
    stella.goto(f"/requests/{request.pk}/gate/measure/")
    look(stella, "measure", tmp_path)
    joining.measure(str(request.pk))
    approve(stella, request, "Decide on egress", sees="pooled, in votes")
    running.synthesise(str(request.pk))
    for steward in (stella, stefan):
        approve(steward, request, "Decide on release", sees="names a row of persons in every one of them")
    stella.goto(f"/requests/{request.pk}/gate/output/")
    look(stella, "output", tmp_path)
    rosa.goto(f"/requests/{request.pk}/download/")
    rosa.get_by_label("I have read these terms").check()
    rosa.get_by_role("button", name="Accept and go on").click()
    homes, persons, trips = (downloaded(rosa, request, name) for name in FILES)
    assert [home["household_id"] for home in homes] == [str(key) for key in range(1, 121)]
    assert {person["household_id"] for person in persons} == {home["household_id"] for home in homes}
    assert {trip["person_id"] for trip in trips} <= {person["person_id"] for person in persons}
    ends = {trip["person_id"]: trip["purpose"] for trip in trips}  # the last of each
    assert set(ends.values()) == {"home"}
