"""The API does what the pages do, for the same people, by the same table; votes are blind, and no token casts one."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from django.test import Client

from synthesis import policies
from synthesis.models import EgressManifest, SuggestedRule, SynthesisRequest, Vote
from synthesis.serializers.requests import SESSION_ONLY
from synthesis.states import Gate, RequestState
from synthesis.workflow import REQUEST
from tests import request_site
from tests.api_site import EVERY, Caller
from tests.integration.test_request_workflow import ALLOWED, PEOPLE

pytestmark = pytest.mark.django_db(databases=["default", "log"], transaction=True)
WISH = {
    "title": "Synthetic small", "purpose": "To teach.", "context": "In class.", "rows": 300, "epsilon": "5",
    "delta": "1e-6",
}  # fmt: skip


@pytest.fixture
def small() -> request_site.Site:
    return request_site.make()


@pytest.fixture
def door(site: Any) -> Any:
    with request_site.open_door() as opened:
        yield opened


def test_every_state_role_and_action_through_the_api(small: request_site.Site) -> None:
    """The same product as of the table itself; a token is denied, in words, what a signed-in person decides."""
    request = small.submitted()
    EgressManifest.objects.create(request=request, body={}, content_hash="x")
    SuggestedRule.objects.create(request=request, number=1, rule="x", columns=[], requester=small.rosa)
    actions, wrong = sorted({row.name for row in REQUEST.transitions}), []
    callers = [(name, kind, Caller(getattr(small, name), *kind)) for name in PEOPLE for kind in ((), ("read",))]
    for state, (person, scopes, caller) in itertools.product(RequestState, callers):
        SynthesisRequest.objects.filter(pk=request.pk).update(state=state)
        answer = caller.get(f"requests/{request.pk}/actions/")
        told = {one["name"]: one for one in answer.json()} if answer.status_code == 200 else {}
        for action in actions:
            expected = state in ALLOWED.get((person, action), set()) and not (scopes and action in SESSION_ONLY)
            shown = told.get(action)
            if (shown is not None and shown["allowed"]) is not expected or (
                shown and bool(shown["denial"]) == expected
            ):
                wrong.append((state, person, action, scopes))
    assert wrong == []


def test_a_request_from_draft_to_a_file_with_a_receipt(small: request_site.Site, door: Any) -> None:
    """Rosa's program asks and fetches; the stewards, signed in, vote through the API too."""
    from llmsynthor_site import joining
    from synthesis import running

    rosa = Caller(small.rosa, "read", "request")
    made = rosa.post("requests/", WISH | {"dataset": str(small.dataset.pk)})
    assert made.status_code == 201, made.content
    place = f"requests/{made.json()['id']}/"
    assert rosa.post(f"{place}actions/submit/").json()["state"] == "submitted"
    decide(small, place, "measure")
    joining.measure(made.json()["id"])
    decide(small, place, "egress")
    running.synthesise(made.json()["id"])
    assert len(rosa.get(f"{place}run/").json()["iterations"]) > 0
    decide(small, place, "output")
    package = rosa.get(f"{place}package/").json()
    assert rosa.post(f"{place}links/", {"file": "data.csv"}).status_code == 403, "the terms come first"
    rosa.post(f"{place}licence/", {"version": package["licence_version"]})
    link = rosa.post(f"{place}links/", {"file": "data.csv"}).json()["url"].removeprefix("/api/v1/")
    assert Caller(small.stella).get(link).status_code == 403
    assert b"".join(rosa.get(link).streaming_content).startswith(b"sex,age,pay")
    assert rosa.get(link).status_code == 403, "it works once"
    assert [one["file_name"] for one in rosa.get("receipts/").json()["results"]] == ["data.csv"]
    again = rosa.post(f"{place}links/", {"file": "data.csv"}).json()["url"].removeprefix("/api/v1/")
    rest = rosa.get(again, Range="bytes=4-")
    assert rest.status_code == 206
    assert b"".join(rest.streaming_content).startswith(b"age,pay")


def decide(small: request_site.Site, place: str, gate: str) -> None:
    request = SynthesisRequest.objects.get()
    needed = policies.votes_needed(request, Gate(gate))
    for steward in (small.stella, small.stefan)[:needed]:
        caller = Caller(steward)
        seen = caller.get(f"{place}gates/{gate}/").json()["seen"]
        cast = caller.post(f"{place}gates/{gate}/votes/", {"decision": "approve", "seen": seen, "comment": "So."})
        assert cast.status_code == 201, cast.content


def test_votes_are_blind_until_all_are_in(small: request_site.Site) -> None:
    request = small.submitted()
    vote = small.vote(request, small.stella)
    Vote.objects.filter(pk=vote.pk).update(comment="a telling remark")
    places = [f"requests/{request.pk}/", f"requests/{request.pk}/gates/measure/", "requests/", "notices/"]
    for person in (small.stefan, small.rosa, small.amir, small.owner):
        caller = Caller(person, *EVERY)
        for place in places:
            shown = caller.get(place).content.decode()
            assert "telling remark" not in shown
            assert "stella" not in shown
    assert Caller(small.stella).get(places[1]).json()["my_vote"]["comment"] == "a telling remark"
    small.vote(request, small.stefan)
    assert "telling remark" in Caller(small.stefan).get(places[1]).content.decode()


def test_no_token_votes_and_none_makes_another(small: request_site.Site) -> None:
    """Whatever its scopes: what says yes for others is decided by somebody who signed in."""
    request, stella = small.submitted(), Caller(small.stella, *EVERY)
    seen = stella.get(f"requests/{request.pk}/gates/measure/").json()["seen"]
    refused = stella.post(f"requests/{request.pk}/gates/measure/votes/", {"decision": "approve", "seen": seen})
    assert refused.status_code == 403
    assert "never by a token" in refused.json()["detail"]
    assert stella.post(f"requests/{request.pk}/condition/", {"seen": seen, "text": "If."}).status_code == 403
    assert stella.post("tokens/", {"name": "x", "scopes": ["read"], "days": 1}).status_code == 403
    assert not Vote.objects.exists()
    assert stella.post(f"requests/{request.pk}/actions/claim/").status_code == 200, "saying that one looks is no vote"
    back = stella.post(f"requests/{request.pk}/actions/return/", {"comment": "Say who."})
    assert back.json()["state"] == "returned"


def test_a_vote_on_what_was_not_seen_is_refused(small: request_site.Site) -> None:
    request = small.submitted()
    answer = Caller(small.stella).post(
        f"requests/{request.pk}/gates/measure/votes/", {"decision": "approve", "seen": "0" * 64}
    )
    assert answer.status_code == 422
    assert "has changed since" in answer.json()["errors"][0]["rule"]


def test_a_session_needs_its_csrf_token(small: request_site.Site) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(small.rosa)
    refused = client.post("/api/v1/requests/", "{}", content_type="application/json")
    assert refused.status_code == 403
    assert "CSRF" in refused.json()["detail"]
