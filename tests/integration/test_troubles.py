"""Broker away, database away, messages twice, two clocks: people see a clear state, nothing is lost or done twice."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from celery import current_app
from django.conf import settings
from django.db import InterfaceError, OperationalError, connections
from django.test import Client
from django.utils import timezone
from kombu.exceptions import OperationalError as NoBroker

from audit import messages
from llmsynthor_site import joining, tasks
from privacy import measuring
from privacy.dp.counting import BatchCounter
from privacy.models import LedgerEntry
from synthesis import jobs
from synthesis.models import Job, SynthesisRequest
from synthesis.states import JobKind, RequestState
from tests import request_site

pytestmark = pytest.mark.django_db(databases=["default", "log"], transaction=True)


@pytest.fixture
def small() -> request_site.Site:
    return request_site.make()


def entered(user: Any) -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(user)
    return client


def approved(small: request_site.Site) -> SynthesisRequest:
    request = small.submitted()
    for steward in (small.stella, small.stefan):
        small.vote(request, steward)
    return SynthesisRequest.objects.get(pk=request.pk)


def charges(request: SynthesisRequest) -> list[tuple[str, Any]]:
    return list(LedgerEntry.objects.filter(request=str(request.pk)).order_by("pk").values_list("kind", "rho"))


def test_a_vote_counts_while_the_broker_is_away(small: request_site.Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last vote cannot tell the workers; the page says that it is approved, and the sweeper tells them later."""
    sent: list[str] = []

    def away(*_: Any, **__: Any) -> None:
        raise NoBroker("Connection refused")

    monkeypatch.setattr(current_app, "send_task", away)
    request = approved(small)
    assert request.state == RequestState.APPROVED
    assert "Approved for measuring" in entered(small.rosa).get(request.get_absolute_url()).content.decode()
    assert jobs.sweep() == 1, "the sweeper finds it, and cannot tell anybody either"
    monkeypatch.setattr(current_app, "send_task", lambda name, **_: sent.append(name))
    tasks.sweep()
    assert "llmsynthor_site.tasks.measure" in sent
    joining.measure(str(request.pk))
    assert SynthesisRequest.objects.get(pk=request.pk).state == RequestState.MEASURED


def test_while_no_worker_is_there_messages_do_not_pile_up(
    small: request_site.Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each sweep says again some rows of each kind alone, and no message is worth reading for ever."""
    waiting = [str(approved(small).pk) for _ in range(3)]
    jobs.enqueue(SynthesisRequest.objects.get(pk=waiting[2]), JobKind.SYNTHESISE)
    sent: list[tuple[str, str]] = []

    def told(name: str, *, args: list[str], expires: float, **_: Any) -> None:
        assert 60 <= expires <= 3600
        sent.append((name.rpartition(".")[2], args[0]))

    monkeypatch.setattr(current_app, "send_task", told)
    monkeypatch.setattr(messages, "MOST", 2)
    assert jobs.sweep() == 3
    assert (sent[0], sent[2]) == (("measure", waiting[0]), ("synthesise", waiting[2]))
    assert sent[1] in [("measure", each) for each in waiting[1:]]


def test_rows_that_cannot_go_on_keep_no_others_unsaid(
    small: request_site.Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = [approved(small).pk for _ in range(4)]
    monkeypatch.setattr(messages, "MOST", 2)
    said = [messages.some(SynthesisRequest.objects.order_by("created_at")) for _ in range(60)]
    assert {len(each) for each in said} == {2}
    assert {each[0].pk for each in said} == {waiting[0]}
    assert {row.pk for each in said for row in each} == set(waiting)


@pytest.mark.parametrize("problem", [OperationalError, InterfaceError])
def test_pages_say_calmly_that_the_database_is_away(
    small: request_site.Site, monkeypatch: pytest.MonkeyPatch, problem: type[Exception]
) -> None:
    request, client = small.submitted(), entered(small.stella)

    def away(*_: Any, **__: Any) -> None:
        raise problem("could not connect to server at 10.0.0.7")

    with monkeypatch.context() as patch:
        patch.setattr(connections["default"], "cursor", away)
        answer = client.get("/")
        sign_in = Client(raise_request_exception=False).get("/sign-in/")
    assert (answer.status_code, answer["Retry-After"]) == (503, "60")
    assert "The database is not available" in answer.content.decode()
    assert "10.0.0.7" not in answer.content.decode()
    assert sign_in.status_code in (200, 503)
    assert client.get(request.get_absolute_url()).status_code == 200, "as soon as it is back"


def test_a_message_that_comes_twice_measures_once(small: request_site.Site) -> None:
    request = approved(small)
    joining.measure(str(request.pk))
    before = charges(request)
    assert [kind for kind, _ in before].count("RESERVE") == 1
    joining.measure(str(request.pk))
    tasks.measure(str(request.pk))
    assert charges(request) == before
    assert Job.objects.get(request=request, kind=JobKind.MEASURE).fencing_token == 1


def test_two_clocks_at_once_do_the_work_of_one(small: request_site.Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both sweep at the same moment and kick the same job; one worker gets it."""
    request = approved(small)
    kicked: list[str] = []
    monkeypatch.setattr(current_app, "send_task", lambda name, **_: kicked.append(name))
    for _ in range(2):
        tasks.sweep()
    assert kicked.count("llmsynthor_site.tasks.measure") == 2
    claims: list[Job | None] = []
    both = threading.Barrier(2)

    def claim() -> None:
        both.wait()
        claims.append(jobs.claim(JobKind.MEASURE, str(request.pk)))
        connections.close_all()

    workers = [threading.Thread(target=claim) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sorted(job is not None for job in claims) == [False, True]


def test_a_worker_that_counts_for_longer_than_a_lease_keeps_its_job(
    small: request_site.Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It gives no sign of life meanwhile, so its lease lasts for as long as counting may take, from the first count."""
    leases, honest = [], BatchCounter.tables

    def counted(counter: BatchCounter, cliques: Any) -> Any:
        until = Job.objects.get(kind=JobKind.MEASURE).leased_until
        leases.append((until - timezone.now()).total_seconds() if until else 0.0)
        return honest(counter, cliques)

    monkeypatch.setattr(BatchCounter, "tables", counted)
    monkeypatch.setattr(measuring, "tick_seconds", lambda *_: 5000.0)
    joining.measure(str(approved(small).pk))
    assert len(leases) > 1
    assert all(5000 < left < 5000 + settings.JOB_LEASE_SECONDS for left in leases)


def test_a_worker_that_was_thought_dead_writes_nothing_more(small: request_site.Site) -> None:
    """Its lease ended while it slept, another took the job over; waking up, it may neither go on nor finish it."""
    request = approved(small)
    first = jobs.claim(JobKind.MEASURE, str(request.pk))
    assert first is not None
    Job.objects.filter(pk=first.pk).update(leased_until="2000-01-01T00:00:00Z")
    second = jobs.claim(JobKind.MEASURE, str(request.pk))
    assert second is not None
    assert second.fencing_token == first.fencing_token + 1
    for step in (jobs.heartbeat, lambda job: jobs.finish(job, outcome="measured")):
        with pytest.raises(jobs.LeaseLost):
            step(first)
    jobs.finish(second, outcome="measured")
