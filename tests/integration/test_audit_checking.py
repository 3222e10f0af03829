"""The badge: what it says comes from a real check, of the size that it names, and from nothing else."""

from datetime import timedelta

import pytest
from django.db import connections
from django.test import Client
from django.utils import timezone

from audit import anchors, checking, events, log
from audit.models import Checkpoint, LogCheck, LogEntry
from llmsynthor_site import tasks
from tests import privacy_site
from tests.append_only import triggers_lifted

pytestmark = pytest.mark.django_db(databases=["default", "log"])


@pytest.fixture
def some_log():
    for number in range(5):
        events.append(action="test:thing:done", by="user:ada", subject="thing:1", facts={"number": number})
    log.checkpoint()


def check():
    return checking.ask(by="user:amir")


def change(index, old, new):
    entry = LogEntry.objects.get(index=index)
    with triggers_lifted(connections["log"]):
        LogEntry.objects.filter(index=index).update(leaf=bytes(entry.leaf).replace(old, new))


def test_a_log_that_holds_is_green_for_the_entries_that_were_checked(some_log):
    assert (checking.badge().last, checking.badge().whole, checking.badge().since) == (None, False, 5)
    row = check()
    assert (row.verdict, row.found, row.size) == ("holds", 0, 6), "five entries, and the export's own"
    assert row.counts["entries"] == row.size
    assert row.root == log.root().hex()
    assert checking.badge().whole


def test_newer_entries_are_never_under_an_older_check(some_log):
    check()
    events.append(action="test:thing:done", by="user:ada", subject="thing:1", facts={})
    badge = checking.badge()
    assert (badge.whole, badge.since, badge.last.verdict) == (False, 1, "holds")


@pytest.mark.parametrize("number", [0, 2, 4])
def test_one_changed_digit_turns_it_red_and_is_named(some_log, number):
    check()
    change(number, b'"number":%d' % number, b'"number":7')
    row = check()
    assert row.verdict == "broken"
    assert any(one["place"] == f"entry {number}" for one in row.findings)
    assert not checking.badge().whole


def test_a_lost_trigger_is_found_by_the_live_part_of_the_check(some_log):
    with connections["log"].cursor() as cursor:
        on = " ON audit_logentry" if connections["log"].vendor == "postgresql" else ""
        cursor.execute(f"DROP TRIGGER audit_logentry_no_update{on}")
    assert [one["check"] for one in check().findings] == ["triggers"]


def test_entries_missing_at_the_end_are_broken_and_not_an_error(some_log):
    with triggers_lifted(connections["log"]):
        LogEntry.objects.filter(index=4).delete()
    row = check()
    assert row.verdict == "broken"
    assert "missing at the end" in row.findings[0]["message"]


def test_a_check_that_cannot_be_made_is_not_a_result(some_log, monkeypatch):
    monkeypatch.setattr(checking, "export", lambda *args, **kwargs: 1 / 0)
    row = check()
    assert (row.verdict, row.findings[0]["message"]) == ("unusable", "ZeroDivisionError")
    assert not checking.badge().whole


def test_nothing_of_the_export_stays_on_the_disk(some_log, settings):
    before = {path for path in settings.SITE_DIR.rglob("*") if path.is_file()}
    check()
    new = {path for path in settings.SITE_DIR.rglob("*") if path.is_file()} - before
    assert {path.parent for path in new} <= {anchors.folder()}


def test_a_large_log_is_checked_by_a_worker(some_log, monkeypatch):
    """The row waits; a second wish joins it; a worker takes it once, however often it is kicked."""
    monkeypatch.setattr(checking, "AT_ONCE", 3)
    row = check()
    assert row.finished_at is None
    assert check().pk == row.pk
    assert checking.badge().open == row
    assert checking.waiting() == [row.pk]
    tasks.check_log(row.pk)
    size = log.size()
    tasks.check_log(row.pk)
    row.refresh_from_db()
    assert (row.verdict, log.size(), checking.waiting()) == ("holds", size, [])


def test_a_check_whose_worker_was_lost_is_taken_up_again(some_log, monkeypatch):
    row = LogCheck.objects.create(by="user:amir", started_at=timezone.now())
    assert checking.waiting() == []
    LogCheck.objects.update(started_at=timezone.now() - checking.LONGEST - timedelta(seconds=1))
    kicked: list[int] = []
    monkeypatch.setattr(checking, "kick", kicked.append)
    tasks.sweep()
    assert kicked == [row.pk]
    checking.carry_out(row.pk)
    row.refresh_from_db()
    assert row.verdict == "holds"


def test_the_page_says_what_was_not_checked_and_shows_findings(some_log):
    client = Client()
    client.force_login(privacy_site.person("amir", "auditor"))
    assert "Not checked yet." in client.get("/log/check/").content.decode()
    answer = client.post("/log/check/", follow=True).content.decode()
    assert "all there are" in answer
    assert "badge-good" in answer
    events.append(action="test:thing:done", by="user:ada", subject="thing:1", facts={})
    later = client.get("/log/").content.decode()
    assert "1 newer entry was not" in " ".join(later.split())
    assert "badge-good" not in later
    change(1, b'"number":1', b'"number":7')
    broken = client.post("/log/check/", follow=True).content.decode()
    assert "badge-bad" in broken
    assert "entry 1" in broken
    assert Checkpoint.objects.exists()
