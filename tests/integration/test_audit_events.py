"""From the outbox into the log: together with the change, exactly once, in order."""

import pytest
from django.db import transaction

from audit import events, log
from audit.errors import LogUnavailable
from audit.models import Outbox

pytestmark = pytest.mark.django_db(databases=["default", "log"], transaction=True)


def record(number):
    return events.record(action="test:thing:changed", by="user:ada", subject="thing:1", facts={"number": number})


def numbers():
    return [log.entry(index).facts["number"] for index in range(log.size())]


def test_an_event_is_in_the_log_once_its_transaction_is_committed():
    with transaction.atomic():
        record(1)
        record(2)
        assert log.size() == 0
    assert numbers() == [1, 2]
    assert events.pending() == 0
    assert list(Outbox.objects.values_list("index", flat=True)) == [0, 1]


def test_a_rolled_back_change_leaves_no_event():
    with pytest.raises(RuntimeError, match="undo"), transaction.atomic():
        record(1)
        raise RuntimeError("undo")
    assert (log.size(), Outbox.objects.count()) == (0, 0)


def test_a_crash_between_entry_and_mark_appends_once(monkeypatch):
    class Crash(BaseException):
        """Not caught by anything, like the end of the process."""

    real = log.append_all

    def append_and_die(told):
        real(told)
        raise Crash

    monkeypatch.setattr(log, "append_all", append_and_die)
    with pytest.raises(Crash), transaction.atomic():
        record(1)
    assert (log.size(), events.pending()) == (1, 1)
    monkeypatch.undo()
    assert events.flush() == 1
    assert (numbers(), events.pending()) == ([1], 0)


def test_what_waited_for_the_log_is_appended_later_in_order(monkeypatch):
    def refuse(told):
        raise LogUnavailable("planted")

    monkeypatch.setattr(log, "append_all", refuse)
    for number in (1, 2):
        with pytest.raises(LogUnavailable, match="planted"), transaction.atomic():
            record(number)
    assert (log.size(), events.pending()) == (0, 2)
    monkeypatch.undo()
    with transaction.atomic():
        record(3)
    assert numbers() == [1, 2, 3]


def test_a_log_first_entry_stands_after_what_was_recorded_before_it(monkeypatch):
    monkeypatch.setattr(events, "flush", lambda: 0)
    with transaction.atomic():
        record(1)
    monkeypatch.undo()
    events.append(action="test:thing:charged", by="system", subject="thing:1", facts={"number": 2})
    assert numbers() == [1, 2]


def test_an_open_transaction_is_never_flushed():
    with transaction.atomic():
        record(1)
        with pytest.raises(RuntimeError, match="durable"):
            events.flush()
    assert numbers() == [1]
