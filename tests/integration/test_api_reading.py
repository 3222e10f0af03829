"""Reading through the API, and what stops it: pages, files with a reason, rates by role, a log that is away."""

from __future__ import annotations

import json
from typing import Any

import pytest

from audit.models import LogEntry
from llmsynthor_site.models import Notice
from synthesis.models import SynthesisRequest
from tests import request_site
from tests.api_site import Caller

pytestmark = pytest.mark.django_db(databases=["default", "log"], transaction=True)
WISH = {
    "title": "Synthetic small", "purpose": "To teach.", "context": "In class.", "rows": 300, "epsilon": "5",
    "delta": "1e-6",
}  # fmt: skip


@pytest.fixture
def small() -> request_site.Site:
    return request_site.make()


def test_researchers_see_declared_facts_only(small: request_site.Site) -> None:
    shown = Caller(small.rosa, "read").get(f"datasets/{small.dataset.pk}/")
    told = shown.json()
    assert (told["columns"], told["hidden_columns"], told["versions"], told["budget"]) == ([], 3, None, None)
    for secret in ("t.csv", "2000", '"pay"'):
        assert secret not in shown.content.decode()
    full = Caller(small.stella, "read").get(f"datasets/{small.dataset.pk}/").json()
    assert (len(full["columns"]), full["versions"][0]["rows_read"]) == (3, 2000)


def test_lists_come_in_pages_that_a_cursor_goes_on(small: request_site.Site) -> None:
    for number in range(5):
        small.request(title=f"T{number}")
    rosa, titles, place = Caller(small.rosa, "read"), [], "requests/?size=2"
    while place:
        page = rosa.get(place).json()
        titles += [one["title"] for one in page["results"]]
        place = (page["next"] or "").removeprefix("http://testserver/api/v1/")
    assert titles == ["T4", "T3", "T2", "T1", "T0"]
    assert rosa.get("requests/?state=submitted").json()["results"] == []
    assert rosa.get("requests/?state=nonsense").status_code == 422


def test_an_auditor_reads_the_log_and_takes_a_part_of_it_with_a_reason(small: request_site.Site) -> None:
    small.submitted()
    amir = Caller(small.amir, "audit")
    newest = amir.get("log/?action=synthesis:request").json()["results"]
    assert newest[0]["action"] == "synthesis:request:submitted"
    assert amir.get(f"log/{newest[0]['index']}/").json()["subject"].startswith("request:")
    assert amir.get("log/?mentions=nonsense").status_code == 422
    before = LogEntry.objects.count()
    assert amir.post("log/export/", {"reason": ""}).status_code == 422
    taken = amir.post("log/export/?action=synthesis:request", {"reason": "A review of requests.", "form": "jsonl"})
    lines = b"".join(taken.streaming_content).splitlines()
    assert {json.loads(line)["action"] for line in lines} >= {"synthesis:request:submitted"}
    assert LogEntry.objects.count() == before + 1, "its own entry"
    assert amir.post("ledger/export/", {"reason": "A review."}).status_code == 200
    assert Caller(small.amir, "read").get("log/").status_code == 403, "the scope is missing"
    assert amir.post("requests/", WISH).status_code == 403


def test_rates_are_by_role(small: request_site.Site, settings: Any) -> None:
    settings.API_RATES = settings.API_RATES | {"researcher": "2/min"}
    rosa, stella = Caller(small.rosa), Caller(small.stella)
    from django.core.cache import cache

    cache.clear()
    assert [rosa.get("me/").status_code for _ in range(3)] == [200, 200, 429]
    refused = rosa.get("me/")
    assert int(refused["Retry-After"]) > 0
    assert [stella.get("me/").status_code for _ in range(3)] == [200, 200, 200]


def test_notices_are_ones_own(small: request_site.Site) -> None:
    small.submitted()
    stella = Caller(small.stella, "read")
    assert [one["read_at"] for one in stella.get("notices/?unread=true").json()["results"]] == [None]
    assert stella.post("notices/read/").json() == {"marked": 1}
    assert stella.get("notices/?unread=true").json()["results"] == []
    assert Notice.objects.filter(user=small.stefan, read_at=None).count() == 1
    assert Caller(small.rosa, "read").get("notices/").json()["results"] == []


def test_a_log_that_cannot_be_written_stops_the_api_too(small: request_site.Site, monkeypatch: Any) -> None:
    from audit import log
    from audit.errors import LogUnavailable

    def broken() -> None:
        raise LogUnavailable("behind its anchor")

    rosa = Caller(small.rosa, "request")
    monkeypatch.setattr(log, "check_whole", broken)
    answer = rosa.post("requests/", WISH | {"dataset": str(small.dataset.pk)})
    assert answer.status_code == 503
    assert answer["Content-Type"] == "application/problem+json"
    assert not SynthesisRequest.objects.exists()


def test_a_switch_closes_at_once_by_token_and_opens_by_another_person_alone(small: request_site.Site) -> None:
    stella, stefan = Caller(small.stella, "read", "review"), Caller(small.stefan)
    made = stella.post("switches/", {"target": "all", "reason": "Looks wrong."})
    assert made.status_code == 201
    lift = f"switches/{made.json()['id']}/lift/"
    assert stella.post(lift, {"reason": "Fine."}).status_code == 403
    assert Caller(small.stella).post(lift, {"reason": "Fine."}).status_code == 403, "whoever set it"
    assert stefan.post(lift, {"reason": "Fine."}).json()["lifted_by"] == "user:stefan"
