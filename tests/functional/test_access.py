"""Who may open what, and what each person sees there; by plain requests, without a browser."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import get_resolver, reverse

from audit import erasure, events
from audit.models import LogEntry, PromptRecord
from llmsynthor_site.models import User
from llmsynthor_site.people import changes
from privacy.models import MeasurementRecord
from synthesis import delivery, services
from synthesis.models import Endpoint, Probe, SynthesisRequest, Vote
from synthesis.states import Gate, RequestState
from tests import privacy_site, request_site

pytestmark = pytest.mark.django_db(databases=["default", "log"])

Enter = Callable[[User], Client]


@pytest.fixture
def small() -> request_site.Site:
    return request_site.make()


@pytest.fixture
def enter() -> Enter:
    def signed_in(user: User) -> Client:
        client = Client()
        client.force_login(user)
        return client

    return signed_in


def everyone(small: request_site.Site) -> dict[str, User]:
    other = privacy_site.person("rival", "researcher")
    return {name: getattr(small, name) for name in ("owner", "stella", "rosa", "amir", "ada")} | {"rival": other}


# What each person gets: the page, a refusal (403), or nothing that tells it exists (404).
EXPECTED = {
    "request": {"owner": 200, "stella": 200, "rosa": 200, "amir": 200, "ada": 404, "rival": 404},
    "gate": {"owner": 200, "stella": 200, "rosa": 403, "amir": 200, "ada": 403, "rival": 403},
    "report": {"owner": 200, "stella": 200, "rosa": 403, "amir": 200, "ada": 403, "rival": 403},
    "compare": {"owner": 200, "stella": 200, "rosa": 200, "amir": 200, "ada": 404, "rival": 404},
    "simulation": {"owner": 200, "stella": 200, "rosa": 403, "amir": 200, "ada": 403, "rival": 403},
    "access": {"owner": 200, "stella": 200, "rosa": 403, "amir": 200, "ada": 403, "rival": 403},
    "drafts": {"owner": 200, "stella": 403, "rosa": 403, "amir": 403, "ada": 403, "rival": 403},
    "rules": {"owner": 200, "stella": 200, "rosa": 403, "amir": 200, "ada": 403, "rival": 403},
    "run": {"owner": 200, "stella": 200, "rosa": 200, "amir": 200, "ada": 404, "rival": 404},
    "prompts": {"owner": 403, "stella": 200, "rosa": 200, "amir": 200, "ada": 404, "rival": 404},
    "prompt": {"owner": 403, "stella": 200, "rosa": 200, "amir": 200, "ada": 404, "rival": 404},
    "erase": {"owner": 403, "stella": 200, "rosa": 403, "amir": 403, "ada": 403, "rival": 403},
    "withdraw": {"owner": 403, "stella": 200, "rosa": 403, "amir": 403, "ada": 403, "rival": 403},
    "download": {"owner": 404, "stella": 404, "rosa": 200, "amir": 404, "ada": 404, "rival": 404},
    "dataset": {"owner": 200, "stella": 200, "rosa": 200, "amir": 200, "ada": 404, "rival": 200},
    "upload": {"owner": 200, "stella": 403, "rosa": 403, "amir": 403, "ada": 404, "rival": 403},
    "waiver": {"owner": 200, "stella": 403, "rosa": 403, "amir": 403, "ada": 404, "rival": 403},
    "audience": {"owner": 200, "stella": 403, "rosa": 403, "amir": 403, "ada": 404, "rival": 403},
    "last day": {"owner": 200, "stella": 403, "rosa": 403, "amir": 403, "ada": 404, "rival": 403},
    "destroying": {"owner": 200, "stella": 403, "rosa": 403, "amir": 403, "ada": 404, "rival": 403},
    "history": {"owner": 200, "stella": 200, "rosa": 403, "amir": 200, "ada": 404, "rival": 403},
    "organisations": {"owner": 200, "stella": 403, "rosa": 403, "amir": 403, "ada": 200, "rival": 403},
    "new organisation": {"owner": 403, "stella": 403, "rosa": 403, "amir": 403, "ada": 200, "rival": 403},
    "machines": {"owner": 403, "stella": 403, "rosa": 403, "amir": 403, "ada": 200, "rival": 403},
    "register": {"owner": 200, "stella": 403, "rosa": 403, "amir": 403, "ada": 403, "rival": 403},
    "statistic": {"owner": 200, "stella": 200, "rosa": 404, "amir": 200, "ada": 404, "rival": 404},
    "new": {"owner": 403, "stella": 403, "rosa": 200, "amir": 403, "ada": 403, "rival": 200},
    "endpoints": {"owner": 200, "stella": 200, "rosa": 200, "amir": 200, "ada": 200, "rival": 200},
    "endpoint": {"owner": 200, "stella": 200, "rosa": 200, "amir": 200, "ada": 200, "rival": 200},
    "log": {"owner": 403, "stella": 403, "rosa": 403, "amir": 200, "ada": 403, "rival": 403},
    "request evidence": {"owner": 403, "stella": 403, "rosa": 403, "amir": 200, "ada": 403, "rival": 403},
    "dataset evidence": {"owner": 403, "stella": 403, "rosa": 403, "amir": 200, "ada": 403, "rival": 403},
    "period evidence": {"owner": 403, "stella": 403, "rosa": 403, "amir": 200, "ada": 403, "rival": 403},
    "log prompt": {"owner": 403, "stella": 403, "rosa": 403, "amir": 200, "ada": 403, "rival": 403},
}
AUDITORS_ALONE = (
    "desk", "desk-exposure", "desk-exposure-export", "desk-ledger", "desk-ledger-export", "desk-duties", "desk-access",
    "desk-statement", "desk-duties-count", "desk-grants", "desk-people", "desk-lineage", "audit-check",
    "audit-list-export",
)  # fmt: skip


@pytest.mark.django_db(transaction=True, databases=["default", "log"])
def test_every_page_by_every_role(small: request_site.Site, enter: Enter, open_door: Any) -> None:
    request, near = small.released(), listed()
    request.suggested_rules.create(number=1, rule="x", columns=[], requester=small.rosa)
    prompt, table = PromptRecord.objects.earliest("pk"), MeasurementRecord.objects.earliest("pk")
    proposal = erasure.propose(by=small.stella, body=prompt.answer_id, reason="Asked for.")
    addresses = {
        "request": reverse("request-detail", args=[request.pk]),
        "gate": reverse("request-gate", args=[request.pk, "output"]),
        "report": reverse("request-report", args=[request.pk]),
        "compare": reverse("request-compare", args=[request.pk]),
        "simulation": reverse("request-simulation", args=[request.pk]),
        "access": reverse("access-of-dataset", args=[small.dataset.pk]),
        "drafts": reverse("draft-new"),
        "rules": reverse("request-rules", args=[request.pk]),
        "run": reverse("request-run", args=[request.pk]),
        "prompts": reverse("request-prompts", args=[request.pk]),
        "prompt": reverse("request-prompt", args=[request.pk, prompt.intent_id]),
        "erase": reverse("request-erase", args=[request.pk, prompt.intent_id]),
        "withdraw": reverse("request-erase-withdraw", args=[request.pk, prompt.intent_id, proposal.pk]),
        "download": reverse("request-download", args=[request.pk]),
        "dataset": reverse("dataset-detail", args=[small.dataset.pk]),
        "upload": reverse("dataset-upload", args=[small.dataset.pk]),
        "waiver": reverse("waiver-sign", args=[small.dataset.pk]),
        "audience": reverse("dataset-audience", args=[small.dataset.pk]),
        "last day": reverse("version-last-day", args=[small.dataset.pk, 1]),
        "destroying": reverse("version-destroy", args=[small.dataset.pk, 1]),
        "history": reverse("dataset-history", args=[small.dataset.pk]),
        "organisations": reverse("organisations"),
        "new organisation": reverse("organisation-new"),
        "machines": reverse("health"),
        "register": reverse("dataset-register"),
        "statistic": reverse("statistic-detail", args=[table.entry_id]),
        "new": reverse("request-new"),
        "endpoints": reverse("endpoint-list"),
        "endpoint": reverse("endpoint", args=[near.pk]),
        "log": reverse("audit-log"),
        "request evidence": reverse("request-evidence", args=[request.pk]),
        "dataset evidence": reverse("dataset-evidence", args=[small.dataset.pk]),
        "period evidence": reverse("period-evidence"),
        "log prompt": reverse("audit-prompt", args=[prompt.intent_id]),
    }
    people = {name: enter(user) for name, user in everyone(small).items()}
    found = {
        page: {name: client.get(address).status_code for name, client in people.items()}
        for page, address in addresses.items()
    }
    assert found == EXPECTED


def listed() -> Endpoint:
    return services.add_endpoint(by="console", name="near", base_url="http://localhost:9/v1", model="m", is_local=True)


def test_administrators_alone_have_an_endpoint_probed(small: request_site.Site, enter: Enter) -> None:
    address = reverse("endpoint-probe", args=[listed().pk])
    for person, user in everyone(small).items():
        assert enter(user).get(address).status_code == 405
        assert enter(user).post(address).status_code == (302 if person == "ada" else 403), person
    assert [probe.asked_by for probe in Probe.objects.all()] == ["user:ada"]
    nobody = privacy_site.person("nina")
    assert enter(nobody).get(reverse("endpoint-list")).status_code == 403


def test_the_desk_is_the_auditors_alone(small: request_site.Site, enter: Enter) -> None:
    """Reading, asking for a file and asking for a check: refused to everybody else, and nothing of it is logged."""
    events.append(action="test:thing:done", by="system", subject="thing:1", facts={})
    entry = LogEntry.objects.earliest("index").index
    places = [reverse(name) for name in AUDITORS_ALONE]
    places += [reverse(name, args=[entry]) for name in ("audit-entry", "audit-entry-bytes", "audit-entry-proof")]
    for person, user in everyone(small).items():
        client = enter(user)
        for place in places:
            assert client.get(place).status_code == (200 if person == "amir" else 403), (person, place)
            if person != "amir":
                asked = client.post(place, {"reason": "a review", "form": "csv"}).status_code
                assert asked in (403, 405), (person, place)
    assert enter(small.amir).get(reverse("audit-entry", args=[10**18])).status_code == 404
    assert not LogEntry.objects.filter(action__startswith="audit:").exists()


def test_people_are_for_administrators_and_those_who_confirm(small: request_site.Site, enter: Enter) -> None:
    """Reading is for both; adding, proposing and taking away for administrators; nobody else sees a thing."""
    change = changes.propose(by=small.ada, user=small.rosa, kind="reset", reason="Lost the password.")
    of = small.rosa.pk
    reading = ["/people/", f"/people/{of}/", f"/people/changes/{change.pk}/"]
    writing = ["/people/new/", f"/people/{of}/propose/reset/", f"/people/{of}/roles/researcher/take-away/"]
    for name, user in everyone(small).items():
        client = enter(user)
        for place in reading:
            assert client.get(place).status_code == (200 if name in ("owner", "ada") else 403), (name, place)
        for place in writing:
            assert client.get(place).status_code == (200 if name == "ada" else 403), (name, place)
            if name != "ada":
                assert client.post(place, {"reason": "x", "username": "x"}).status_code == 403, (name, place)
    for step in ("confirm", "decline"):
        assert enter(small.stella).post(reading[2], {"step": step}).status_code == 403
    assert enter(small.ada).post(reading[2], {"step": "confirm"}).status_code == 403, "whoever proposed it"
    assert small.rosa.role_grants.get().ended_at is None


BEFORE_SIGNING_IN = {
    "account_login": 200, "account_inactive": 200,
    "socialaccount_login_cancelled": 200,
    "openid_connect_login": 405, "openid_connect_callback": 404,
}  # fmt: skip


def test_nobody_sees_anything_before_signing_in(client: Client) -> None:
    """Every address of the site but sign-in leads there first."""
    nothing = "00000000-0000-0000-0000-000000000000"
    samples = {"pk": nothing, "dataset": nothing, "entry": 1, "gate": "measure", "action": "submit", "intent": "x"}
    samples |= {"file_name": "data.csv", "token": "t", "index": 0, "run": nothing, "number": 1, "which": "open"}
    samples |= {
        "provider_id": "nobody",
        "decision": "accept",
        "proposal": nothing,
        "kind": "grant",
        "role": "steward",
        "uidb64": "MQ",
        "organisation": 1,
        "place": 0,
        "show": "columns",
    }
    seen = 0
    for name, (possible, *_) in sorted((str(key), value) for key, value in named_addresses()):
        if name.startswith("api-"):  # tests/integration/test_api_access.py asks each of them by every method
            continue
        needed = {field: 1 if name.startswith("mfa_") else samples[field] for field in possible[0][1]}
        answer = client.get(reverse(name, kwargs=needed))
        if name == "new-password":  # for whoever has none; without a token that fits it says so
            assert "has been used" in answer.content.decode()
        elif name in BEFORE_SIGNING_IN:
            assert answer.status_code == BEFORE_SIGNING_IN[name], name
        else:
            assert answer.status_code == 302, name
            assert answer["Location"].startswith("/sign-in/"), name
        seen += 1
    assert seen > 20


def named_addresses() -> list[tuple[Any, Any]]:
    resolver = get_resolver()
    names = [key for key in resolver.reverse_dict if isinstance(key, str)]
    return [(name, resolver.reverse_dict.getlist(name)[0]) for name in names]


def test_researchers_see_declared_facts_only(small: request_site.Site, enter: Enter) -> None:
    address = reverse("dataset-detail", args=[small.dataset.pk])
    shown = enter(small.rosa).get(address).content.decode()
    assert "3 columns are not declared public" in shown
    for secret in ("t.csv", "2,000", "Rows read", "Ledger", "pay"):
        assert secret not in main_of(shown)
    assert "Rows read" in enter(small.stella).get(address).content.decode()


def test_the_catalogue_tells_what_was_declared_public_and_is_searched_by_title(
    small: request_site.Site, enter: Enter
) -> None:
    researcher = enter(small.rosa)
    shown = main_of(researcher.get("/datasets/").content.decode())
    for told in ("Small", "people of the tests", "testing", "one row (one person)"):
        assert told in shown
    for secret in ("pay", "t.csv", "2,000"):
        assert secret not in shown
    assert "Small" in main_of(researcher.get("/datasets/?words=SMAL").content.decode())
    nothing = main_of(researcher.get("/datasets/?words=<b>zebra").content.decode())
    assert "No dataset" in nothing
    assert "<b>zebra" not in nothing


def main_of(page: str) -> str:
    return page.split("<main", 1)[1].split("</main>", 1)[0]


def test_votes_are_blind_until_all_are_in(small: request_site.Site, enter: Enter) -> None:
    request = small.submitted()
    vote = small.vote(request, small.stella)
    Vote.objects.filter(pk=vote.pk).update(comment="a telling remark")
    pages = [reverse("request-detail", args=[request.pk]), reverse("request-gate", args=[request.pk, "measure"])]
    for person in (small.stefan, small.rosa, small.amir, small.owner):
        for address in pages:
            shown = enter(person).get(address).content.decode()
            assert "telling remark" not in shown
            assert "Approved" not in main_of(shown)
    small.vote(request, small.stefan)
    assert "telling remark" in enter(small.stefan).get(pages[1]).content.decode()


def decide(client: Client, request: SynthesisRequest, **changes: str) -> Any:
    given = {"decision": "approve", "seen": request.content_hash, "comment": ""} | changes
    return client.post(reverse("request-decide", args=[request.pk, "measure"]), given)


def test_the_same_person_cannot_vote_twice(small: request_site.Site, enter: Enter) -> None:
    request, stella = small.submitted(), enter(small.stella)
    assert decide(stella, request).status_code == 302
    again = decide(stella, request)
    assert again.status_code == 403
    assert "once each" in again.content.decode()
    gate = stella.get(reverse("request-gate", args=[request.pk, "measure"])).content.decode()
    assert "You voted to <strong>approve</strong>" in gate
    assert Vote.objects.count() == 1


def test_closed_actions_are_shown_with_their_reason(small: request_site.Site, enter: Enter) -> None:
    request = small.submitted()
    small.vote(request, small.stella)
    shown = enter(small.stella).get(reverse("request-detail", args=[request.pk])).content.decode()
    button = re.search(r"<button[^>]*disabled[^>]*>Decide on measuring</button>", shown)
    assert button is not None
    assert "Stewards decide on requests of other people" in button.group()


def test_a_vote_on_an_old_page_is_refused(small: request_site.Site, enter: Enter) -> None:
    request = small.submitted()
    answer = decide(enter(small.stella), request, seen="0" * 64)
    assert "has changed since" in answer.content.decode()
    assert not Vote.objects.exists()


def test_a_rejection_needs_a_reason(small: request_site.Site, enter: Enter) -> None:
    request = small.submitted()
    answer = decide(enter(small.stella), request, decision="reject")
    assert "Why it is rejected" in answer.content.decode()
    assert "There is a problem" in answer.content.decode()
    assert not Vote.objects.exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epsilon": "0"}, "epsilon must be greater than 0"),
        ({"epsilon": "99"}, "epsilon is above what the population's cap has left"),
        ({"epsilon": "NaN"}, "Enter a number"),
        ({"delta": "1"}, "delta must lie between 0 and 1"),
        ({"rows": "0"}, "greater than or equal to 1"),
        ({"rows": "999999999"}, "rows can be asked for"),
        ({"context": ""}, "Context: This field is required"),
        ({"title": "x" * 201}, "Title: Ensure this value has at most 200 characters"),
        ({"proposer": "openai"}, "Choose the endpoint"),
        ({"dataset": "00000000-0000-0000-0000-000000000000"}, "Dataset: Select a valid choice"),
    ],
)
def test_a_bad_request_is_told_by_field_and_rule(
    small: request_site.Site, enter: Enter, changes: dict[str, str], message: str
) -> None:
    wish = {
        "dataset": str(small.dataset.pk), "title": "T", "purpose": "P", "context": "C", "rows": "10",
        "epsilon": "1", "delta": "1e-6", "proposer": "embedded", "endpoint": "",
    }  # fmt: skip
    answer = enter(small.rosa).post(reverse("request-new"), wish | changes)
    shown = answer.content.decode().replace("&#x27;", "'")
    assert answer.status_code == 200
    assert "There is a problem" in shown
    assert message in shown
    assert wish["purpose"] in shown
    assert not SynthesisRequest.objects.exists()


def test_hostile_text_stays_text(small: request_site.Site, enter: Enter) -> None:
    request = small.submitted(title="<script>alert(1)</script>", purpose='"><img src=x onerror=alert(1)>')
    shown = enter(small.stella).get(reverse("request-detail", args=[request.pk])).content.decode()
    assert "<script>alert" not in shown
    assert "<img" not in shown


def test_a_step_that_comes_too_late_says_so(small: request_site.Site, enter: Enter) -> None:
    request = small.submitted()
    SynthesisRequest.objects.filter(pk=request.pk).update(state=RequestState.MEASURING)
    answer = enter(small.rosa).post(reverse("request-step", args=[request.pk, "withdraw"]), follow=True)
    assert "That is not possible while the request is: Measuring." in answer.content.decode()


@pytest.mark.django_db(transaction=True, databases=["default", "log"])
def test_a_link_is_for_one_person_and_once(small: request_site.Site, enter: Enter, open_door: Any) -> None:
    request = small.released()
    rosa, grant = enter(small.rosa), small.rosa.grants.get()
    address = reverse("request-link", args=[request.pk, "data.csv"])
    assert rosa.post(address).status_code == 403, "the terms come first"
    delivery.accept_licence(by=small.rosa, grant=grant, version="1")
    link = rosa.post(address)["Location"]
    assert enter(small.stella).get(link).status_code == 403
    assert rosa.head(link).status_code == 405, "looking at a link does not use it up"
    assert rosa.get(link).getvalue().startswith(b"sex,age,pay")
    assert rosa.get(link).status_code == 403
    assert rosa.post(reverse("request-link", args=[request.pk, "passwords.txt"])).status_code == 404


@pytest.mark.django_db(transaction=True, databases=["default", "log"])
def test_a_revoked_release_closes_the_download(small: request_site.Site, enter: Enter, open_door: Any) -> None:
    request = small.released()
    step = reverse("request-step", args=[request.pk, "revoke"])
    answer = enter(small.stella).post(step, {"reason": "The purpose changed."}, follow=True)
    assert "The release is revoked." in answer.content.decode()
    assert enter(small.rosa).get(reverse("request-download", args=[request.pk])).status_code == 403
    assert request.votes.filter(gate=Gate.OUTPUT).count() == 2
