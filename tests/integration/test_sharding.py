"""A large table is drawn in shards by any number of workers: the same bytes, whoever draws and whoever dies."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from django.core.management import call_command
from django.db import connections
from django.utils import timezone

from privacy import selectors
from synthesis import environment, jobs, packaging, running, sharding
from synthesis.llm.base import Proposal
from synthesis.loop import Loop, LoopSettings, ProposalPlan, Reach
from synthesis.models import Package, Run, SynthesisRequest
from synthesis.shard_models import Shard
from synthesis.sharding import Order
from synthesis.states import RequestState as S
from tests import request_site
from tests.request_site import Site, open_door

pytestmark = pytest.mark.django_db(databases=["default", "log"], transaction=True)
ROWS, SHARD = 1001, 250
QUICK = LoopSettings(sweeps=1, settle_sweeps=2, step=0.2, pool_size=2000)
ALONE = multiprocessing.get_context("fork")


@pytest.fixture
def house(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Site:
    monkeypatch.setattr(running, "LoopSettings", lambda: QUICK)
    monkeypatch.setattr(sharding, "NAP_SECONDS", 0.02)
    settings.SHARD_ROWS = SHARD
    return request_site.make()


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The batches that workers were told of; nobody comes of his own accord."""
    batches: list[str] = []

    def sent(name: str, args: list[str], **_: Any) -> None:
        if name == sharding.TASK:
            batches.append(args[0])

    monkeypatch.setattr(sharding.current_app, "send_task", sent)
    return batches


@pytest.fixture
def order(house: Site) -> Order:
    """The finished fit of a measured request, with a what-if, so that a part holds all that it can."""
    request = house.measured(rows=ROWS)
    settings = LoopSettings(sweeps=1, settle_sweeps=2, pool_size=2000, shard_rows=SHARD)
    loop = Loop.from_release(selectors.released(request.release_key), settings=settings, seed=request.seed)
    rich = {"sex": (0, 1), "age": tuple(range(loop.domain.sizes[1])), "pay": (2,)}
    scenario = loop.suppose(ProposalPlan((Proposal(rich, 1900, "richer"),)), Reach())
    Run.objects.create(request=request)
    with environment.one_thread():
        return Order(loop.finished(), scenario, loop.domain, ROWS, environment.recorded())


def nothing() -> None:
    pass


def queued(order: Order) -> Any:
    batch = sharding.uuid4()
    sharding._queue(Run.objects.get(), batch, order)
    return batch


def parts(batch: Any) -> list[bytes]:
    return [sharding._part(shard).read_bytes() for shard in Shard.objects.filter(batch=batch)]


def by_one_worker(order: Order) -> list[bytes]:
    with environment.one_thread():
        sharding._work(batch := queued(order), order, nothing)
    return parts(batch)


def lending(batch: Any) -> None:
    """What another worker's process does with its messages."""
    connections.close_all()
    while sharding.lend_a_hand(str(batch)):
        pass
    os._exit(0)


def hanging(batch: Any) -> None:
    """A worker that falls silent in the middle of a shard."""
    connections.close_all()
    setattr(Order, "draw", lambda *_: time.sleep(600))  # noqa: B010
    sharding.lend_a_hand(str(batch))


def test_the_parts_are_the_same_however_many_processes_draw(order: Order, told: list[str]) -> None:
    alone = by_one_worker(order)
    assert len(alone) == 5
    for processes in (1, 3):
        batch = queued(order)
        connections.close_all()
        workers = [ALONE.Process(target=lending, args=(batch,)) for _ in range(processes)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(60)
        assert not Shard.objects.filter(batch=batch, done_at=None).exists()
        assert parts(batch) == alone
    assert told


def test_a_killed_workers_shard_is_drawn_again(order: Order, told: list[str], settings: Any) -> None:
    alone, batch = by_one_worker(order), queued(order)
    settings.JOB_LEASE_SECONDS = 1
    connections.close_all()
    worker = ALONE.Process(target=hanging, args=(batch,))
    worker.start()
    patience = time.monotonic() + 30
    while not Shard.objects.filter(batch=batch, fencing_token=1).exists() and time.monotonic() < patience:
        time.sleep(0.02)
    os.kill(worker.pid or 0, signal.SIGKILL)
    worker.join(30)
    with environment.one_thread():
        sharding._work(batch, order, nothing)
    assert parts(batch) == alone
    assert sorted(Shard.objects.filter(batch=batch).values_list("fencing_token", flat=True)) == [1, 1, 1, 1, 2]


def test_what_a_worker_that_was_given_up_still_writes_is_not_read(
    order: Order, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    batch, honest = queued(order), Order.draw

    def slow(self: Order, number: int) -> Any:
        """Its lease runs out, and another worker draws the shard before it is done itself."""
        monkeypatch.setattr(Order, "draw", honest)
        Shard.objects.filter(batch=batch, number=number).update(leased_until=timezone.now())
        sharding._draw_next(batch, order)
        records, swap = honest(self, number)
        return np.zeros_like(records), swap

    monkeypatch.setattr(Order, "draw", slow)
    sharding._draw_next(batch, order)
    first = Shard.objects.get(batch=batch, number=0)
    assert first.fencing_token == 2
    assert packaging.sha256_of(sharding._part(first)) == first.sha256
    assert len(list(sharding.folder_of(batch).glob("0-*"))) == 1
    monkeypatch.setattr(Order, "draw", honest)
    with environment.one_thread():
        sharding._work(batch, order, nothing)
        found = list(sharding._read(batch, order))
        again = [order.draw(number) for number in range(5)]
    for (records, swap), (expected, change) in zip(found, again, strict=True):
        assert np.array_equal(records, expected)
        assert np.array_equal(swap.applied(records), change.applied(expected))
    assert sum(len(swap.arriving) for _, swap in found) > 0


@pytest.mark.parametrize("what", ["fit", "part", "missing"])
def test_a_file_that_is_not_the_one_that_was_written_is_not_used(order: Order, told: list[str], what: str) -> None:
    batch = queued(order)
    if what == "fit":
        (sharding.folder_of(batch) / "fit").write_bytes(b"cos\nsystem\n(S'false'\ntR.")
        assert not sharding.lend_a_hand(str(batch))
        assert not Shard.objects.exclude(fencing_token=0).exists()
        return
    sharding._work(batch, order, nothing)
    path = sharding._part(Shard.objects.get(batch=batch, number=3))
    path.write_bytes(b"PAR1") if what == "part" else path.unlink()
    with pytest.raises(sharding.Unusable, match="not the one that was drawn"):
        list(sharding._read(batch, order))


def test_a_machine_with_other_numbers_leaves_the_shards_alone(
    order: Order, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = queued(order)
    monkeypatch.setattr(environment, "recorded", lambda: order.environment | {"cpu_features": ["OTHER"]})
    assert not sharding.lend_a_hand(str(batch))
    assert not Shard.objects.exclude(done_at=None).exists()


def table(request: SynthesisRequest) -> Path:
    return packaging.package_folder(str(request.run.package.pk))


def test_a_run_in_shards_gives_its_table_and_replays_to_the_last_bit(
    house: Site, told: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with open_door():
        request = house.synthesised(rows=ROWS)
    assert request.state == S.CHECKING
    assert len(set(told)) == 1
    assert len(told) == 4
    csv, parquet = pd.read_csv(table(request) / "data.csv"), pd.read_parquet(table(request) / "data.parquet")
    assert len(csv) == len(parquet) == ROWS
    assert not Shard.objects.exists()
    assert not sharding.folder_of(told[0]).exists()
    assert not sharding.lend_a_hand(told[0]), "a message that comes late finds nothing to do"
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        call_command("replay_prompts", str(request.pk), "--json")
    found = json.loads(capsys.readouterr().out)
    assert (ended.value.code, found["verdict"]) == (0, "equal"), found
    assert found["counts"]["files of the table rebuilt, bit for bit"] == 2


def test_the_worker_that_lost_its_run_stops_and_leaves_the_new_one_its_shards(
    house: Site, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run's lease went to another worker, which has begun the shards anew."""
    honest = sharding._draw_next
    taken: list[Any] = []

    def overtaken(batch: Any, order: Order) -> bool:
        found = honest(batch, order)
        if not taken:
            taken.append(sharding.uuid4())
            job = jobs.Job.objects.get(kind="synthesise")
            jobs.Job.objects.filter(pk=job.pk).update(fencing_token=job.fencing_token + 1)
            sharding._queue(Run.objects.get(), taken[0], order)
        return found

    monkeypatch.setattr(sharding, "_draw_next", overtaken)
    with open_door():
        request = house.synthesised(rows=ROWS)
    assert request.state == S.SYNTHESISING
    assert not Package.objects.exists()
    assert set(Shard.objects.values_list("batch", flat=True)) == set(taken)
    assert [folder.name for folder in sharding.folder_of("x").parent.iterdir()] == [str(taken[0])]


@pytest.fixture(autouse=True)
def _no_shards_left(settings: Any) -> Iterator[None]:
    import shutil

    shutil.rmtree(settings.SITE_DIR / "shards", ignore_errors=True)
    yield
    shutil.rmtree(settings.SITE_DIR / "shards", ignore_errors=True)
