"""An auditor's program: exposure, duties, lineage, grants, people, checks of the log, and evidence as a file."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from audit.models import LogEntry
from synthesis.models import Vote
from synthesis.states import Gate
from tests import evidence_site, request_site
from tests.api_site import EVERY, Caller
from tests.evidence_site import findings

pytestmark = pytest.mark.django_db(databases=["default", "log"], transaction=True)


@pytest.fixture
def small() -> request_site.Site:
    return request_site.make()


@pytest.fixture
def amir(small: request_site.Site) -> Caller:
    return Caller(small.amir, "audit")


@pytest.fixture
def released(small: request_site.Site) -> Iterator[Any]:
    with request_site.open_door():
        request = small.released()
        evidence_site.download(small, request)
        yield request


def body(answer: Any) -> bytes:
    return b"".join(answer.streaming_content)


def test_what_was_told_who_took_it_and_what_came_of_it(small: request_site.Site, amir: Caller, released: Any) -> None:
    told = amir.get("exposure/").json()
    assert told["calls"]["sent"] == sum(one["calls"] for one in told["by_request"]) > 0
    assert amir.get(f"exposure/?dataset={small.dataset.pk}").json()["by_request"][0]["request"] == str(released.pk)
    assert amir.get("exposure/?endpoint=nowhere").status_code == 422, "a filter that cannot be read widens nothing"
    [made] = amir.get(f"lineage/?dataset={small.dataset.pk}").json()["results"]
    assert (made["request"], made["state"], made["downloads"]) == (str(released.pk), "released", 1)
    assert amir.get("lineage/?model=other").json()["results"] == []
    [grant] = amir.get("grants/?person=rosa").json()["results"]
    assert (grant["user"], grant["request"]) == ("rosa", str(released.pk))
    assert amir.get("grants/?person=amir").json()["results"] == []
    [population] = amir.get("ledger/populations/").json()["results"]
    assert float(population["spent"]) > 0
    people = {one["username"]: one for one in amir.get("activity/").json()["results"]}
    assert [one["role"] for one in people["stella"]["roles"]] == ["steward"]
    assert people["rosa"]["entry"] is not None
    history = Caller(small.amir, "read").get(f"datasets/{small.dataset.pk}/history/").json()["results"]
    assert [one["words"] for one in history][-1] == "Registered"


def test_duties_tell_who_voted_and_how_once_a_gate_has_decided(small: request_site.Site, amir: Caller) -> None:
    request = small.submitted()
    small.vote(request, small.stella)
    [line] = amir.get("duties/").json()["results"]
    assert [one["how"] for one in line["gates"][0]["votes"]] == ["voted, still blind"]
    small.vote(request, small.stefan)
    [line] = amir.get("duties/?person=stella").json()["results"]
    assert [one["how"] for one in line["gates"][0]["votes"]] == ["Approve", "Approve"]
    assert (line["conflicts"], line["requester"], line["owner"]) == ([], "rosa", "olivia")
    assert amir.get("duties/?person=amir").json()["results"] == []
    Vote.objects.filter(voter=small.stefan, gate=Gate.MEASURE).update(voter=small.owner)
    [found] = amir.get("duties/conflicts/").json()["results"]
    assert any("owns the dataset and voted" in one for one in found["conflicts"])
    assert amir.get("duties/count/").json() == {"requests": 1, "conflicting": 1}


def test_a_check_of_the_log_is_asked_for_and_read(small: request_site.Site, amir: Caller) -> None:
    before = amir.get("log/standing/").json()
    assert (before["last"], before["whole"], before["since"]) == (None, False, before["size"])
    made = amir.post("log/checks/", Idempotency_Key="check").json()
    told = amir.get(f"log/checks/{made['id']}/").json()
    assert (told["verdict"], told["findings"], told["found"]) == ("holds", [], 0)
    assert amir.get("log/standing/").json()["last"]["id"] == made["id"]
    assert before["not_covered"] == amir.get("log/standing/").json()["not_covered"] != []


def test_files_are_made_with_a_reason_that_is_in_the_log_first(small: request_site.Site, amir: Caller) -> None:
    assert amir.post("exposure/export/", {"reason": "no"}).status_code == 422
    taken = amir.post("exposure/export/", {"reason": "The yearly review."})
    assert taken["Cache-Control"] == "no-store"
    assert json.loads(body(taken))["calls"]["sent"] == 0
    [entry] = LogEntry.objects.filter(action="audit:statement_export:made")
    assert b"The yearly review." in bytes(entry.leaf)


def test_an_evidence_pack_of_a_request_holds(small: request_site.Site, tmp_path: Path) -> None:
    request, amir = small.submitted(), Caller(small.amir, "audit")
    place = f"requests/{request.pk}/evidence/"
    assert amir.post(place, {"reason": ""}).status_code == 422
    taken = amir.post(place, {"reason": "The yearly check."})
    assert (taken.status_code, taken["Content-Type"]) == (200, "application/zip")
    pack = tmp_path / "pack.zip"
    pack.write_bytes(body(taken))
    assert findings(pack) == []
    assert zipfile.ZipFile(io.BytesIO(pack.read_bytes())).testzip() is None
    draft = small.request()
    assert amir.post(f"requests/{draft.pk}/evidence/", {"reason": "A draft."}).status_code == 404
    days = {"since": "2030-01-02", "until": "2030-01-01", "reason": "The yearly check."}
    assert amir.post("log/evidence/", days).json()["errors"][0]["field"] == "until"
    assert Caller(small.stella, *EVERY).post(place, {"reason": "Curious."}).status_code == 403
    assert Caller(small.amir, "read").post(place, {"reason": "No scope."}).status_code == 403
