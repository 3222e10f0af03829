"""Who gets what from every address of the API: it, a refusal in words, or nothing that tells that it is there."""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.test import Client
from django.urls import get_resolver

from audit import erasure
from audit.models import LogCheck, PromptRecord
from llmsynthor_site.models import User
from llmsynthor_site.people import changes, memberships
from privacy import caps, drafts
from privacy.models import MeasurementRecord
from synthesis import simulating, switches
from synthesis.models import CallFinding, Endpoint
from tests import privacy_site, request_site
from tests.api_site import EVERY, Caller

pytestmark = pytest.mark.django_db(databases=["default", "log"], transaction=True)
SCHEMA = yaml.safe_load((Path(__file__).resolve().parents[2] / "docs" / "openapi.yaml").read_text())


@pytest.fixture
def small() -> request_site.Site:
    return request_site.make()


def everyone(small: request_site.Site) -> dict[str, User]:
    other = privacy_site.person("rival", "researcher")
    return {name: getattr(small, name) for name in ("owner", "stella", "rosa", "amir", "ada")} | {"rival": other}


PEOPLE = ("owner", "stella", "rosa", "amir", "ada", "rival")


def answered(*statuses: int) -> dict[str, int]:
    """In the order of PEOPLE."""
    return dict(zip(PEOPLE, statuses, strict=True))


# As the pages answer (tests/functional/test_access.py): it, a refusal (403), or nothing that tells it exists (404).
SEEN = answered(200, 200, 200, 200, 404, 404)
REVIEWED = answered(200, 200, 403, 200, 403, 403)
OF_ADMINS = answered(200, 403, 403, 403, 200, 403)
OF_OWNERS = answered(200, 403, 403, 403, 403, 403)
OF_AUDITORS = answered(403, 403, 403, 200, 403, 403)
CATALOGUED = answered(200, 200, 200, 200, 404, 200)
EXPECTED = {
    "requests/{request}/": SEEN,
    "requests/{request}/actions/": SEEN,
    "requests/{request}/gates/output/": REVIEWED,
    "requests/{request}/rules/": REVIEWED,
    "requests/{request}/run/": SEEN,
    "requests/{request}/prompts/": answered(403, 200, 200, 200, 404, 404),
    "requests/{request}/prompts/{intent}/": answered(403, 200, 200, 200, 404, 404),
    "requests/{request}/package/": answered(404, 404, 200, 404, 404, 404),
    "requests/{request}/compare/pairs/": SEEN,
    "requests/{request}/disclosure/": SEEN,
    "requests/{request}/rehearsal/": REVIEWED,
    "datasets/{dataset}/": CATALOGUED,
    "datasets/{dataset}/ledger/": answered(200, 200, 403, 200, 404, 403),
    "datasets/{dataset}/waiver/": CATALOGUED,
    "datasets/{dataset}/waivers/": CATALOGUED,
    "datasets/{dataset}/releases/": answered(403, 403, 200, 403, 404, 200),
    "datasets/{dataset}/access/": answered(200, 200, 403, 200, 404, 403),
    "datasets/{dataset}/audience/": answered(200, 403, 403, 403, 404, 403),
    "datasets/{dataset}/look/": answered(404, 404, 403, 404, 404, 403),
    "statistics/{entry}/": answered(200, 200, 404, 200, 404, 404),
    "caps/": OF_OWNERS,
    "caps/{raise}/": OF_OWNERS,
    "drafts/": OF_OWNERS,
    "drafts/{draft}/": OF_OWNERS,
    "endpoints/": dict.fromkeys(PEOPLE, 200),
    "endpoints/{endpoint}/": dict.fromkeys(PEOPLE, 200),
    "switches/": answered(200, 200, 403, 200, 200, 403),
    "findings/": answered(403, 200, 403, 200, 200, 403),
    "people/": OF_ADMINS,
    "people/{person}/": OF_ADMINS,
    "people/changes/": OF_ADMINS,
    **dict.fromkeys(("organisations/", "organisations/{clinic}/", "organisations/{clinic}/members/"), OF_ADMINS),
    "machines/": answered(403, 403, 403, 403, 200, 403),
    "requests/{request}/prompts/{intent}/erasures/": answered(403, 200, 403, 403, 404, 404),
    "datasets/{dataset}/history/": answered(200, 200, 403, 200, 404, 403),
    **dict.fromkeys(("log/", "log/0/", "log/0/proof/", "log/checks/", "log/checks/{check}/"), OF_AUDITORS),
    **dict.fromkeys(("log/standing/", "ledger/", "ledger/populations/", "downloads/", "grants/"), OF_AUDITORS),
    **dict.fromkeys(("activity/", "prompts/{intent}/", "exposure/", "lineage/", "lineage/templates/"), OF_AUDITORS),
    **dict.fromkeys(("duties/", "duties/conflicts/", "duties/count/"), OF_AUDITORS),
    **dict.fromkeys(
        ("me/", "notices/", "receipts/", "webhooks/", "webhooks/deliveries/", "datasets/", "requests/"),
        dict.fromkeys(PEOPLE, 200),
    ),
}
"""Every address that is read. The price asks for figures, a file for a link, and tokens for a session: elsewhere."""
ELSEWHERE = {"price/", "files/{}/", "tokens/", "schema/", "docs/"}


@pytest.fixture
def door(site: Any) -> Any:
    with request_site.open_door() as opened:
        yield opened


@pytest.fixture
def known(small: request_site.Site, door: Any) -> dict[str, Any]:
    """Something of everything, by the name of its place in an address."""
    request = small.released()
    submitted = small.submitted()
    simulating.ask_for(by=small.stella, request=request)
    population = small.dataset.population
    raised = caps.propose_raise(by=small.owner, population=population, rho=Decimal(5), reason="More is asked for.")
    endpoint = Endpoint.objects.create(name="Here", base_url="http://127.0.0.1:9", model="m")
    return {
        "request": request.pk, "submitted": submitted.pk, "dataset": small.dataset.pk, "raise": raised.pk,
        "intent": PromptRecord.objects.earliest("pk").intent_id, "endpoint": endpoint.pk,
        "entry": MeasurementRecord.objects.earliest("pk").entry_id, "person": small.rosa.pk,
        "switch": switches.set_switch(by=small.stefan, target="all", reason="Looks wrong.").pk,
        "finding": CallFinding.objects.create(kind="count", subject="endpoint:Here", detail="Off.").pk,
        "change": changes.propose(by=small.ada, user=small.rosa, kind="reset", reason="Lost it.").pk,
        "check": LogCheck.objects.create(by="user:amir").pk,
        "clinic": memberships.add_organisation(by=small.ada, name="The clinic").pk,
        "erasure": erasure.propose(
            by=small.stella, body=PromptRecord.objects.earliest("pk").body_id, reason="Asked for."
        ).pk,
        "draft": drafts.begin(by=small.owner, header="sex,age").pk,
    }  # fmt: skip


@pytest.mark.parametrize("scopes", [(), tuple(EVERY)], ids=["session", "token"])
def test_every_endpoint_by_every_role(small: request_site.Site, known: dict[str, Any], scopes: tuple[str, ...]) -> None:
    people = {name: Caller(user, *scopes) for name, user in everyone(small).items()}
    found = {
        place: {name: caller.get(place.format(**known)).status_code for name, caller in people.items()}
        for place in EXPECTED
    }
    assert {place: told for place, told in found.items() if told != EXPECTED[place]} == {}


def test_every_address_is_asked_by_one_of_these_walks() -> None:
    assert read_or_written("get") - ELSEWHERE == bare(EXPECTED)
    assert read_or_written("post") - OWN == bare(MAY)


def read_or_written(method: str) -> set[str]:
    return {bare_one(path.removeprefix("/api/v1/")) for path, told in SCHEMA["paths"].items() if method in told}


def bare(places: Iterable[str]) -> set[str]:
    """Addresses without what is named in them."""
    return {bare_one(place) for place in places}


def bare_one(place: str) -> str:
    return re.sub(r"\{\w+\}|(?<=gates/)(measure|output)|(?<=compare/)pairs|(?<=log/)0|(?<=roles/)\w+|"
                  r"(?<=actions/)\w+|(?<=rules/)1|(?<=versions/)1", "{}", place)  # fmt: skip


OWN = {
    "notices/read/",
    "tokens/",
    "tokens/{}/revoke/",
    "webhooks/",
    "webhooks/{}/end/",
    "requests/{}/licence/",
}
OWN |= {"requests/{}/links/"}
"""Of one's own things alone: somebody else's are not there (test_api_tokens.py, test_webhooks.py, test_api.py)."""
STEWARDS, OWNERS, ADMINS = {"stella"}, {"owner"}, {"ada"}
MAY: dict[str, set[str]] = {
    "requests/": {"rosa", "rival"},
    "requests/{submitted}/actions/withdraw/": {"rosa"},
    "requests/{submitted}/gates/measure/votes/": STEWARDS,
    "requests/{submitted}/condition/": STEWARDS,
    "requests/{submitted}/rules/1/": {*PEOPLE},  # there is none
    "requests/{submitted}/rehearsal/": STEWARDS,
    "datasets/": OWNERS,
    "datasets/{dataset}/upload/": OWNERS,
    "datasets/{dataset}/waiver/": OWNERS,
    "datasets/{dataset}/waiver/end/": OWNERS,
    "datasets/{dataset}/audience/": OWNERS,
    "datasets/{dataset}/look/": OWNERS,
    "datasets/{dataset}/versions/1/last-day/": OWNERS,
    "datasets/{dataset}/versions/1/destroy/": OWNERS,
    "datasets/{dataset}/cap/": OWNERS,
    "caps/{raise}/confirm/": set(),
    "caps/{raise}/decline/": OWNERS,
    "caps/{raise}/withdraw/": OWNERS,
    "endpoints/{endpoint}/probe/": ADMINS,
    "switches/": STEWARDS | OWNERS | ADMINS,
    "switches/{switch}/lift/": STEWARDS | OWNERS,
    "findings/{finding}/close/": STEWARDS | ADMINS,
    "people/": ADMINS,
    "people/{person}/changes/": ADMINS,
    "people/{person}/roles/researcher/take-away/": ADMINS,
    "people/{person}/organisations/{clinic}/leave/": ADMINS,
    "organisations/": ADMINS,
    "requests/{request}/prompts/{intent}/erasures/": STEWARDS,
    "requests/{request}/prompts/{intent}/erasures/{erasure}/withdraw/": STEWARDS,
    "requests/{request}/prompts/{intent}/erasures/{erasure}/confirm/": set(),
    "people/changes/{change}/confirm/": OWNERS,
    "people/changes/{change}/decline/": OWNERS | ADMINS,
    "log/export/": {"amir"},
    "log/evidence/": {"amir"},
    "requests/{submitted}/evidence/": {"amir"},
    "datasets/{dataset}/evidence/": {"amir"},
    "exposure/export/": {"amir"},
    "log/checks/": {"amir"},
    "ledger/export/": {"amir"},
}
"""Who may write at each address. Everybody else is refused in words, or told that there is nothing."""


def test_every_step_is_refused_to_everybody_else(small: request_site.Site, known: dict[str, Any]) -> None:
    people = {name: Caller(user) for name, user in everyone(small).items()}
    wrong = [
        (place, name, told)
        for place, may in MAY.items()
        for name, caller in people.items()
        if name not in may and (told := refused(caller.post(place.format(**known))))
    ]
    assert wrong == [], wrong


def refused(answer: Any) -> str:
    """Nothing where somebody was refused as they should be: 404, or 403 with words that say whose step it is."""
    if answer.status_code == 404:
        return ""
    detail = answer.json().get("detail", "") if "json" in answer["Content-Type"] else ""
    return "" if answer.status_code == 403 and len(detail) > len("You may not do that.") else str(answer.status_code)


def test_nobody_sees_anything_without_saying_who_they_are() -> None:
    """Every address of the API, by every method that it knows."""
    nothing, seen = "00000000-0000-0000-0000-000000000000", 0
    samples = {
        "pk": nothing,
        "gate": "measure",
        "action": "submit",
        "intent": "x",
        "token": "t",
        "role": "steward",
        "show": "pairs",
        "proposal": nothing,
    }
    for name, (possible, *_) in api_addresses():
        template, fields = possible[0]
        numbers = {field: 1 for field in fields if field in ("index", "entry", "number", "organisation")}
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
    return any(
        part in template
        for part in (
            "organisations/",
            "tokens/",
            "webhooks/",
            "people/",
            "endpoints/",
            "switches/",
            "findings/",
            "checks/",
        )
    )
