"""A version of the data ends: on the day that its owner set, or when they destroy it; who waits for it is told so."""

from __future__ import annotations

import io
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from audit import entries
from llmsynthor_site import joining
from privacy import measuring, places, retention, selectors, services
from privacy.errors import NO_VERSION, ROWS_GONE, PrivacyError
from privacy.models import DatasetVersion, LedgerEntry, ReleaseRecord, site_today
from synthesis.models import SynthesisRequest
from synthesis.states import RequestState as S
from tests import privacy_site, request_site
from tests.api_site import EVERY, Caller

pytestmark = pytest.mark.django_db(databases=["default", "log"], transaction=True)


@pytest.fixture
def house() -> request_site.Site:
    return request_site.make()


def version(house: request_site.Site) -> DatasetVersion:
    return house.dataset.versions.earliest("number")


def pages(house: request_site.Site) -> tuple[Client, str]:
    client = Client()
    client.force_login(house.owner)
    return client, f"/datasets/{house.dataset.pk}/versions/1/"


def approved(house: request_site.Site) -> SynthesisRequest:
    request = house.submitted()
    for steward in (house.stella, house.stefan):
        house.vote(request, steward)
    return request


def after_measuring(request: SynthesisRequest) -> SynthesisRequest:
    joining.measure(str(request.pk))
    return SynthesisRequest.objects.get(pk=request.pk)


def told(house: request_site.Site) -> list[str]:
    return [leaf.action for leaf in entries.about(f"dataset:{house.dataset.pk}") if ":version:" in leaf.action]


def test_an_owner_sets_a_last_day_and_the_sweeper_ends_the_version_when_it_is_over(house: request_site.Site) -> None:
    client, place = pages(house)
    day = site_today() + timedelta(days=3)
    past = client.post(f"{place}last-day/", {"day": str(site_today() - timedelta(days=1))})
    assert "must not lie in the past" in past.content.decode()
    for _ in range(2):
        assert client.post(f"{place}last-day/", {"day": str(day)})["Location"] == house.dataset.get_absolute_url()
    assert told(house) == ["privacy:version:retention_set"], "sent twice, it is set once"
    assert f"until the end of {day:%-d %b %Y}" in client.get(house.dataset.get_absolute_url()).content.decode()
    assert retention.destroy_expired() == 0
    ends(house)
    assert not selectors.is_ready(house.dataset), "nothing measures it any more, even before it is swept"
    assert retention.destroy_expired() == 1
    assert not places.wrapped_key(version(house).pk).exists()
    assert retention.destroy_expired() == 0
    late = client.post(f"{place}last-day/", {"day": str(day)}, follow=True)
    assert "destroyed already, or its last day is over" in late.content.decode()
    with pytest.raises(PrivacyError, match="destroyed"):
        retention.keep_until(by=house.owner, version=version(house), day=day)


def ends(house: request_site.Site) -> None:
    """Its last day is over since midnight."""
    house.dataset.versions.update(keep_until=site_today() - timedelta(days=1))


def test_an_owner_destroys_a_version_once_and_says_why(house: request_site.Site) -> None:
    client, place = pages(house)
    assert "No other version may be measured" in client.get(f"{place}destroy/").content.decode()
    assert "This field is required" in client.post(f"{place}destroy/", {"reason": " "}).content.decode()
    assert places.wrapped_key(version(house).pk).exists()
    client.post(f"{place}destroy/", {"reason": "The study is over."})
    again = client.post(f"{place}destroy/", {"reason": "The study is over."}, follow=True).content.decode()
    assert "destroyed already" in again
    assert 'class="tag tag-neutral">Destroyed' in again
    assert told(house) == ["privacy:version:destroyed"]
    assert not places.wrapped_key(version(house).pk).exists()
    assert not places.sealed(version(house).pk).exists()
    assert client.get(f"{place.replace('/1/', '/2/')}destroy/").status_code == 404


def test_what_a_crash_left_half_done_is_swept_up(house: request_site.Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(key: Any) -> None:  # a process is gone before it destroys the key
        raise OSError

    with monkeypatch.context() as broken:
        broken.setattr(retention.wrapping, "destroy", crash)
        with pytest.raises(OSError):
            retention.destroy_version(by=house.owner, version=version(house), reason="Over.")
    assert places.wrapped_key(version(house).pk).exists()
    assert retention.destroy_expired() == 1
    assert not places.wrapped_key(version(house).pk).exists()
    assert told(house) == ["privacy:version:destroyed"]


def test_a_program_does_neither_but_its_owners_session_does_both(house: request_site.Site) -> None:
    place, day = f"datasets/{house.dataset.pk}/versions/1/", str(site_today())
    owner = Caller(house.owner)
    for what, body in (("last-day", {"day": day}), ("destroy", {"reason": "Over."})):
        assert "never by a token" in Caller(house.owner, *EVERY).post(f"{place}{what}/", body).json()["detail"]
        assert Caller(house.stella).post(f"{place}{what}/", body).status_code == 403
        assert Caller(house.ada).post(f"{place}{what}/", body).status_code == 404
        assert owner.post(f"{place.replace('/1/', '/9/')}{what}/", body).status_code == 404
        assert owner.post(f"{place}{what}/", {}).status_code == 422
    assert owner.post(f"{place}last-day/", {"day": day}).json()["keep_until"] == day
    assert owner.post(f"{place}last-day/", {"day": "2001-01-01"}).status_code == 422
    assert owner.post(f"{place}destroy/", {"reason": "Over."}).json()["destroyed_at"] is not None
    assert owner.post(f"{place}last-day/", {"day": day}).status_code == 422
    assert told(house) == ["privacy:version:retention_set", "privacy:version:destroyed"]


def test_a_request_that_waits_for_a_destroyed_version_ends_and_says_so(house: request_site.Site) -> None:
    request = approved(house)
    retention.destroy_version(by=house.owner, version=version(house), reason="Over.")
    ended = after_measuring(request)
    assert (ended.state, ended.note) == (S.FAILED, NO_VERSION)
    assert not LedgerEntry.objects.filter(kind=LedgerEntry.Kind.RESERVE).exists()


def test_a_request_that_waits_takes_the_version_that_is_left(house: request_site.Site) -> None:
    request = approved(house)
    other = io.BytesIO(privacy_site.table(900))
    kept = services.receive_upload(by=house.owner, dataset=house.dataset, stream=other, filename="t.csv")
    retention.destroy_version(by=house.owner, version=version(house), reason="Over.")
    assert after_measuring(request).state == S.MEASURED
    assert ReleaseRecord.objects.get(key=str(request.pk)).version == kept


@pytest.mark.parametrize("begun", [False, True], ids=["before it begins", "while it measures"])
def test_a_release_whose_version_is_destroyed_under_way_ends_and_returns_what_it_reserved(
    house: request_site.Site, monkeypatch: pytest.MonkeyPatch, begun: bool
) -> None:
    request, run, opened = approved(house), measuring.run, measuring.vault.passes

    def destroyed(*given: Any, **named: Any) -> Any:
        retention.destroy_version(by=house.owner, version=version(house), reason="Over.")
        if begun:
            return opened(*given, **named)
        named["release"] = ReleaseRecord.objects.get(pk=named["release"].pk)
        return run(*given, **named)

    monkeypatch.setattr(measuring.vault if begun else measuring, "passes" if begun else "run", destroyed)
    ended = after_measuring(request)
    assert (ended.state, ended.note) == (S.FAILED, ROWS_GONE)
    assert ReleaseRecord.objects.get(key=str(request.pk)).state == ReleaseRecord.State.FAILED
    assert selectors.budget(house.dataset.population_id).spent == 0
    assert selectors.budget(house.dataset.population_id).reserved == 0
