"""The log as it is read: filtered, in steps, with proofs, and taken away as a file."""

import csv
import hashlib
import io
import json
from datetime import timedelta

import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from audit import entries, events, keys, listing, log
from audit.entries import Filters
from audit.forms import LogFilter
from audit.models import Checkpoint, LogEntry
from audit.notes import Checkpoint as Signed
from tests.append_only import triggers_lifted

pytestmark = pytest.mark.django_db(databases=["default", "log"])
ID = "8af09489-4d32-4a11-9b1e-5a1a6c1d2e3f"


def tell(number, *, action="test:thing:even", by="user:ada", subject="thing:1", **facts):
    return events.append(action=action, by=by, subject=subject, facts={"number": number, **facts})


@pytest.fixture
def told(monkeypatch):
    """Nine entries, and steps of three."""
    monkeypatch.setattr(entries, "SHOWN", 3)
    for number in range(9):
        tell(number, action=f"test:thing:{'odd' if number % 2 else 'even'}", by=f"user:{number % 3}")


def numbers(step):
    return [leaf.facts["number"] for leaf in step.leaves]


def test_steps_lead_through_the_whole_log_and_back(told):
    first = entries.step()
    second = entries.step(before=first.older)
    third = entries.step(before=second.older)
    assert [numbers(one) for one in (first, second, third)] == [[8, 7, 6], [5, 4, 3], [2, 1, 0]]
    assert (first.newer, third.older, first.size) == (None, None, 9)
    back = entries.step(after=third.newer)
    assert numbers(back) == [5, 4, 3]
    newest = entries.step(after=back.newer)
    assert numbers(newest) == [8, 7, 6]
    assert newest.newer is None


@pytest.mark.parametrize(("before", "after"), [(0, None), (10**14, None), (None, 10**14), (None, 0)])
def test_numbers_out_of_range_are_cut_to_the_log(told, before, after):
    step = entries.step(before=before, after=after)
    assert len(step.leaves) in (0, 3)
    assert step.size == 9


def test_filters_narrow_by_action_person_subject_and_time(told):
    assert numbers(entries.step(Filters(action="test:thing:even"))) == [8, 6, 4]
    assert numbers(entries.step(Filters(action="test:thing"))) == [8, 7, 6], "the beginning of an action, by its words"
    assert numbers(entries.step(Filters(action="test:thi"))) == []
    assert numbers(entries.step(Filters(by="user:0"))) == [6, 3, 0]
    assert numbers(entries.step(Filters(subject="thing:2"))) == []
    assert numbers(entries.step(Filters(since=timezone.now() + timedelta(days=1)))) == []
    assert numbers(entries.step(Filters(until=timezone.now() - timedelta(days=1)))) == []
    assert entries.actions() == ["test:thing:even", "test:thing:odd"]
    assert len(entries.about("thing:1")) == 9


def test_words_are_found_anywhere_in_an_entry_in_any_case():
    tell(0, note='He said "Enough" – 50 % of it')
    tell(1, note="enough_of_it")
    assert numbers(entries.step(Filters(words=("ENOUGH",)))) == [1, 0]
    assert numbers(entries.step(Filters(words=('"enough"',)))) == [0], "quotes are escaped as the entry escapes them"
    assert numbers(entries.step(Filters(words=("h_of", "enough")))) == [1], "no sign stands for another"
    assert numbers(entries.step(Filters(words=("50 % of",)))) == [0]


def test_a_search_looks_through_a_bounded_stretch_and_says_where_it_stopped(told, monkeypatch):
    monkeypatch.setattr(entries, "SEARCHED", 4)
    tell(9, note="needle")
    newest = entries.step(Filters(words=(":0}",)))
    assert (numbers(newest), newest.searched_to, newest.older) == ([], 6, 6)
    further = entries.step(Filters(words=(":0}",)), before=newest.older)
    last = entries.step(Filters(words=(":0}",)), before=further.older)
    assert (numbers(last), last.searched_to, last.older) == ([0], None, None)
    assert numbers(entries.step(Filters(words=("needle",)))) == [9]


def test_an_id_is_looked_for_from_its_first_entry_on():
    tell(0, note=ID)
    tell(1, subject=f"request:{ID}")
    tell(2, subject="population:1", request=ID)
    assert numbers(entries.step(Filters(mentions=ID))) == [2, 1]


def test_days_begin_where_the_reader_is():
    """Midnight in Tokyo is three in the afternoon in Greenwich; the zone stands in the address, so a link keeps it."""

    class Data(dict):
        def dict(self):
            return dict(self)

    tokyo = LogFilter(Data(since="2030-06-02", until="2030-06-02"), zone="Asia/Tokyo")
    moments = tokyo.moments()
    assert moments["since"].isoformat() == "2030-06-02T00:00:00+09:00"
    assert moments["until"].isoformat() == "2030-06-02T23:59:59.999999+09:00"
    sent_on = LogFilter(Data(since="2030-06-02", zone="Asia/Tokyo"), zone="America/Lima")
    assert sent_on.moments()["since"] == moments["since"]
    assert LogFilter(Data(zone="Middle/Earth"), zone="America/Lima").data["zone"] == "America/Lima"


def test_the_number_of_queries_does_not_grow_with_the_log(told):
    def queries():
        with CaptureQueriesContext(connections["log"]) as seen:
            entries.step(Filters(action="test:thing", words=("number",), mentions=ID, since=timezone.now()))
        return len(seen)

    few = queries()
    for number in range(60):
        tell(number)
    assert queries() == few <= 7


def proven(index):
    entry, newest = LogEntry.objects.get(index=index), Checkpoint.objects.latest("size")
    return entries.inclusion(entry, newest, Signed.opened(bytes(newest.note), keys.public()))


def test_every_entry_is_proven_to_be_under_the_signed_root(told):
    log.checkpoint()
    assert all(proven(index).holds for index in range(9))


def test_an_entry_that_was_changed_is_not_proven(told):
    log.checkpoint()
    entry = LogEntry.objects.get(index=4)
    with triggers_lifted(connections["log"]):
        LogEntry.objects.filter(index=4).update(leaf=bytes(entry.leaf).replace(b'"number":4', b'"number":5'))
    assert not proven(4).holds
    with triggers_lifted(connections["log"]):  # even with a hash that fits the changed bytes
        changed = bytes(LogEntry.objects.get(index=4).leaf)
        LogEntry.objects.filter(index=4).update(leaf_hash=hashlib.sha256(b"\x00" + changed).digest())
    assert not proven(4).holds
    assert not proven(5).holds


def test_a_list_is_logged_and_then_handed_out_byte_for_byte(told):
    lines = listing.export(Filters(by="user:1"), form="jsonl", by="user:amir", reason="a review")
    made = LogEntry.objects.latest("index")
    leaf = entries.leaf_of(made)
    assert (leaf.action, leaf.by) == ("audit:list_export:made", "user:amir")
    assert leaf.facts == {"reason": "a review", "format": "jsonl", "filters": {"by": "user:1"}, "size": 9}
    tell(10, by="user:1")  # what comes while the file is being sent is not part of it
    taken = [line.rstrip(b"\n") for line in lines]
    assert [hashlib.sha256(b"\x00" + line).digest() for line in taken] == [
        bytes(one.leaf_hash) for one in LogEntry.objects.filter(index__in=(1, 4, 7)).order_by("index")
    ]


def test_a_list_for_a_spreadsheet_runs_nothing(told):
    tell(10, by="=HYPERLINK(1)", subject="+1", note="-2")
    lines = b"".join(listing.export(Filters(), form="csv", by="user:amir", reason="a review"))
    rows = list(csv.DictReader(io.StringIO(lines.decode())))
    assert [int(row["index"]) for row in rows] == list(range(10))
    assert (rows[-1]["by"], rows[-1]["subject"]) == ("'=HYPERLINK(1)", "'+1")
    assert json.loads(rows[-1]["facts"]) == {"note": "-2", "number": 10}
    assert rows[0]["leaf_hash"] == bytes(LogEntry.objects.get(index=0).leaf_hash).hex()
