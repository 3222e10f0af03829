"""Asking through the API: edits by what was read, calls sent twice, and refusals by field and rule."""

from __future__ import annotations

import io
from typing import Any

import pytest

from privacy.models import Dataset
from synthesis.models import SynthesisRequest
from synthesis.states import RequestState
from tests import privacy_site, request_site
from tests.api_site import EVERY, Caller

pytestmark = pytest.mark.django_db(databases=["default", "log"], transaction=True)
WISH = {
    "title": "Synthetic small", "purpose": "To teach.", "context": "In class.", "rows": 300, "epsilon": "5",
    "delta": "1e-6",
}  # fmt: skip


@pytest.fixture
def small() -> request_site.Site:
    return request_site.make()


def test_an_edit_needs_the_etag_of_what_was_read(small: request_site.Site) -> None:
    request, rosa = small.request(), Caller(small.rosa, "read", "request")
    place = f"requests/{request.pk}/"
    etag = rosa.get(place)["ETag"]
    assert rosa.get(place, **{"If-None-Match": etag}).status_code == 304
    assert rosa.patch(place, {"title": "Mine"}).status_code == 428
    edited = rosa.patch(place, {"title": "Mine"}, If_Match=etag)
    assert (edited.status_code, edited.json()["title"]) == (200, "Mine")
    assert edited.json()["purpose"] == "To teach.", "what is left out stays"
    stale = rosa.patch(place, {"title": "Yours"}, If_Match=etag)
    assert stale.status_code == 412
    assert rosa.post(f"{place}actions/submit/", If_Match=etag).status_code == 412
    assert rosa.patch(place, {"title": "Ours"}, If_Match=edited["ETag"]).status_code == 200


def test_a_call_that_is_sent_again_changes_nothing(small: request_site.Site) -> None:
    rosa, wish = Caller(small.rosa, "read", "request"), WISH | {"dataset": str(small.dataset.pk)}
    first = rosa.post("requests/", wish, Idempotency_Key="a-1")
    second = rosa.post("requests/", wish, Idempotency_Key="a-1")
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json()
    assert second["ETag"] == first["ETag"]
    assert SynthesisRequest.objects.count() == 1
    other = rosa.post("requests/", wish | {"title": "Other"}, Idempotency_Key="a-1")
    assert other.status_code == 422
    assert "another call" in other.json()["detail"]
    bad = wish | {"rows": 0}
    assert rosa.post("requests/", bad, Idempotency_Key="a-2").status_code == 422
    assert rosa.post("requests/", wish, Idempotency_Key="a-2").status_code == 201, "a failed call leaves its key free"
    assert Caller(small.rosa, "request").post("requests/", wish, Idempotency_Key="a-1").status_code == 201
    assert rosa.post("requests/", wish, Idempotency_Key="x" * 101).status_code == 422


def test_a_key_that_was_used_for_one_file_takes_no_other_of_the_same_length(small: request_site.Site) -> None:
    place, owner = f"datasets/{small.dataset.pk}/upload/", Caller(small.owner, "own")
    first, other = privacy_site.table(300), privacy_site.table(300).replace(b"f,20,", b"f,21,")
    assert len(first) == len(other)
    assert first != other

    def sent(content: bytes, key: str) -> Any:
        file = io.BytesIO(content)
        file.name = "t.csv"
        return owner.files(place, key=key, file=file)

    made = sent(first, "a-1")
    assert (made.status_code, made.json()["number"]) == (201, 2)
    refused = sent(other, "a-1")
    assert refused.status_code == 422
    assert "another call" in refused.json()["detail"]
    again = sent(first, "a-1")
    assert (again.json(), again["Idempotent-Replay"]) == (made.json(), "true")
    assert sent(other, "a-2").json()["number"] == 3
    broken = owner.client.post(
        f"/api/v1/{place}", b"x", content_type="multipart/form-data", headers=owner._headers({"Idempotency-Key": "a-3"})
    )
    assert (broken.status_code, broken["Content-Type"]) == (400, "application/problem+json")


def test_a_secret_is_kept_in_no_stored_answer(small: request_site.Site) -> None:
    rosa, wish = Caller(small.rosa), {"name": "x", "scopes": ["read"], "days": 1}
    assert rosa.post("tokens/", wish, Idempotency_Key="t").status_code == 201
    again = rosa.post("tokens/", wish, Idempotency_Key="t")
    assert again.status_code == 409
    assert "kept nowhere" in again.json()["detail"]
    assert small.rosa.api_tokens.count() == 1


@pytest.mark.parametrize(
    ("changes", "field", "rule"),
    [
        ({"epsilon": "0"}, "epsilon", "greater than or equal"),
        ({"epsilon": "99"}, "epsilon", "above what the population's cap has left"),
        ({"epsilon": "NaN"}, "epsilon", "valid number"),
        ({"delta": "1"}, "delta", "between 0 and 1"),
        ({"rows": 0}, "rows", "greater than or equal to 1"),
        ({"rows": 999999999}, "rows", "rows can be asked for"),
        ({"context": ""}, "context", "may not be blank"),
        ({"title": "x" * 201}, "title", "no more than 200"),
        ({"title": "a\x00b"}, "title", "Null characters"),
        ({"proposer": "openai"}, "endpoint", "Choose the endpoint"),
        ({"targets": ["nothing"]}, "targets", "Columns of interest"),
        ({"dataset": "00000000-0000-0000-0000-000000000000"}, "dataset", "does not exist"),
    ],
)
def test_a_bad_request_is_told_by_field_and_rule(
    small: request_site.Site, changes: dict[str, Any], field: str, rule: str
) -> None:
    answer = Caller(small.rosa).post("requests/", WISH | {"dataset": str(small.dataset.pk)} | changes)
    assert answer.status_code == 422
    assert answer["Content-Type"] == "application/problem+json"
    [told] = answer.json()["errors"]
    assert told["field"] == field
    assert rule in told["rule"]
    assert not SynthesisRequest.objects.exists()


def test_a_step_that_comes_too_late_says_so(small: request_site.Site) -> None:
    request = small.submitted()
    SynthesisRequest.objects.filter(pk=request.pk).update(state=RequestState.MEASURING)
    answer = Caller(small.rosa).post(f"requests/{request.pk}/actions/withdraw/")
    assert answer.status_code == 409
    assert answer.json()["detail"] == "That is not possible while the request is: Measuring."


def test_an_owner_registers_a_dataset_and_a_wrong_file_is_told_by_column_and_rule(small: request_site.Site) -> None:
    owner = Caller(small.owner, "read", "own")
    declared = io.BytesIO(privacy_site.declaration(title="New", population="others").encode())
    declared.name = "d.json"
    made = owner.files("datasets/", declaration=declared)
    assert made.status_code == 201, made.content
    place = f"datasets/{made.json()['id']}/upload/"
    wrong = io.BytesIO(b"sex,age,pay\nf,999,5\nsecretcell,20,5\n")
    wrong.name = "t.csv"
    refused = owner.files(place, file=wrong)
    assert refused.status_code == 422
    assert {one["field"] for one in refused.json()["errors"]} == {"age", "sex"}
    assert "secretcell" not in refused.content.decode()
    both = {"declaration": io.BytesIO(privacy_site.declaration(title="Both", population="third").encode())}
    both |= {"file": io.BytesIO(privacy_site.table(300))}
    both["declaration"].name, both["file"].name = "d.json", "t.csv"
    assert owner.files("datasets/", **both).json()["versions"][0]["rows_read"] == 300
    right = io.BytesIO(privacy_site.table())
    right.name = "t.csv"
    assert owner.files(place, file=right).json()["number"] == 1
    assert Caller(small.stella, *EVERY).files(place, file=io.BytesIO(b"x")).status_code == 403
    assert Dataset.objects.count() == 3
