"""Registering step by step: from a header line or a codebook to a dataset; nothing that was typed is lost."""

from __future__ import annotations

import json
from html import unescape
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from llmsynthor_site.models import User
from privacy.models import Dataset, DeclarationDraft
from tests import privacy_site
from tests.codebooks import TABLE_SCHEMA

pytestmark = pytest.mark.django_db(databases=["default", "log"], transaction=True)

UNIT = {"kind": "row", "means": "one person", "no_identifier": "drop"}
PEOPLE = {"title": "Pay", "population": "people", "epsilon": "4", "delta": "1e-6", "purposes": "teaching\nplanning"}


@pytest.fixture
def owner() -> Client:
    return client_of(privacy_site.person("olivia", "owner"))


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def begun(owner: Client, header: str = "sex,age,pay,note") -> DeclarationDraft:
    assert owner.post("/datasets/drafts/", {"title": "Pay", "header": header}).status_code == 302
    return DeclarationDraft.objects.latest("changed_at")


def read(client: Client, draft: DeclarationDraft, step: str) -> str:
    found = client.get(f"/datasets/drafts/{draft.pk}/{step}/")
    assert found.status_code == 200
    return unescape(found.content.decode())


def answer(client: Client, draft: DeclarationDraft, step: str, **given: Any) -> Any:
    """Send one page as it stands now, with its edition unless another is given."""
    draft.refresh_from_db()
    sent = client.post(f"/datasets/drafts/{draft.pk}/{step}/", {"edition": draft.edition} | given)
    if DeclarationDraft.objects.filter(pk=draft.pk).exists():
        draft.refresh_from_db()
    return sent


def test_from_a_header_line_to_a_dataset(owner: Client) -> None:
    """Unit, columns in a few words, people and cap, a look at all of it, and it is registered."""
    draft = begun(owner)
    answer(owner, draft, "unit", **UNIT)
    assert "the field needs 'categories'" in read(owner, draft, "columns").lower()
    for place, words in enumerate(["one of: f, m", "whole number 0 to 99", "number 0 to 100", "free text"]):
        answer(owner, draft, f"columns/{place}", words=words)
    assert "Still to declare" in read(owner, draft, "check")
    answer(owner, draft, "people", **PEOPLE)
    checked = read(owner, draft, "check")
    assert "Still to declare" not in checked
    assert "right at most about" in checked
    assert "cannot be changed afterwards" in checked
    sent = answer(owner, draft, "check")
    dataset = Dataset.objects.get()
    assert sent.url == f"/datasets/{dataset.pk}/upload/"
    assert not DeclarationDraft.objects.exists()
    assert [one["name"] for one in json.loads(dataset.declaration)["fields"]] == ["sex", "age", "pay", "note"]


def test_a_codebook_is_taken_in_and_what_it_lacks_is_said(owner: Client) -> None:
    content = TABLE_SCHEMA if isinstance(TABLE_SCHEMA, bytes) else json.dumps(TABLE_SCHEMA).encode()
    book = SimpleUploadedFile("codebook.json", content)
    assert owner.post("/datasets/drafts/", {"title": "From a codebook", "codebook": book}).status_code == 302
    draft = DeclarationDraft.objects.get()
    assert draft.declaration["title"] == "From a codebook"
    assert "the schema needs 'population'" in read(owner, draft, "check").lower()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"title": "T"}, "either a codebook or a header line"),
        ({"title": "T", "header": "f,31,12.5"}, "looks like data"),
        ({"header": "a,b"}, "Title"),
    ],
)
def test_a_source_that_is_none_is_refused_without_quoting_it(owner: Client, given: dict[str, str], words: str) -> None:
    found = unescape(owner.post("/datasets/drafts/", given).content.decode())
    assert words in found
    assert "There is a problem" in found
    assert not DeclarationDraft.objects.exists()
    assert "12.5" not in found.split("</h2>")[1].split("</ul>")[0]


def test_answers_are_kept_even_when_they_are_wrong(owner: Client) -> None:
    """An epsilon that is no number stays as it was typed, and the check page says what is wrong with it."""
    draft = begun(owner)
    answer(owner, draft, "people", **PEOPLE | {"epsilon": "a lot"})
    assert 'value="a lot"' in read(owner, draft, "people")
    assert "cap" in read(owner, draft, "check").split("What you declared")[0]
    answer(owner, draft, "unit", kind="identifier", column="sex", means="", max_rows="many", no_identifier="drop")
    assert 'value="many"' in read(owner, draft, "unit")
    assert draft.declaration["fields"][0] == {"name": "sex", "type": "string"}
    assert answer(owner, draft, "check").status_code == 200
    assert not Dataset.objects.exists()


def test_an_exact_column_must_be_json_and_is_judged_by_the_declarations_own_rules(owner: Client) -> None:
    draft = begun(owner)
    broken = unescape(answer(owner, draft, "columns/1", exact='{"type": ').content.decode())
    assert "no JSON object" in broken
    assert '{"type": ' in broken
    answer(owner, draft, "columns/1", exact='{"name": "other", "type": "integer", "colour": 3}')
    assert draft.declaration["fields"][1]["name"] == "age"
    assert "To do" in read(owner, draft, "columns")
    hostile = "<script>alert(1)</script>"
    answer(owner, draft, "columns/1", exact=json.dumps({"type": hostile, "categories": [[1], hostile], "parts": 7}))
    assert hostile not in owner.get(f"/datasets/drafts/{draft.pk}/columns/").content.decode()


def test_an_old_page_loses_nothing(owner: Client) -> None:
    """Two pages of one draft: the second to be sent is told, keeps what was typed, and may be sent again."""
    draft = begun(owner)
    old = draft.edition
    answer(owner, draft, "people", **PEOPLE)
    late = answer(owner, draft, "people", **PEOPLE | {"population": "others", "edition": old})
    text = unescape(late.content.decode())
    assert "changed on another page" in text
    assert 'value="others"' in text
    assert draft.declaration["population"] == "people"
    assert f'name="edition" value="{draft.edition}"' in text


def test_a_population_with_another_cap_is_refused_and_the_draft_stays(owner: Client) -> None:
    olivia = User.objects.get(username="olivia")
    privacy_site.make_keys()
    privacy_site.dataset(olivia)
    draft = begun(owner, "sex")
    answer(owner, draft, "unit", **UNIT)
    answer(owner, draft, "columns/0", words="one of: f, m")
    answer(owner, draft, "people", **PEOPLE | {"population": "people of the tests", "epsilon": "9"})
    refused = unescape(answer(owner, draft, "check").content.decode())
    assert "notice-bad" in refused
    assert DeclarationDraft.objects.count() == 1


def test_a_draft_is_its_owners_alone(owner: Client) -> None:
    draft = begun(owner)
    other = client_of(privacy_site.person("otto", "owner"))
    assert other.get(f"/datasets/drafts/{draft.pk}/check/").status_code == 404
    assert other.post(f"/datasets/drafts/{draft.pk}/delete/").status_code == 404
    assert str(draft.pk) not in other.get("/datasets/drafts/").content.decode()
    assert client_of(privacy_site.person("rosa", "researcher")).get("/datasets/drafts/").status_code == 403
    assert "Delete the draft" in owner.get(f"/datasets/drafts/{draft.pk}/delete/").content.decode()
    assert DeclarationDraft.objects.exists()
    owner.post(f"/datasets/drafts/{draft.pk}/delete/")
    assert not DeclarationDraft.objects.exists()
