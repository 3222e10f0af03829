"""A vote is blind in the log too: while a gate is open its auditor reads that somebody voted, and nowhere how."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from audit import entries, keys, verify
from audit.commitments import vote_commitment
from audit.export import export
from audit.models import LogEntry
from synthesis import services
from synthesis.models import SynthesisRequest
from synthesis.states import Decision, Gate
from tests import request_site

pytestmark = pytest.mark.django_db(databases=["default", "log"], transaction=True)
DECISION = re.compile(r"\b(approve|reject)\b")


@pytest.fixture
def house() -> request_site.Site:
    return request_site.make()


@pytest.fixture
def rejected(house: request_site.Site) -> SynthesisRequest:
    """Stella has rejected it, and Stefan has not voted."""
    request = house.submitted()
    reject(house, request)
    return request


def reject(house: request_site.Site, request: SynthesisRequest) -> None:
    services.vote(
        by=house.stella, request=request, gate=Gate.MEASURE, decision=Decision.REJECT, comment="Too much.",
        seen_hash=request.content_hash,
    )  # fmt: skip


def everything(house: request_site.Site) -> str:
    """All that an auditor can read of the log, on its pages, through the API and in an export of the list."""
    page, api = Client(), APIClient()
    page.force_login(house.amir)
    api.force_authenticate(house.amir)
    numbers = [leaf.index for leaf in entries.step().leaves]
    read: list[Any] = [page.get("/log/?words=vote"), *(page.get(f"/log/entries/{one}/") for one in numbers)]
    read += [api.get("/api/v1/log/"), *(api.get(f"/api/v1/log/{one}/") for one in numbers)]
    file: Any = page.post("/log/export/", {"reason": "A look.", "form": "jsonl"})
    assert {one.status_code for one in [*read, file]} == {200}
    return b"".join([one.content for one in read] + list(file.streaming_content)).decode()


def test_until_both_are_in_the_log_says_who_voted_and_not_how(
    house: request_site.Site, rejected: SynthesisRequest
) -> None:
    told = everything(house)
    assert "synthesis:vote:cast" in told
    assert "user:stella" in told
    assert not DECISION.findall(told)
    assert not [one for one in LogEntry.objects.all() if DECISION.search(bytes(one.leaf).decode())]


def test_the_hash_cannot_be_tried_out(house: request_site.Site, rejected: SynthesisRequest) -> None:
    """Two possible decisions are no secret without the salt, and the salt is drawn anew for each vote."""
    house.vote(rejected, house.stefan)
    hashes = [entries.leaf_of(one).facts["decision_hash"] for one in LogEntry.objects.filter(action__endswith="cast")]
    salts = list(rejected.votes.values_list("salt", flat=True))
    assert len(set(salts)) == len(set(hashes)) == 2
    assert {len(salt) for salt in salts} == {64}
    assert sorted(hashes) == sorted(vote_commitment(vote.salt, vote.decision) for vote in rejected.votes.all())


def test_with_the_last_vote_all_are_revealed_and_the_verifier_follows(
    house: request_site.Site, rejected: SynthesisRequest, tmp_path: Path
) -> None:
    house.vote(rejected, house.stefan)
    [revealed] = LogEntry.objects.filter(action="synthesis:votes:revealed")
    told = [(one["voter"], one["decision"]) for one in entries.leaf_of(revealed).facts["votes"]]
    assert told == [("user:stella", "reject"), ("user:stefan", "approve")]
    assert entries.about(revealed.subject)[-1].action == "synthesis:request:rejected"
    export(tmp_path / "export", by="user:amir", reason="A look.")
    report = verify.verify(tmp_path / "export", key=str(keys.public()))
    assert report.findings == []


def test_a_vote_at_a_gate_that_never_decided_stays_hashed(house: request_site.Site, rejected: SynthesisRequest) -> None:
    services.withdraw(by=house.rosa, request=SynthesisRequest.objects.get(pk=rejected.pk))
    assert not LogEntry.objects.filter(action="synthesis:votes:revealed").exists()
    assert not DECISION.findall(everything(house))
