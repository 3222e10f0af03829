"""Raising a cap in the browser: one owner proposes, another confirms, everybody else is refused."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.test import Client
from django.utils import timezone

from audit.models import LogEntry
from llmsynthor_site import notices
from llmsynthor_site.models import User
from privacy import caps, selectors
from privacy.errors import PrivacyError
from privacy.models import CapRaise
from tests import privacy_site, request_site

pytestmark = pytest.mark.django_db(databases=["default", "log"], transaction=True)


@pytest.fixture
def house() -> request_site.Site:
    return request_site.make()


def entered(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def cap(house: request_site.Site) -> Decimal:
    return selectors.budget(house.dataset.population_id).cap


def test_a_cap_is_raised_by_two_owners_on_two_pages(house: request_site.Site) -> None:
    oscar = privacy_site.person("oscar", "owner")
    olivia, address = entered(house.owner), f"/datasets/{house.dataset.pk}/cap/"
    assert "Propose a higher cap" in olivia.get(house.dataset.get_absolute_url()).content.decode()
    assert olivia.post(address, {"rho": "3", "reason": "A second study."}).status_code == 302
    proposal = CapRaise.objects.get()
    page = f"/caps/{proposal.pk}/"
    assert cap(house) == 2, "a proposal raises nothing"
    assert "never whoever proposed it" in olivia.get(page).content.decode()
    assert olivia.post(page).status_code == 403
    assert [one.text for one in notices.of(oscar)] == ["A higher cap waits for a second data owner."]
    assert "A second study." in entered(oscar).get(page).content.decode()
    assert "Waits for a second owner" in entered(oscar).get("/caps/").content.decode()
    assert entered(oscar).post(page).status_code == 302
    assert cap(house) == 3
    assert notices.unread(oscar) == 0
    assert "In force" in olivia.get("/caps/").content.decode()


@pytest.mark.parametrize(("rho", "words"), [("1", "only ever raised"), ("x", "Enter a number"), ("1e9", "digits")])
def test_what_is_no_raise_is_refused_beside_its_field(house: request_site.Site, rho: str, words: str) -> None:
    shown = entered(house.owner).post(f"/datasets/{house.dataset.pk}/cap/", {"rho": rho, "reason": "So."})
    assert words in shown.content.decode()
    assert not CapRaise.objects.exists()


def test_caps_are_for_owners_alone_and_an_owner_sees_the_own_population_only(house: request_site.Site) -> None:
    proposal = caps.propose_raise(by=house.owner, population=house.dataset.population, rho=Decimal(3), reason="So.")
    for other in (house.stella, house.rosa, house.amir, house.ada):
        for address in ("/caps/", f"/caps/{proposal.pk}/"):
            assert entered(other).get(address).status_code == 403
        assert entered(other).post(f"/caps/{proposal.pk}/").status_code == 403
        assert entered(other).get(f"/datasets/{house.dataset.pk}/cap/").status_code in (403, 404)
    assert entered(privacy_site.person("oscar", "owner")).get(f"/datasets/{house.dataset.pk}/cap/").status_code == 404
    assert cap(house) == 2


def test_a_raise_that_was_overtaken_says_so(house: request_site.Site) -> None:
    oscar = privacy_site.person("oscar", "owner")
    low, high = (
        caps.propose_raise(by=house.owner, population=house.dataset.population, rho=Decimal(rho), reason="So.")
        for rho in (3, 4)
    )
    entered(oscar).post(f"/caps/{high.pk}/")
    assert "only ever raised" in entered(oscar).post(f"/caps/{low.pk}/").content.decode()
    assert cap(house) == 4


def test_a_second_owner_declines_with_a_reason_and_it_stays_declined(house: request_site.Site) -> None:
    oscar = privacy_site.person("oscar", "owner")
    proposal = caps.propose_raise(by=house.owner, population=house.dataset.population, rho=Decimal(3), reason="So.")
    page, end = f"/caps/{proposal.pk}/", f"/caps/{proposal.pk}/end/"
    assert "Decline it" in entered(oscar).get(page).content.decode()
    assert "This field is required" in entered(oscar).post(end, {"reason": " "}).content.decode()
    for other in (house.stella, house.rosa, house.amir, house.ada):
        assert entered(other).post(end, {"reason": "No."}).status_code == 403
    for _ in range(2):  # a double click
        assert entered(oscar).post(end, {"reason": "The study can wait."}).status_code == 302
    shown = entered(house.owner).get(page).content.decode()
    assert "oscar declined it." in shown
    assert "The study can wait." in shown
    assert "Declined" in entered(oscar).get("/caps/").content.decode()
    assert [one.text for one in notices.of(house.owner)] == ["A higher cap that you proposed was declined."]
    assert notices.unread(oscar) == 0
    assert "declined or withdrawn" in entered(oscar).post(page).content.decode(), "a page that was open meanwhile"
    assert cap(house) == 2
    assert LogEntry.objects.filter(action="privacy:cap_raise:declined").count() == 1


def test_whoever_proposed_it_withdraws_it_and_nobody_else(house: request_site.Site) -> None:
    oscar = privacy_site.person("oscar", "owner")
    proposal = caps.propose_raise(by=house.owner, population=house.dataset.population, rho=Decimal(3), reason="So.")
    with pytest.raises(PermissionDenied, match="Whoever proposed"):
        caps.withdraw_raise(by=oscar, proposal=proposal, reason="No.")
    with pytest.raises(PermissionDenied, match="never whoever proposed it"):
        caps.decline_raise(by=house.owner, proposal=proposal, reason="No.")
    olivia = entered(house.owner)
    assert "Withdraw it" in olivia.get(f"/caps/{proposal.pk}/").content.decode()
    assert olivia.post(f"/caps/{proposal.pk}/end/", {"reason": "A slip."}).status_code == 302
    assert "olivia withdrew it." in entered(oscar).get(f"/caps/{proposal.pk}/").content.decode()
    assert LogEntry.objects.filter(action="privacy:cap_raise:withdrawn").count() == 1


def test_what_is_in_force_is_neither_declined_nor_withdrawn(house: request_site.Site) -> None:
    oscar = privacy_site.person("oscar", "owner")
    proposal = caps.propose_raise(by=house.owner, population=house.dataset.population, rho=Decimal(3), reason="So.")
    caps.confirm_raise(by=oscar, proposal=proposal)
    for act, by in ((caps.decline_raise, oscar), (caps.withdraw_raise, house.owner)):
        with pytest.raises(PrivacyError, match="in force"):
            act(by=by, proposal=proposal, reason="Too late.")
    with pytest.raises(IntegrityError), transaction.atomic():
        CapRaise.objects.filter(pk=proposal.pk).update(ended_by=oscar, ended_at=timezone.now())
    assert cap(house) == 3
