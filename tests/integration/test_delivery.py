"""Downloads through the gate, and the queue: one link one file once, one job one holder."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.core.exceptions import PermissionDenied, ValidationError
from django.utils import timezone

from audit import keys, verify_package
from audit import log as audit_log
from audit.models import LogEntry
from llmsynthor_site import tasks
from synthesis import delivery, jobs, packaging, services
from synthesis.licence import LICENCE_TEXT, LICENCE_VERSION
from synthesis.models import DownloadGrant, Job, SynthesisRequest
from synthesis.states import JobKind
from synthesis.states import RequestState as S
from tests import request_site
from tests.request_site import Site, open_door

pytestmark = pytest.mark.django_db(databases=["default", "log"], transaction=True)


@pytest.fixture
def house() -> Site:
    return request_site.make()


def test_a_table_is_downloaded_once_per_link_by_its_person_alone(house: Site) -> None:
    with open_door():
        request = house.released()
    grant = DownloadGrant.objects.get()
    with pytest.raises(PermissionDenied, match="terms"):
        delivery.make_link(by=house.rosa, grant=grant, file_name="data.csv")
    with pytest.raises(ValidationError, match="terms have changed"):
        delivery.accept_licence(by=house.rosa, grant=grant, version="0")
    delivery.accept_licence(by=house.rosa, grant=grant, version=LICENCE_VERSION)
    token = delivery.make_link(by=house.rosa, grant=grant, file_name="data.csv")
    for other in (house.stella, house.owner, house.ada):
        with pytest.raises(PermissionDenied, match="not yours"):
            delivery.redeem(by=other, token=token)
    path, receipt = delivery.redeem(by=house.rosa, token=token)
    assert receipt.file_hash == hashlib.sha256(path.read_bytes()).hexdigest()
    assert LogEntry.objects.filter(action="synthesis:download:served").count() == 1
    with pytest.raises(PermissionDenied, match="used already"):
        delivery.redeem(by=house.rosa, token=token)
    assert request.run.package.manifest["files"]


def released_grant(house: Site) -> DownloadGrant:
    with open_door():
        house.released()
    grant = DownloadGrant.objects.get()
    delivery.accept_licence(by=house.rosa, grant=grant, version=LICENCE_VERSION)
    return grant


def test_an_expired_grant_an_expired_link_and_a_revoked_package_give_nothing(house: Site) -> None:
    grant = released_grant(house)
    made, until = delivery.make_link(by=house.rosa, grant=grant, file_name="data.csv"), grant.expires_at
    DownloadGrant.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    with pytest.raises(PermissionDenied, match="Your grant has expired"):
        delivery.redeem(by=house.rosa, token=made)
    with pytest.raises(PermissionDenied, match="Your grant has expired"):
        delivery.make_link(by=house.rosa, grant=DownloadGrant.objects.get(), file_name="data.csv")
    DownloadGrant.objects.update(expires_at=until)
    delivery.redeem(by=house.rosa, token=made)  # nothing was lost: asked for again and granted, the link still works
    late = delivery.make_link(by=house.rosa, grant=grant, file_name="data.csv")
    grant.links.update(expires_at=timezone.now() - timedelta(seconds=1))
    with pytest.raises(PermissionDenied, match="expired"):
        delivery.redeem(by=house.rosa, token=late)
    token = delivery.make_link(by=house.rosa, grant=grant, file_name="data.csv")
    services.revoke(by=house.stella, request=SynthesisRequest.objects.get(), reason="A mistake in the declaration.")
    with pytest.raises(PermissionDenied, match="no longer released"):
        delivery.redeem(by=house.rosa, token=token)


def test_the_log_holds_which_terms_were_accepted_and_new_terms_are_asked_for_again(
    house: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    grant = released_grant(house)
    facts = audit_log.entry(LogEntry.objects.get(action="synthesis:licence:accepted").index).facts
    assert facts["licence_sha256"] == hashlib.sha256(LICENCE_TEXT.encode()).hexdigest()
    assert (facts["grant"], facts["user"], facts["licence"]) == (str(grant.pk), "user:rosa", LICENCE_VERSION)
    token = delivery.make_link(by=house.rosa, grant=grant, file_name="data.csv")
    monkeypatch.setattr(delivery, "LICENCE_VERSION", "next")
    with pytest.raises(PermissionDenied, match="Accept the terms"):
        delivery.redeem(by=house.rosa, token=token)
    with pytest.raises(PermissionDenied, match="Accept the terms"):
        delivery.make_link(by=house.rosa, grant=grant, file_name="data.csv")
    delivery.accept_licence(by=house.rosa, grant=grant, version="next")
    delivery.redeem(by=house.rosa, token=token)
    assert LogEntry.objects.filter(action="synthesis:download:served").count() == 1


def test_a_changed_or_missing_file_is_not_served_and_uses_no_link_up(house: Site) -> None:
    grant = released_grant(house)
    token = delivery.make_link(by=house.rosa, grant=grant, file_name="data.csv")
    path = Path(packaging.package_folder(str(grant.package_id))) / "data.csv"
    path.write_text(path.read_text() + "1,2,3\n")
    with pytest.raises(PermissionDenied, match="no longer matches"):
        delivery.redeem(by=house.rosa, token=token)
    whole = path.read_text().removesuffix("1,2,3\n")
    path.unlink()
    with pytest.raises(PermissionDenied, match="not here any more"):
        delivery.redeem(by=house.rosa, token=token)
    assert not LogEntry.objects.filter(action="synthesis:download:served").exists()
    path.write_text(whole)
    delivery.redeem(by=house.rosa, token=token)  # refused, it was not used up


def test_the_terms_of_a_version_are_never_other_words() -> None:
    """Whoever changes the text gives it a new version and adds its hash here, or nobody is asked to accept it anew."""
    known = {"1": "71c389d7fccd98c0d74bcf4429871d96bb21dd06fba02b7e9cae9e35a1e61124"}
    assert known[LICENCE_VERSION] == hashlib.sha256(LICENCE_TEXT.encode()).hexdigest()


def test_jobs_are_claimed_once_and_an_older_holder_is_refused(house: Site) -> None:
    request = house.submitted()
    jobs.enqueue(request, JobKind.MEASURE)
    first = jobs.claim(JobKind.MEASURE, str(request.pk))
    assert first is not None
    assert jobs.claim(JobKind.MEASURE, str(request.pk)) is None
    Job.objects.update(leased_until=timezone.now() - timedelta(seconds=1))
    assert jobs.sweep() == 1
    second = jobs.claim(JobKind.MEASURE, str(request.pk))
    assert second is not None
    for stale in (jobs.heartbeat, lambda job: jobs.finish(job, outcome="late")):
        with pytest.raises(jobs.LeaseLost):
            stale(first)
    jobs.finish(second, outcome="done")
    assert jobs.claim(JobKind.MEASURE, str(request.pk)) is None


def test_a_broker_that_is_down_loses_nothing(house: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_broker(*args: object, **kwargs: object) -> None:
        raise OSError("down")

    monkeypatch.setattr("celery.app.base.Celery.send_task", no_broker)
    request = house.submitted()
    for steward in (house.stella, house.stefan):
        house.vote(request, steward)
    assert SynthesisRequest.objects.get().state == S.APPROVED
    assert Job.objects.get().done_at is None


def test_the_sweep_logs_anchors_and_kicks(house: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    kicked: list[object] = []
    request = house.submitted()
    jobs.enqueue(request, JobKind.MEASURE)
    monkeypatch.setattr("celery.app.base.Celery.send_task", lambda *args, **values: kicked.append(values["args"]))
    tasks.sweep()
    assert kicked == [[str(request.pk)]]
    checkpoint = audit_log.checkpoint()
    assert checkpoint is not None
    assert LogEntry.objects.count() == audit_log.size()
    assert list((Path(settings.SITE_DIR) / "anchors").iterdir())


def test_a_released_package_is_the_one_the_site_signed_and_says_what_nothing_protects(house: Site) -> None:
    package = released_grant(house).package
    found = verify_package.verify(Path(packaging.package_folder(str(package.pk))), keys.packages().public)
    assert found.found == []
    assert found.counts["files"] == len(package.manifest["files"]) - 1  # all but the envelope itself
    assert package.manifest["unprotected_quantities"] == ["that this package was made", "when it was made"]
