"""The pages of suggested rules: who is led to them, who sees them, and who decides."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.test import Client
from django.urls import reverse

from audit.actors import actor
from audit.selection import Scope
from synthesis import suggestions
from synthesis.states import Gate
from synthesis.transitions import allowed_actions
from tests import privacy_site, request_site
from tests.evidence_site import findings, pack_of
from tests.fakes.openai_server import OpenAIServer
from tests.integration.test_suggested_rules import TOLD, Decision, decide, measured, suggesting
from tests.request_site import Site, open_door

pytestmark = pytest.mark.django_db(databases=["default", "log"], transaction=True)


@pytest.fixture
def house() -> Site:
    made = request_site.make()
    made.dataset = privacy_site.dataset(made.owner, content=request_site.table(), title="Told", publicLabels=True)
    return made


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer(suggesting(*TOLD)) as found, open_door():
        yield found


def test_the_home_list_and_the_rule_for_one_request_agree(house: Site, server: OpenAIServer) -> None:
    request = measured(house, server)
    for person in (house.owner, house.stella, house.stefan, house.rosa, house.amir, house.ada):
        offered = {action.name: action.allowed for action in allowed_actions(request, person)}
        assert suggestions.waiting_for(person).exists() == offered.get("decide_rule", False), person
    for number in (1, 2, 3):
        decide(house, request, number, Decision.REJECT)
    assert not suggestions.waiting_for(house.stella).exists()


def test_pages_lead_a_steward_from_home_to_the_decision(house: Site, server: OpenAIServer) -> None:
    request = measured(house, server)
    client = Client()
    client.force_login(house.stella)
    page = reverse("request-rules", args=[request.pk])
    assert page in client.get("/").content.decode()
    assert page in client.get(reverse("request-detail", args=[request.pk])).content.decode()
    shown = client.get(page).content.decode()
    assert "sex == &quot;f&quot; implies pay &lt; 50" in shown
    assert "count as not accepted" in shown
    accept = reverse("request-rule-decide", args=[request.pk, 1, "accept"])
    assert client.post(accept, {"comment": ""}).status_code == 200
    assert client.post(accept, {"comment": "The payroll office says so."}).url == page
    assert "The payroll office says so." in client.get(page).content.decode()
    gate = client.get(reverse("request-gate", args=[request.pk, Gate.EGRESS])).content.decode()
    assert "counts as not accepted" in gate
    assert client.get(reverse("request-rule-decide", args=[request.pk, 2, "maybe"])).status_code == 404
    assert client.get(reverse("request-rule-decide", args=[request.pk, 9, "accept"])).status_code == 404


def test_pages_are_for_reviewers_and_only_stewards_decide(house: Site, server: OpenAIServer) -> None:
    request = measured(house, server)
    page, accept = (
        reverse("request-rules", args=[request.pk]),
        reverse("request-rule-decide", args=[request.pk, 1, "accept"]),
    )
    for person, look, act in (
        (house.rosa, 403, 403),
        (house.owner, 200, 403),
        (house.amir, 200, 403),
        (house.ada, 403, 403),
    ):
        client = Client()
        client.force_login(person)
        assert client.get(page).status_code == look, person
        assert client.post(accept, {"comment": "x"}).status_code == act, person
    assert suggestions.undecided(request).count() == 3
    none = house.request()
    client.force_login(house.stella)
    assert client.get(reverse("request-rules", args=[none.pk])).status_code == 404


def test_an_evidence_pack_tells_the_question_and_who_decided_on_its_rules(
    house: Site, server: OpenAIServer, tmp_path: Path
) -> None:
    request = measured(house, server)
    decide(house, request, 1)
    pack = pack_of(Scope("request", str(request.pk)), tmp_path, by=actor(house.amir))
    assert findings(pack) == []
    page = next(pack.rglob("index.html")).read_text()
    assert "The question about the columns, attempt 1" in page
    assert "sex == &quot;f&quot; implies pay &lt; 50" in page
    assert "“I know.”" in page
    assert page.count("nobody decided; it binds nothing") == 2
