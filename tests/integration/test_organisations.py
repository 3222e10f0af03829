"""Organisations: who is in one is decided by two people, and a dataset limited to some is closed to everybody else."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import get_resolver, reverse

from audit.models import LogEntry, PromptRecord
from llmsynthor_site.models import Membership, Organisation, PeopleChange, User
from llmsynthor_site.people import changes, memberships
from privacy import audiences, policies, selectors
from privacy.models import Dataset
from synthesis import delivery, reviewing, services
from synthesis.models import DownloadGrant, SynthesisRequest
from synthesis.states import RequestState as S
from tests import privacy_site, request_site
from tests.request_site import fresh

pytestmark = pytest.mark.django_db(databases=["default", "log"], transaction=True)


@pytest.fixture
def house() -> request_site.Site:
    return request_site.make()


def again(user: User) -> User:
    return User.objects.get(pk=user.pk)


def entered(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def clinic(house: request_site.Site, *people: User) -> Organisation:
    made = memberships.add_organisation(by=house.ada, name="The clinic")
    for person in people:
        wish = {"user": person, "kind": "join", "organisation": made, "reason": "Works there."}
        changes.confirm(by=house.owner, change=changes.propose(by=house.ada, **wish))
    return made


def limited(house: request_site.Site, *people: User) -> Organisation:
    made = clinic(house, *people)
    audiences.limit(by=house.owner, dataset=house.dataset, organisations=[made])
    return made


def test_a_membership_needs_two_people_and_ends_at_once(house: request_site.Site) -> None:
    made = memberships.add_organisation(by=house.ada, name="  The   clinic ")
    assert made.name == "The clinic"
    with pytest.raises(ValidationError, match="of this name"):
        memberships.add_organisation(by=house.ada, name="the CLINIC")
    wish = {"user": house.rosa, "kind": "join", "organisation": made, "reason": "Works there."}
    change = changes.propose(by=house.ada, **wish)
    with pytest.raises(ValidationError, match="proposed already"):
        changes.propose(by=house.ada, **wish)
    assert not Membership.objects.exists()
    for person in (house.ada, house.stella, house.rosa):
        with pytest.raises(PermissionDenied):
            changes.confirm(by=person, change=change)
    changes.confirm(by=house.owner, change=change)
    assert [one.organisation for one in memberships.of(house.rosa)] == [made]
    with pytest.raises(ValidationError, match="is in it already"):
        changes.propose(by=house.ada, **wish)
    memberships.leave(by=house.ada, user=house.rosa, organisation=made, reason="Left.")
    assert not memberships.of(house.rosa).exists()
    told = LogEntry.objects.filter(action__regex="organisation|membership").order_by("index")
    assert [one.action.removeprefix("site:") for one in told] == [
        "organisation:added", "membership:begun", "membership:ended",
    ]  # fmt: skip


def test_the_database_keeps_one_membership_and_each_kind_of_change_apart(house: request_site.Site) -> None:
    made = clinic(house, house.rosa)
    with pytest.raises(IntegrityError), transaction.atomic():
        Membership.objects.create(user=house.rosa, organisation=made, granted_by=house.owner)
    for wrong in (
        {"kind": "join"},
        {"kind": "grant", "role": "steward", "organisation": made},
        {"kind": "reset", "organisation": made},
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            PeopleChange.objects.create(user=house.stefan, reason="x", proposed_by=house.ada, **wrong)


def test_a_limited_dataset_is_found_by_its_organisation_alone(house: request_site.Site) -> None:
    rival = privacy_site.person("rival", "researcher")
    made = limited(house, house.rosa)
    for person, sees in (
        (house.rosa, True),
        (rival, False),
        (house.stella, True),
        (house.amir, True),
        (house.owner, True),
    ):
        assert selectors.datasets_for(person).filter(pk=house.dataset.pk).exists() == sees, person
        assert policies.may_view(person, house.dataset) == sees, person
    memberships.leave(by=house.ada, user=house.rosa, organisation=made, reason="Left.")
    assert selectors.visible_dataset(again(house.rosa), house.dataset.pk) is None
    audiences.limit(by=house.owner, dataset=house.dataset, organisations=[])
    assert selectors.visible_dataset(rival, house.dataset.pk) == house.dataset


def addresses_of(dataset: Any) -> list[str]:
    """Every address of the site that names a dataset."""
    resolver = get_resolver()
    found = []
    for name in (key for key in resolver.reverse_dict if isinstance(key, str)):
        [(template, fields), *_] = resolver.reverse_dict.getlist(name)[0][0]
        if template.startswith(("datasets/", "requests/of/")) and fields:
            others = dict.fromkeys(fields[1:], 1)
            found.append(reverse(name, kwargs={fields[0]: dataset.pk, **others}))
    return found


def test_no_page_tells_an_outsider_of_a_limited_dataset(house: request_site.Site) -> None:
    """Every address that names the dataset, and every list and form that could: nothing of it is there."""
    limited(house, house.rosa)
    Dataset.objects.update(title="Admissions of ward 7")
    house.dataset.refresh_from_db()
    house.submitted()
    rival = entered(privacy_site.person("rival", "researcher"))
    named = addresses_of(house.dataset)
    assert len(named) >= 6
    for address in named:
        for answer in (rival.get(address), rival.post(address, {"reason": "x"})):
            assert answer.status_code in (200, 403, 404, 405), address
            assert house.dataset.title not in answer.content.decode(), address
            assert answer.status_code != 200 or "requests/of/" in address, address
    for address in ("/", "/datasets/", "/datasets/?words=ward", "/requests/", "/requests/new/",
                    f"/requests/new/?dataset={house.dataset.pk}", "/notices/"):  # fmt: skip
        assert house.dataset.title not in rival.get(address).content.decode(), address
    wish = {name: str(value) for name, value in request_site.WISH.items() if value is not None}
    posted = rival.post("/requests/new/", {**wish, "dataset": str(house.dataset.pk)})
    assert "Select a valid choice" in posted.content.decode()
    rich = rival.get("/requests/price/", {"epsilon": "1", "delta": "1e-6", "dataset": str(house.dataset.pk)})
    assert rich.status_code == 200
    with pytest.raises(PermissionDenied, match="organisations that you are not in"):
        services.create_request(by=User.objects.get(username="rival"), dataset=house.dataset, **request_site.WISH)


def test_whoever_is_no_longer_inside_can_neither_submit_nor_change(house: request_site.Site) -> None:
    made = limited(house, house.rosa)
    draft, asked = house.request(), house.submitted()
    memberships.leave(by=house.ada, user=house.rosa, organisation=made, reason="Left.")
    rosa = entered(house.rosa)
    with pytest.raises(PermissionDenied, match="lets them ask for it"):
        services.submit(by=again(house.rosa), request=fresh(draft))
    assert rosa.get(f"/requests/{draft.pk}/edit/").status_code == 403
    assert rosa.post(f"/requests/{draft.pk}/step/submit/").status_code == 403
    assert "lets them ask for it" in rosa.get(f"/requests/{draft.pk}/").content.decode(), "closed, with its reason"
    services.withdraw(by=again(house.rosa), request=fresh(draft))
    told = entered(house.stella).get(f"/requests/{asked.pk}/gate/measure/").content.decode()
    assert "Closed to the requester" in told


def test_a_grant_is_closed_with_the_dataset_and_opens_with_it(house: request_site.Site) -> None:
    with request_site.open_door():
        request = house.released()
    grant = DownloadGrant.objects.get()
    delivery.accept_licence(by=house.rosa, grant=grant, version=grant.licence_version)
    rosa, address = entered(house.rosa), f"/requests/{request.pk}/download/"
    token = delivery.make_link(by=house.rosa, grant=grant, file_name="data.csv")
    made = limited(house)
    assert rosa.get(address).status_code == 403
    assert rosa.post(f"{address}data.csv/").status_code == 403
    assert rosa.get(f"/downloads/{token}/").status_code == 403, "a link that was made before"
    prompt = PromptRecord.objects.earliest("pk")
    assert rosa.get(f"/requests/{request.pk}/prompts/{prompt.intent_id}/").status_code == 403
    SynthesisRequest.objects.filter(pk=request.pk).update(state=S.EXPIRED)
    with pytest.raises(PermissionDenied, match="lets them ask for it"):
        reviewing.ask_renewal(by=again(house.rosa), request=fresh(request), reason="Still needed.")
    SynthesisRequest.objects.filter(pk=request.pk).update(state=S.RELEASED)
    wish = {"user": house.rosa, "kind": "join", "organisation": made, "reason": "Works there."}
    changes.confirm(by=house.owner, change=changes.propose(by=house.ada, **wish))
    assert rosa.get(address).status_code == 200


def test_requests_stay_their_author_s_also_among_members(house: request_site.Site) -> None:
    other = privacy_site.person("rival", "researcher")
    limited(house, house.rosa, other)
    request = house.submitted()
    assert entered(other).get(house.dataset.get_absolute_url()).status_code == 200
    assert entered(other).get(f"/requests/{request.pk}/").status_code == 404


def test_the_owner_alone_limits_it_on_a_page(house: request_site.Site) -> None:
    made, address = clinic(house, house.rosa), f"/datasets/{house.dataset.pk}/audience/"
    olivia = entered(house.owner)
    assert "The clinic" in olivia.get(address).content.decode()
    assert "Select a valid choice" in olivia.post(address, {"organisations": ["99"]}).content.decode()
    for _ in range(2):  # a double click writes one entry
        assert olivia.post(address, {"organisations": [made.pk]}).status_code == 302
    assert LogEntry.objects.filter(action="privacy:audience:set").count() == 1
    assert "researchers of The clinic" in olivia.get(house.dataset.get_absolute_url()).content.decode()
    for other in (privacy_site.person("oscar", "owner"), house.stella, house.rosa, house.amir, house.ada):
        assert entered(other).post(address, {}).status_code in (403, 404), other
    assert list(house.dataset.limited_to.all()) == [made]
    assert olivia.post(address, {}).status_code == 302
    assert "every researcher" in olivia.get(house.dataset.get_absolute_url()).content.decode()


def test_organisations_in_the_browser(house: request_site.Site) -> None:
    ada, olivia = entered(house.ada), entered(house.owner)
    assert "There is no organisation yet" in olivia.get("/people/organisations/").content.decode()
    assert ada.post("/people/organisations/new/", {"name": "The clinic"}).status_code == 302
    assert "of this name" in ada.post("/people/organisations/new/", {"name": "the clinic"}).content.decode()
    made, rosa = Organisation.objects.get(), f"/people/{house.rosa.pk}/"
    assert ada.post(f"{rosa}propose/join/", {"organisation": made.pk, "reason": "Works there."}).status_code == 302
    change = PeopleChange.objects.get()
    assert "Join an organisation: The clinic" in olivia.get("/").content.decode()
    assert olivia.post(change.get_absolute_url(), {"step": "confirm"}).status_code == 302
    assert "rosa" in olivia.get(made.get_absolute_url()).content.decode()
    for person in (house.stella, house.rosa, house.amir):
        client = entered(person)
        for address in ("/people/organisations/", "/people/organisations/new/", made.get_absolute_url()):
            assert client.get(address).status_code == 403, (person, address)
        assert client.post("/people/organisations/new/", {"name": "Mine"}).status_code == 403
        assert client.post(f"{rosa}organisations/{made.pk}/leave/", {"reason": "x"}).status_code == 403
    assert olivia.post("/people/organisations/new/", {"name": "Mine"}).status_code == 403, "owners read and confirm"
    assert ada.post(f"{rosa}organisations/{made.pk}/leave/", {"reason": "Left."}).status_code == 302
    assert ada.get(f"{rosa}organisations/{made.pk}/leave/").status_code == 404
    assert Membership.objects.get().ended_by == house.ada
