"""The comparison page: the package's own figures, worst first, paged, for those who may read them."""

from __future__ import annotations

import re
from html import unescape

import pytest
from django.test import Client

from llmsynthor_site import services
from llmsynthor_site.models import User
from synthesis import policies
from synthesis.models import Run, SynthesisRequest
from synthesis.states import Gate
from tests import report_sample, request_site
from tests.request_site import Site, open_door

pytestmark = pytest.mark.django_db(databases=["default", "log"], transaction=True)


@pytest.fixture
def house() -> Site:
    return request_site.make()


def status_and_text(user: User, request: SynthesisRequest, rest: str = "") -> tuple[int, str]:
    client = Client()
    client.force_login(user)
    found = client.get(f"/requests/{request.pk}/compare/{rest}")
    return found.status_code, unescape(found.content.decode())


def text(user: User, request: SynthesisRequest, rest: str = "") -> str:
    status, found = status_and_text(user, request, rest)
    assert status == 200
    return found


def statuses(house: Site, request: SynthesisRequest) -> dict[str, int]:
    people = {"requester": house.rosa, "steward": house.stella, "auditor": house.amir, "admin": house.ada}
    return {name: status_and_text(user, request)[0] for name, user in people.items()}


def test_who_may_compare_and_when(house: Site) -> None:
    """Nobody before there is a table; reviewers at gate C; the requester once it is released."""
    measured = house.measured(title="Measured")
    assert set(statuses(house, measured).values()) <= {403, 404}
    with open_door():
        checking = house.synthesised()
    told = statuses(house, checking)
    assert (told["steward"], told["auditor"], told["requester"]) == (200, 200, 403)
    for steward in (house.stella, house.stefan):
        house.vote(checking, steward, Gate.OUTPUT)
    released = SynthesisRequest.objects.get(pk=checking.pk)
    assert statuses(house, released)["requester"] == 200
    assert f"/requests/{released.pk}/compare/" in page_of(house.rosa, released)
    services.take_away_role(by=house.ada, user=house.rosa, role="researcher", reason="Left.")
    assert not policies.may_compare(released, User.objects.get(pk=house.rosa.pk)), "nor download, nor see prompts"
    released.state = "revoked"
    assert not policies.may_compare(released, house.rosa)


def page_of(user: User, request: SynthesisRequest) -> str:
    client = Client()
    client.force_login(user)
    return client.get(f"/requests/{request.pk}/").content.decode()


def test_sixty_columns_are_paged_worst_first_with_every_figure_in_a_table(house: Site) -> None:
    with open_door():
        request = house.synthesised()
    wide = report_sample.report(60)
    Run.objects.filter(request=request).update(report=wide)
    seen: list[str] = []
    for number in range(1, 6):
        found = text(house.stella, request, f"columns/?page={number}")
        seen += re.findall(r'id="column-\d+">([^<]+)<', found)
        assert found.count('role="img"') == 12
        assert found.count("<table") == 12
    assert seen == [one["column"] for one in wide["columns"]]
    assert len(text(house.stella, request)) < 300_000
    assert "<script>alert" not in raw(house.stella, request)
    some = text(house.stella, request, "columns/?words=column_59")
    assert re.findall(r'id="column-\d+">([^<]+)<', some) == ["column_59"]
    assert "No column’s name holds these words" in text(house.stella, request, "columns/?words=nobody")


def raw(user: User, request: SynthesisRequest) -> str:
    client = Client()
    client.force_login(user)
    return client.get(f"/requests/{request.pk}/compare/").content.decode()


def test_pairs_and_tables_tell_the_same_figures_as_the_package(house: Site) -> None:
    with open_door():
        request = house.synthesised()
    wide = report_sample.report(60)
    Run.objects.filter(request=request).update(report=wide)
    pairs = text(house.stella, request, "pairs/")
    assert pairs.count("<title>") == 1 + 60 * 59 // 2  # the page's own, and one for each cell of the map
    assert "Every pair at once" in pairs
    last = text(house.stella, request, "pairs/?page=999")
    assert "Never measured" in last
    tables = text(house.stella, request, "tables/")
    worst = wide["tables"][0]
    assert " × ".join(worst["columns"]) in tables.split("<tbody>")[1][:400]
    assert status_and_text(house.stella, request, "nothing/")[0] == 404
