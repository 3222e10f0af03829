"""A worker that is asked to stop gives its synthesis back at once, and whoever goes on makes the whole table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from celery.signals import worker_shutting_down

from llmsynthor_site import celery
from synthesis import draining, jobs, packaging, running
from synthesis.loop import LoopSettings
from synthesis.models import Job, Package, SynthesisRequest
from synthesis.states import JobKind
from synthesis.states import RequestState as S
from tests import request_site
from tests.request_site import Site, open_door

pytestmark = pytest.mark.django_db(databases=["default", "log"], transaction=True)


@pytest.fixture
def house(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setattr(running, "LoopSettings", lambda: LoopSettings(sweeps=1, step=0.2, pool_size=2000))
    yield request_site.make()
    draining.end()


def stop_at(monkeypatch: pytest.MonkeyPatch, turn: int) -> None:
    """Celery is asked to stop while this beat of the run is near."""
    honest, beats = jobs.heartbeat, []

    def beating(job: Job, **values: float) -> None:
        beats.append(job)
        if len(beats) == turn:
            worker_shutting_down.send(sender="worker", sig="TERM", how="Warm", exitcode=0)
        honest(job, **values)

    monkeypatch.setattr(jobs, "heartbeat", beating)


@pytest.mark.parametrize("turn", [1, 3, 6])
def test_a_synthesis_goes_back_and_another_worker_makes_the_table(
    house: Site, monkeypatch: pytest.MonkeyPatch, turn: int, settings: Any
) -> None:
    assert celery.leave_work_to_others
    settings.SHARD_ROWS = 100
    kicked: list[str] = []
    monkeypatch.setattr(jobs, "kick", lambda job: kicked.append(job.kind))
    with open_door():
        with monkeypatch.context() as asked:
            stop_at(asked, turn)
            request = house.synthesised()
        job = Job.objects.get(kind=JobKind.SYNTHESISE)
        assert request.state == S.SYNTHESISING
        assert (job.leased_until, job.done_at) == (None, None)
        assert kicked[-1] == JobKind.SYNTHESISE
        assert not Package.objects.exists()
        running.synthesise(str(request.pk))
        assert not Package.objects.exists(), "a worker that stops takes nothing up"
        draining.end()
        running.synthesise(str(request.pk))
    request = SynthesisRequest.objects.get(pk=request.pk)
    assert request.state == S.CHECKING
    table = packaging.package_folder(str(Package.objects.get().pk)) / "data.csv"
    assert len(table.read_text().splitlines()) == 301


def test_an_overtaken_worker_can_neither_beat_nor_finish_nor_give_back(house: Site) -> None:
    """The fencing token: a job that was claimed anew is out of the hands of whoever held it."""
    request = house.submitted()
    jobs.enqueue(request, JobKind.SYNTHESISE)
    first = jobs.claim(JobKind.SYNTHESISE, str(request.pk))
    assert first is not None
    assert jobs.claim(JobKind.SYNTHESISE, str(request.pk)) is None
    Job.objects.update(leased_until=None)
    second = jobs.claim(JobKind.SYNTHESISE, str(request.pk))
    assert second is not None
    assert second.fencing_token == first.fencing_token + 1
    for late in (
        lambda: jobs.heartbeat(first),
        lambda: jobs.finish(first, outcome="done"),
        lambda: jobs.hand_back(first),
        lambda: jobs.postpone(first),
    ):
        with pytest.raises(jobs.LeaseLost):
            late()
    jobs.finish(second, outcome="done")
    assert Job.objects.get().outcome == "done"
