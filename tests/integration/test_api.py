"""The API does what the pages do, for the same people, by the same table; and refuses in words that name a rule."""

from __future__ import annotations

import io
import itertools
import json
from typing import Any

import pytest
from django.test import Client
from django.urls import get_resolver

from audit.models import LogEntry, PromptRecord
from llmsynthor_site.models import Notice, User
from privacy.models import Dataset, MeasurementRecord
from synthesis import policies
from synthesis.models import EgressManifest, SuggestedRule, SynthesisRequest, Vote
from synthesis.serializers.requests import SESSION_ONLY
from synthesis.states import Gate, RequestState
from synthesis.workflow import REQUEST
from tests import privacy_site, request_site
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


def everyone(small: request_site.Site) -> dict[str, User]:
    other = privacy_site.person("rival", "researcher")
    return {name: getattr(small, name) for name in ("owner", "stella", "rosa", "amir", "ada")} | {"rival": other}


# As the pages answer (tests/functional/test_access.py): it, a refusal (403), or nothing that tells it exists (404).
EXPECTED = {
    "requests/{request}/": {"owner": 200, "stella": 200, "rosa": 200, "amir": 200, "ada": 404, "rival": 404},
    "requests/{request}/actions/": {"owner": 200, "stella": 200, "rosa": 200, "amir": 200, "ada": 404, "rival": 404},
    "requests/{request}/gates/output/": {
        "owner": 200,
        "stella": 200,
        "rosa": 403,
        "amir": 200,
        "ada": 403,
        "rival": 403,
    },
    "requests/{request}/rules/": {"owner": 200, "stella": 200, "rosa": 403, "amir": 200, "ada": 403, "rival": 403},
    "requests/{request}/run/": {"owner": 200, "stella": 200, "rosa": 200, "amir": 200, "ada": 404, "rival": 404},
    "requests/{request}/prompts/": {"owner": 403, "stella": 200, "rosa": 200, "amir": 200, "ada": 404, "rival": 404},
    "requests/{request}/prompts/{intent}/": {
        "owner": 403,
        "stella": 200,
        "rosa": 200,
        "amir": 200,
        "ada": 404,
        "rival": 404,
    },
    "requests/{request}/package/": {"owner": 404, "stella": 404, "rosa": 200, "amir": 404, "ada": 404, "rival": 404},
    "datasets/{dataset}/": {"owner": 200, "stella": 200, "rosa": 200, "amir": 200, "ada": 404, "rival": 200},
    "datasets/{dataset}/ledger/": {"owner": 200, "stella": 200, "rosa": 403, "amir": 200, "ada": 404, "rival": 403},
    "datasets/{dataset}/waiver/": {"owner": 200, "stella": 200, "rosa": 200, "amir": 200, "ada": 404, "rival": 200},
    "statistics/{entry}/": {"owner": 200, "stella": 200, "rosa": 404, "amir": 200, "ada": 404, "rival": 404},
    "caps/": {"owner": 200, "stella": 403, "rosa": 403, "amir": 403, "ada": 403, "rival": 403},
    "endpoints/": dict.fromkeys(("owner", "stella", "rosa", "amir", "ada", "rival"), 200),
    "switches/": {"owner": 200, "stella": 200, "rosa": 403, "amir": 200, "ada": 200, "rival": 403},
    "findings/": {"owner": 403, "stella": 200, "rosa": 403, "amir": 200, "ada": 200, "rival": 403},
    "people/": {"owner": 200, "stella": 403, "rosa": 403, "amir": 403, "ada": 200, "rival": 403},
    "people/{person}/": {"owner": 200, "stella": 403, "rosa": 403, "amir": 403, "ada": 200, "rival": 403},
    "people/changes/": {"owner": 200, "stella": 403, "rosa": 403, "amir": 403, "ada": 200, "rival": 403},
    **{
        place: {"owner": 403, "stella": 403, "rosa": 403, "amir": 200, "ada": 403, "rival": 403}
        for place in ("log/", "log/0/", "log/checks/", "ledger/", "downloads/")
    },
    **{
        place: dict.fromkeys(("owner", "stella", "rosa", "amir", "ada", "rival"), 200)
        for place in ("me/", "notices/", "receipts/", "webhooks/", "webhooks/deliveries/", "datasets/", "requests/")
    },
}


@pytest.fixture
def door(site: Any) -> Any:
    with request_site.open_door() as opened:
        yield opened


@pytest.mark.parametrize("scopes", [(), tuple(EVERY)], ids=["session", "token"])
def test_every_endpoint_by_every_role(small: request_site.Site, door: Any, scopes: tuple[str, ...]) -> None:
    request = small.released()
    known = {
        "request": request.pk, "dataset": small.dataset.pk, "intent": PromptRecord.objects.earliest("pk").intent_id,
        "entry": MeasurementRecord.objects.earliest("pk").entry_id, "person": small.rosa.pk,
    }  # fmt: skip
    people = {name: Caller(user, *scopes) for name, user in everyone(small).items()}
    found = {
        place: {name: caller.get(place.format(**known)).status_code for name, caller in people.items()}
        for place in EXPECTED
    }
    assert found == EXPECTED


def test_nobody_sees_anything_without_saying_who_they_are() -> None:
    """Every address of the API, by every method that it knows."""
    nothing, seen = "00000000-0000-0000-0000-000000000000", 0
    samples = {"pk": nothing, "gate": "measure", "action": "submit", "intent": "x", "token": "t", "role": "steward"}
    for name, (possible, *_) in api_addresses():
        template, fields = possible[0]
        numbers = {field: 1 for field in fields if field in ("index", "entry", "number")}
        whole = samples | numbers | ({"pk": 1} if of_numbers(template) else {})
        place = "/" + template % {field: whole[field] for field in fields}
        for method in ("get", "post", "patch"):
            assert getattr(Client(), method)(place).status_code == 401, (name, method)
        seen += 1
    assert seen > 50


def api_addresses() -> list[tuple[str, Any]]:
    resolver = get_resolver()
    names = [key for key in resolver.reverse_dict if isinstance(key, str) and key.startswith("api-")]
    return [(name, resolver.reverse_dict.getlist(name)[0]) for name in names]


def of_numbers(template: str) -> bool:
    return any(part in template for part in ("tokens/", "webhooks/", "people/", "endpoints/", "switches/", "findings/"))


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
