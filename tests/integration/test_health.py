"""How the machines are: workers that live or fell silent, jobs that wait or are stale. Administrators alone see it."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from llmsynthor_site import beats, health, tasks
from llmsynthor_site.models import Beat, User
from synthesis.models import Job
from synthesis.states import JobKind
from tests import log_site, request_site

pytestmark = pytest.mark.django_db(databases=["default", "log"], transaction=True)
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def house() -> request_site.Site:
    return request_site.make()


def page(user: User) -> Any:
    client = Client()
    client.force_login(user)
    return client.get("/machines/")


def approved(house: request_site.Site) -> Job:
    request = house.submitted()
    for steward in (house.stella, house.stefan):
        house.vote(request, steward)
    return Job.objects.get()


def lease(job: Job, seconds: int | None) -> None:
    until = None if seconds is None else timezone.now() + timedelta(seconds=seconds)
    Job.objects.filter(pk=job.pk).update(leased_until=until)


def test_administrators_alone_see_it(house: request_site.Site) -> None:
    for person in (house.owner, house.stella, house.rosa, house.amir):
        assert page(person).status_code == 403, person
    assert page(house.ada).status_code == 200
    assert "Machines" in page(house.ada).content.decode()


def test_a_worker_that_falls_silent_is_named_and_its_queue_too(house: request_site.Site) -> None:
    now = timezone.now()
    beats.of_worker("one@here", "measure,synthesise", started=now)
    beats.of_worker("two@there", "mail,witness", started=now)
    assert health.unserved() == []
    Beat.objects.filter(name="one@here").update(at=now - timedelta(minutes=3))
    assert health.unserved() == ["measure", "synthesise"]
    shown = page(house.ada).content.decode()
    assert "No living worker takes work from: <strong>measure, synthesise</strong>" in shown
    assert [lives for _, lives in health.workers()] == [False, True]
    Beat.objects.filter(name="one@here").update(at=now - timedelta(days=8))
    beats.forget()
    assert [one.name for one, _ in health.workers()] == ["two@there"]


def test_jobs_wait_are_worked_on_and_grow_stale(house: request_site.Site) -> None:
    job = approved(house)
    seen = []
    for seconds in (None, 60, -1):
        lease(job, seconds)
        [row] = [one for one in health.queues() if one["label"] == JobKind.MEASURE.label]
        seen.append((row["waiting"], row["working"], row["stale"]))
    assert seen == [(1, 0, 0), (0, 1, 0), (0, 0, 1)]
    shown = page(house.ada).content.decode()
    assert f"request {str(job.request_id)[:8]}" in shown
    assert job.request.title not in shown


def test_the_page_is_the_same_however_long_measuring_takes(house: request_site.Site) -> None:
    """Two leases that a worker prolonged at other moments, and two beats a minute apart, leave the same bytes."""
    job, started = approved(house), timezone.now() - timedelta(hours=1)
    shown = []
    for lease_left, heard in ((10, 0), (290, 60)):
        lease(job, lease_left)
        beats.of_worker("one@here", "measure", started=started)
        Beat.objects.update(at=timezone.now() - timedelta(seconds=heard))
        shown.append(health.standing() | {"workers": [(one.name, lives) for one, lives in health.workers()]})
    assert shown[0] == shown[1]


def test_timed_tasks_are_on_time_or_late(house: request_site.Site) -> None:
    assert {one.well for one in health.timed_tasks()} == {False}, "none has run"
    tasks.sweep()
    tasks.remind()
    assert {one.name for one in health.timed_tasks() if one.well} == {health.ROUNDS["sweep"], health.ROUNDS["remind"]}
    Beat.objects.filter(name="sweep").update(at=timezone.now() - timedelta(minutes=10))
    Beat.objects.filter(name="remind").update(at=timezone.now() - timedelta(hours=3))
    assert {one.name for one in health.timed_tasks() if one.well} == {health.ROUNDS["remind"]}


def test_the_door_is_asked_without_sending_anything(house: request_site.Site, caplog: pytest.LogCaptureFixture) -> None:
    with request_site.open_door():
        assert health.door().well
        time.sleep(0.2)
        assert "door:" not in caplog.text, "looking is no error"
    assert health.door().well is False
    Path(health.settings.DOOR_SOCKET).unlink()
    assert health.door().well is None


def test_the_log_and_the_kill_switches_are_told(house: request_site.Site, monkeypatch: pytest.MonkeyPatch) -> None:
    assert health.log().well, "a new entry is anchored within a minute"
    monkeypatch.setattr(health, "SILENT", timedelta(0))
    assert not health.log().well, "an old one should be"
    tasks.sweep()
    assert health.log().well
    shown = page(house.ada).content.decode()
    assert "None stands." in shown
    assert "/door/stop/?target=all" in shown


def test_a_real_worker_says_that_it_lives(tmp_path: Path) -> None:
    """A worker of a site of its own, on the broker of files, leaves its row in that site's database."""
    log_site.Site(tmp_path / "site").close()
    kept = {key: value for key, value in os.environ.items() if not key.endswith(("DATABASE_URL", "BROKER_URL"))}
    kept |= {"SITE_DIR": str(tmp_path / "site"), "DJANGO_SETTINGS_MODULE": "llmsynthor_site.settings"}
    worker = [sys.executable, "-m", "celery", "-A", "llmsynthor_site", "worker", "-Q", "mail,witness", "-c", "1"]
    with subprocess.Popen(worker, cwd=ROOT, env=kept, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            until = time.monotonic() + 90
            while not (heard := beats_in(tmp_path / "site" / "site.sqlite3")) and time.monotonic() < until:
                time.sleep(0.3)
            assert heard == [("worker", "mail,witness")]
        finally:
            process.terminate()


def beats_in(database: Path) -> list[tuple[str, str]]:
    with contextlib.closing(sqlite3.connect(database)) as found:
        return found.execute("SELECT kind, queues FROM llmsynthor_site_beat").fetchall()
