"""Every form of the site, filled in with what was not meant: a clear message, nothing run, never an error page."""

from __future__ import annotations

import html
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import NoReverseMatch, get_resolver, resolve, reverse

from llmsynthor_site.models import User
from llmsynthor_site.people import changes, memberships
from privacy import caps, waivers
from privacy.waiver_text import digest
from synthesis import switches
from tests import privacy_site, request_site
from tests.integration.test_bad_input import HOSTILE, entered

pytestmark = pytest.mark.django_db(databases=["default", "log"], transaction=True)

MEGABYTE = "x" * 2**20
NEVER = {"missing": "", "blank": " \t\n", "null": "a\x00b", "megabyte": MEGABYTE}
KINDS = HOSTILE | NEVER | {"too large": "1e999", "not a number": "NaN"}
Form = tuple[str, str, dict[str, str]]

# Any words are right here. Most forms are over once they take some, so there only what is never right is tried.
WORDS = ("comment", "text", "reason", "name", "title", "purpose", "context", "header")
TRIED_WITH_WORDS = ("a request", "a draft", "a token")
# These may be left out: nobody then stands in the way of anybody, or the choice is made for whoever asks.
OPTIONAL = {("an audience", "organisations"), ("a person", "email"), ("settings", "time_zone")}

# Addresses that take a click and no words.
CLICKS = {
    "account_signup", "audit-check", "cap-raise", "dataset-look-again", "draft-check", "draft-discard",
    "endpoint-probe", "logout", "notices", "people-change", "request-erase-withdraw", "request-link",
    "request-simulation", "token-revoke", "webhook-end",
}  # fmt: skip
# Of the libraries that sign people in; how this site uses them is tried in tests/integration/test_signing_in.py.
SIGNING_IN = {
    "account_login", "account_reauthenticate", "new-password", "openid_connect_login", "socialaccount_connections",
}  # fmt: skip
# Not tried here: files, answers that are kept while incomplete, and what needs a finding or a run. Tests of uploads, of
# registration, of the door, of rules and of erasure have those.
OTHERWISE = {
    "dataset-register", "dataset-upload", "draft-column", "draft-people", "draft-unit", "finding-close",
    "request-download", "request-erase", "request-rule-decide",
}  # fmt: skip


@pytest.fixture
def house() -> request_site.Site:
    return request_site.make()


def forms(house: request_site.Site) -> dict[str, Form]:
    """By name: who fills it in, where, and what would be right."""
    return requests(house) | of_owners(house) | of_people(house) | of_auditors(house)


def requests(house: request_site.Site) -> dict[str, Form]:
    draft, asked = house.request(), house.submitted()
    wish = {name: str(value) for name, value in request_site.WISH.items() if value is not None}
    vote = {"seen": asked.content_hash, "decision": "reject", "comment": "No."}
    stop = switches.set_switch(by=house.stella, target=f"dataset:{house.dataset.pk}", reason="A look.")
    return {
        "a request": ("rosa", "/requests/new/", {**wish, "dataset": str(house.dataset.pk)}),
        "a draft": ("rosa", f"/requests/{draft.pk}/edit/", wish),
        "a rejection": ("stella", f"/requests/{asked.pk}/gate/measure/decide/", vote),
        "a condition": (
            "stella", f"/requests/{asked.pk}/condition/", {"seen": asked.content_hash, "text": "In class only."}
        ),
        "a return": ("stella", f"/requests/{asked.pk}/step/return/", {"comment": "Say more."}),
        "a kill switch": ("olivia", "/door/stop/", {"target": "all", "reason": "A look."}),
        "the lifting of one": ("stefan", f"/door/switches/{stop.pk}/lift/", {"reason": "It is well."}),
    }  # fmt: skip


def of_owners(house: request_site.Site) -> dict[str, Form]:
    dataset, waived = (f"/datasets/{one.pk}/" for one in (house.dataset, signed(house)))
    privacy_site.person("oscar", "owner")
    raised = caps.propose_raise(by=house.owner, population=house.dataset.population, rho=Decimal(3), reason="So.")
    clinic = memberships.add_organisation(by=house.ada, name="The hospital")
    return {
        "a higher cap": ("olivia", f"{dataset}cap/", {"rho": "4", "reason": "A second study."}),
        "the end of a raise": ("oscar", f"/caps/{raised.pk}/end/", {"reason": "No."}),
        "a waiver": (
            "olivia",
            f"{dataset}one-steward/",
            {"seen": digest(), "reason": "A small house.", "accept": "on"},
        ),
        "the end of a waiver": ("olivia", f"{waived}one-steward/end/", {"reason": "A second steward came."}),
        "a last day": ("olivia", f"{dataset}versions/1/last-day/", {"day": "2099-12-31"}),
        "the end of a version": ("olivia", f"{dataset}versions/1/destroy/", {"reason": "The study is over."}),
        "an audience": ("olivia", f"{dataset}audience/", {"organisations": str(clinic.pk)}),
        "a registration": ("olivia", "/datasets/drafts/", {"title": "Pay", "header": "sex,age"}),
    }


def signed(house: request_site.Site) -> Any:
    """Another dataset of the same people, whose owner has waived the second steward."""
    dataset = privacy_site.dataset(house.owner, content=request_site.table(), title="Waived")
    waivers.sign(by=house.owner, dataset=dataset, reason="A small house.", seen=digest())
    return dataset


def of_people(house: request_site.Site) -> dict[str, Form]:
    rosa = f"/people/{house.rosa.pk}/"
    clinic = memberships.add_organisation(by=house.ada, name="The clinic")
    join = {"user": house.rosa, "kind": "join", "organisation": clinic, "reason": "Works there."}
    changes.confirm(by=house.owner, change=changes.propose(by=house.ada, **join))
    token = {"name": "Notebook", "scopes": "request", "days": "30"}
    member = {"organisation": str(clinic.pk), "reason": "So."}
    return {
        "an organisation": ("ada", "/people/organisations/new/", {"name": "The school"}),
        "a person": ("ada", "/people/new/", {"username": "nina", "email": "nina@example.org"}),
        "a role": ("ada", f"/people/{house.stefan.pk}/propose/grant/", {"role": "owner", "reason": "So."}),
        "a password": ("ada", f"{rosa}propose/reset/", {"reason": "Lost."}),
        "a membership": ("ada", f"/people/{house.amir.pk}/propose/join/", member),
        "the end of a membership": ("ada", f"{rosa}organisations/{clinic.pk}/leave/", {"reason": "Left."}),
        "the end of a role": ("ada", f"{rosa}roles/researcher/take-away/", {"reason": "Left."}),
        "settings": ("rosa", "/settings/", {"time_zone": "Europe/Zurich"}),
        "a token": ("rosa", "/settings/tokens/new/", token),
        "a webhook": ("rosa", "/settings/webhooks/", {"url": "https://hooks.example.org/in"}),
    }


def of_auditors(house: request_site.Site) -> dict[str, Form]:
    asked, why = house.submitted(title="Another one"), {"reason": "A review."}
    file, days = {"form": "csv", **why}, {"since": "2026-01-01", "until": "2026-01-02", **why}
    return {
        "entries of the log": ("amir", reverse("audit-list-export"), file),
        "the ledger": ("amir", reverse("desk-ledger-export"), file),
        "the exposure": ("amir", reverse("desk-exposure-export"), why),
        "evidence of a request": ("amir", reverse("request-evidence", args=[asked.pk]), why),
        "evidence of a dataset": ("amir", reverse("dataset-evidence", args=[house.dataset.pk]), why),
        "evidence of a period": ("amir", reverse("period-evidence"), days),
    }


def test_no_form_breaks_or_runs_what_was_typed(house: request_site.Site, settings: Any) -> None:
    """Every field of every form, each with everything that was not meant, the others as they should be."""
    settings.WEBHOOK_HOSTS = ["hooks.example.org"]
    clients: dict[str, Client] = {}
    wrong: list[str] = []
    for name, (who, address, right) in forms(house).items():
        client = clients.setdefault(who, entered(who))
        for field in right:
            for kind, typed in kinds_for(name, field).items():
                answer = client.post(address, {**right, field: typed})
                wrong += [f"{name}, {field}, {kind}: {one}" for one in problems(answer, (name, field), kind, typed)]
    assert not wrong, "\n".join(wrong)


def kinds_for(name: str, field: str) -> dict[str, str]:
    if field == "accept":  # a box, which is ticked whatever it says
        return {"missing": ""}
    return NEVER if field in WORDS and name not in TRIED_WITH_WORDS else KINDS


def problems(answer: Any, where: tuple[str, str], kind: str, typed: str) -> list[str]:
    """What is wrong with an answer: it is to be refused in words, or taken where it may be; nothing becomes markup."""
    if answer.streaming:
        return ["a file was sent"]
    shown, refused = answer.content.decode(errors="replace"), answer.status_code in (200, 422)
    found = {
        f"status {answer.status_code}": answer.status_code not in (200, 302, 400, 403, 404, 422),
        "it was taken": answer.status_code == 302 and kind in NEVER and where not in OPTIONAL,
        "markup": "<script>alert" in shown,
        "no message": refused and 'role="alert"' not in shown,
        "not shown again": refused and kind in HOSTILE and where[1] in WORDS and html.escape(typed) not in shown,
    }
    return [what for what, is_so in found.items() if is_so]


def test_no_form_was_forgotten(house: request_site.Site) -> None:
    """Whatever address of the site takes a post is tried above, or said to be a click or tried by other tests."""
    tried = {str(resolve(address).url_name) for _, address, _ in forms(house).values()}
    said = [CLICKS, SIGNING_IN, OTHERWISE]
    assert taking_posts(house.rosa) == tried.union(*said)
    assert sum(map(len, said)) + len(tried) == len(tried.union(*said)), "each once"


def taking_posts(user: User) -> set[str]:
    """The site's addresses that do not answer a post by saying that only reading is possible."""
    found = set()
    for name in (key for key in get_resolver().reverse_dict if isinstance(key, str)):
        if name.startswith(("api-", "mfa_")):  # tried by tests/integration/test_api_access.py; the library's
            continue
        client = Client(raise_request_exception=False)
        client.force_login(user)
        if client.post(some_address(name)).status_code != 405:
            found.add(name)
    return found


def some_address(name: str) -> str:
    """An address of this name. What it is about need not exist: the method is looked at first."""
    needed = get_resolver().reverse_dict.getlist(name)[0][0][0][1]
    for value in ("00000000-0000-0000-0000-000000000000", 1):
        for pairs in ({}, {"place": 1, "index": 1, "number": 1, "organisation": 1, "entry": 1}):
            try:
                return reverse(name, kwargs={field: pairs.get(field, value) for field in needed})
            except NoReverseMatch:
                continue
    raise AssertionError(f"no address for {name}")
