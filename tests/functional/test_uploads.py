"""Declarations and files that do not fit: every problem named by column and rule, and nothing half-saved."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from privacy.models import Dataset, DatasetVersion, LedgerEntry
from tests import privacy_site

pytestmark = pytest.mark.django_db(databases=["default", "log"])
SECRET = "secretvalue"  # a cell, which must never be shown


@pytest.fixture
def owner(client: Client) -> Client:
    privacy_site.make_keys()
    client.force_login(privacy_site.person("olivia", "owner"))
    return client


def register(owner: Client, declaration: str, file: bytes | None = None) -> Any:
    given: dict[str, Any] = {"title": "", "declaration": SimpleUploadedFile("d.json", declaration.encode())}
    if file is not None:
        given["file"] = SimpleUploadedFile("t.csv", file)
    return owner.post(reverse("dataset-register"), given)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"privacyUnit": None}, "The schema needs &#x27;privacyUnit&#x27;"),
        ({"cap": None}, "The schema needs &#x27;cap&#x27;"),
        ({"fields": []}, "&#x27;fields&#x27; must be a list"),
        ({"surprise": 1}, "&#x27;surprise&#x27;"),
    ],
)
def test_a_declaration_with_a_problem_keeps_nothing(owner: Client, changes: dict[str, Any], message: str) -> None:
    answer = register(owner, privacy_site.declaration(**changes), privacy_site.table())
    shown = answer.content.decode()
    assert answer.status_code == 422
    assert message in shown
    assert "Nothing was saved" in shown
    assert not Dataset.objects.exists()
    assert not LedgerEntry.objects.exists()


def test_a_declaration_that_is_no_json(owner: Client) -> None:
    answer = register(owner, f"{{{SECRET}")
    assert "valid JSON" in answer.content.decode()
    assert SECRET not in answer.content.decode()


def test_another_cap_for_the_same_people_is_refused(owner: Client) -> None:
    assert register(owner, privacy_site.declaration()).status_code == 302
    answer = register(owner, privacy_site.declaration(cap={"rho": "5", "delta": "1e-6"}))
    assert "declared before with another cap" in answer.content.decode()
    assert Dataset.objects.count() == 1


@pytest.mark.parametrize(
    ("file", "message"),
    [
        (b"sex;age;pay\nf;3;2\n", "separated by a semicolon"),
        (b"sex,age\nf,3\n", "Column pay"),
        (b"sex,age,pay,extra\nf,3,2,1\n", "Columns that are not declared: 1"),
        (b"sex,age,pay\n" + SECRET.encode() + b",3,2\n", "Column sex"),
        (b"sex,age,pay\nf,3,101\n", "Column pay: a value is not a number from 0 to 100 (line 2)"),
    ],
)
def test_a_file_that_does_not_fit(owner: Client, file: bytes, message: str) -> None:
    """Nothing of either file is kept, population and cap are not settled, and cells are shown nowhere."""
    answer = register(owner, privacy_site.declaration(), file)
    shown = answer.content.decode()
    assert answer.status_code == 422
    assert message in shown
    assert SECRET not in shown
    assert not Dataset.objects.exists()
    assert not LedgerEntry.objects.exists()
    assert not DatasetVersion.objects.exists()


def test_an_empty_file_and_one_over_the_limit(owner: Client, settings: Any) -> None:
    register(owner, privacy_site.declaration())
    address = reverse("dataset-upload", args=[Dataset.objects.get().pk])
    empty = owner.post(address, {"file": SimpleUploadedFile("t.csv", b"")})
    assert "The file is empty" in empty.content.decode()
    settings.LIMITS = settings.LIMITS | {"upload_bytes": 10}
    large = owner.post(address, {"file": SimpleUploadedFile("t.csv", privacy_site.table())})
    assert "larger than the limit" in large.content.decode()
    assert not DatasetVersion.objects.exists()


def test_the_dataset_page_tells_the_next_action_until_there_is_data(owner: Client) -> None:
    address = register(owner, privacy_site.declaration(title="Small"))["Location"]
    assert "No data yet" in owner.get(address).content.decode()
    upload = reverse("dataset-upload", args=[Dataset.objects.get().pk])
    owner.post(upload, {"file": SimpleUploadedFile("t.csv", privacy_site.table())})
    shown = owner.get(address).content.decode()
    assert "Can be asked for" in shown
    assert json.loads(Dataset.objects.get().declaration)["title"] == "Small"
