"""Through the API: statistics used again, comparisons, checks, rehearsals, raises of caps, drafts, audiences."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from audit.models import LogEntry
from llmsynthor_site import disclosing
from llmsynthor_site.people import memberships
from privacy import caps, drafts, services
from privacy.models import CapRaise, LedgerEntry
from synthesis import packing, simulating
from synthesis.models import Simulation, SynthesisRequest
from tests import privacy_site, request_site
from tests.api_site import EVERY, Caller

pytestmark = pytest.mark.django_db(databases=["default", "log"], transaction=True)
WISH = {"title": "Once more", "purpose": "To teach.", "context": "In class.", "rows": 200}


@pytest.fixture
def small() -> request_site.Site:
    return request_site.make()


def test_a_program_asks_for_a_table_from_statistics_that_were_paid_for(small: request_site.Site) -> None:
    paid, dataset = small.measured(), str(small.dataset.pk)
    lines, rosa = LedgerEntry.objects.count(), Caller(small.rosa, "read", "request")
    [offered] = rosa.get(f"datasets/{dataset}/releases/").json()["results"]
    assert (offered["id"], Decimal(offered["rho"])) == (str(paid.release_id), paid.rho)
    assert paid.title not in str(offered)
    assert Caller(small.stella, "read").get(f"datasets/{dataset}/releases/").status_code == 403
    made = rosa.post("requests/", WISH | {"dataset": dataset, "reused_id": offered["id"], "use": "research"})
    assert made.status_code == 201, made.content
    assert (Decimal(made.json()["epsilon"]), made.json()["reused_id"]) == (paid.epsilon, offered["id"])
    place = f"requests/{made.json()['id']}/"
    renamed = rosa.patch(place, {"title": "Named anew"}, If_Match=made["ETag"]).json()
    assert (renamed["reused_id"], renamed["use"]) == (offered["id"], "research"), "what is left out stays"
    assert rosa.post(f"{place}actions/submit/").json()["state"] == "submitted"
    assert LedgerEntry.objects.count() == lines
    unknown = rosa.post("requests/", WISH | {"dataset": dataset, "reused_id": dataset})
    assert (unknown.status_code, unknown.json()["errors"][0]["field"]) == (422, "reused_id")


def test_what_is_measured_names_its_price(small: request_site.Site) -> None:
    rosa, wish = Caller(small.rosa, "read", "request"), WISH | {"dataset": str(small.dataset.pk)}
    refused = rosa.post("requests/", wish)
    assert {one["field"] for one in refused.json()["errors"]} == {"epsilon", "delta"}
    request = small.request()
    place = f"requests/{request.pk}/"
    answer = rosa.patch(place, {"epsilon": None}, If_Match=rosa.get(place)["ETag"])
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "epsilon")
    assert SynthesisRequest.objects.get().epsilon == request.epsilon


def test_a_comparison_comes_in_pages_and_exact_counts_to_a_session_alone(small: request_site.Site) -> None:
    wish = {"exactChecks": True, "population": "people who may be counted", "title": "Open"}
    small.dataset = privacy_site.dataset(small.owner, content=request_site.table(1999), **wish)
    with request_site.open_door():
        request = small.synthesised(disclosure="stewards")
    disclosing.compare(str(request.pk))
    packing.finish(str(request.pk))
    place, stella = f"requests/{request.pk}/", Caller(small.stella, "read")
    first = stella.get(f"{place}compare/tables/?size=2").json()
    rest = stella.get(first["next"].removeprefix("http://testserver/api/v1/")).json()
    lines = [*first["results"], *rest["results"]]
    assert len(first["results"]) == 2
    assert sorted(lines, key=lambda one: -one["residual_over_sigma"]) == lines
    assert stella.get(rest["previous"].removeprefix("http://testserver/api/v1/")).json() == first
    assert stella.get(f"{place}compare/tables/?cursor=x").status_code == 404
    assert {one["column"] for one in stella.get(f"{place}compare/columns/?words=ag").json()["results"]} == {"age"}
    assert Caller(small.rosa, "read").get(f"{place}compare/pairs/").status_code == 403, "not before it is released"
    told = Caller(small.stella).get(f"{place}disclosure/").json()
    assert (told["mode"], len(told["exact"])) == ("stewards", 2)
    assert stella.get(f"{place}disclosure/").json()["exact"] == []
    assert Caller(small.owner).get(f"{place}disclosure/").json()["exact"] == [], "owners see none"


def test_a_steward_has_a_plan_rehearsed_and_asks_for_it(small: request_site.Site) -> None:
    request = small.submitted()
    place, stella = f"requests/{request.pk}/rehearsal/", Caller(small.stella, "read", "review")
    assert stella.get(place).status_code == 404
    asked = stella.post(place, Idempotency_Key="once")
    assert (asked.status_code, asked.json()["finished_at"]) == (202, None)
    assert stella.post(place).json()["id"] == asked.json()["id"], "one a snapshot"
    simulating.conclude(Simulation.objects.get(), [{"epsilon": "1", "tables": []}], "")
    assert stella.get(place).json()["found"] == [{"epsilon": "1", "tables": []}]
    assert Caller(small.amir, "read").get(place).status_code == 200
    assert Caller(small.amir, *EVERY).post(place).status_code == 403


def test_a_raise_is_refused_or_taken_back_by_a_token_and_put_in_force_by_none(small: request_site.Site) -> None:
    other = privacy_site.person("otto", "owner")
    wish = {"population": small.dataset.population, "rho": Decimal(5), "reason": "More is asked for."}
    first, second = (caps.propose_raise(by=small.owner, **wish) for _ in range(2))
    owner, otto = Caller(small.owner, "read", "own"), Caller(other, "read", "own")
    assert owner.post(f"caps/{first.pk}/decline/", {"reason": "No."}).status_code == 403, "one's own is withdrawn"
    assert otto.post(f"caps/{first.pk}/decline/", {"reason": " "}).status_code == 422
    declined = otto.post(f"caps/{first.pk}/decline/", {"reason": "Too much."}).json()
    assert (declined["ended_by"], declined["withdrawn"]) == ("otto", False)
    assert otto.post(f"caps/{second.pk}/confirm/").status_code == 403
    assert Caller(small.owner).get(f"caps/{second.pk}/").json()["denial"].startswith("A second data owner")
    assert owner.post(f"caps/{second.pk}/withdraw/", {"reason": "A mistake."}).json()["withdrawn"]
    again = owner.post(f"caps/{second.pk}/withdraw/", {"reason": "A mistake."})
    assert (again.status_code, "can be made" in again.json()["detail"]) == (422, True)
    assert CapRaise.objects.filter(entry=None).count() == 2
    assert [one["id"] for one in owner.get("caps/?waits=true").json()["results"]] == []


def test_a_draft_is_its_owners_alone_and_says_what_it_lacks(small: request_site.Site) -> None:
    draft = drafts.begin(by=small.owner, header="sex,age", title="Half written")
    owner, place = Caller(small.owner, "read"), f"drafts/{draft.pk}/"
    told = owner.get(place)
    assert (told.json()["title"], told.json()["edition"]) == ("Half written", 1)
    assert {one["column"] for one in told.json()["lacking"]} >= {"sex"}
    assert owner.get(place, **{"If-None-Match": told["ETag"]}).status_code == 304
    drafts.keep(by=small.owner, draft=draft, changes={"title": "Whole"}, edition=1)
    assert owner.get(place, **{"If-None-Match": told["ETag"]}).json()["title"] == "Whole"
    other = Caller(privacy_site.person("otto", "owner"), "read")
    assert (other.get(place).status_code, other.get("drafts/").json()["results"]) == (404, [])


def test_an_owner_says_who_may_ask_with_a_session_alone(small: request_site.Site) -> None:
    clinic = memberships.add_organisation(by=small.ada, name="The clinic")
    place = f"datasets/{small.dataset.pk}/"
    assert Caller(small.owner, *EVERY).post(f"{place}audience/", {"organisations": [clinic.pk]}).status_code == 403
    owner = Caller(small.owner)
    unknown = owner.post(f"{place}audience/", {"organisations": [clinic.pk + 1]})
    assert (unknown.status_code, unknown.json()["errors"][0]["field"]) == (422, "organisations")
    told: Any = owner.post(f"{place}audience/", {"organisations": [clinic.pk]}).json()
    assert told["limited_to"] == [{"id": clinic.pk, "name": "The clinic"}]
    rosa = Caller(small.rosa, *EVERY)
    assert {rosa.get(place + name).status_code for name in ("", "releases/", "waivers/", "access/")} == {404}
    assert LogEntry.objects.filter(action="privacy:audience:set").count() == 1


def test_a_table_that_comes_in_files_is_looked_at_by_nobody(small: request_site.Site) -> None:
    answer = Caller(small.owner, "own").post(f"datasets/{small.dataset.pk}/look/")
    assert (answer.status_code, "come in files" in answer.json()["detail"]) == (422, True)
    assert services.SourceCheck.objects.count() == 0
