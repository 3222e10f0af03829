"""A table too large to be refined at once: drawn in shards, by any number of workers, into Parquet parts.

The worker that holds the run writes the finished fit beside the parts and queues a row for every shard; it draws
shards itself, and so does every other worker that is told. A shard depends on the fit, the seed and its number
alone, so the parts are the same, byte for byte, whoever draws them. A worker that falls silent loses its lease, and
the shard is drawn again; what it may still write has another name, and nobody reads it.
"""

from __future__ import annotations

import hashlib
import logging
import pickle  # nosec B403  # only what this site wrote, see below
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from celery import current_app
from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from kombu.exceptions import OperationalError

from privacy.values import Domain, IntArray
from synthesis import environment
from synthesis.loop import Finished, Loop, Scenario, Swap
from synthesis.models import Run
from synthesis.packaging import sha256_of
from synthesis.shard_models import Shard

log = logging.getLogger(__name__)

TASK = "llmsynthor_site.tasks.shard"
FIT = "fit"
LEAVING = "leaving"
NAP_SECONDS = 0.5
MOST_TOLD = 64  # workers that are told at once; each tells the next when it has drawn one


class Unusable(Exception):
    """A file of the shards is not the one that was written, or not for this machine; nothing is drawn from it."""


@dataclass(frozen=True, slots=True)
class Order:
    """All that drawing a shard needs; ``environment`` is that of the run, whose numbers must come out again."""

    finished: Finished
    scenario: Scenario | None
    domain: Domain
    rows: int
    environment: dict[str, Any]

    def draw(self, number: int) -> tuple[IntArray, Swap | None]:
        shard = self.finished.shard(number, self.rows)
        return shard, None if self.scenario is None else self.finished.change(number, shard, self.scenario)


def folder_of(batch: object) -> Path:
    return Path(settings.SITE_DIR) / "shards" / str(batch)


def in_shards(loop: Loop, rows: int) -> bool:
    """Whether a table of so many rows has more than one."""
    return rows > loop.settings.shard_rows


@contextmanager
def drawn(
    run: Run, loop: Loop, scenario: Scenario | None, rows: int, *, beat: Callable[[], None]
) -> Iterator[Iterator[tuple[IntArray, Swap]]]:
    """The table's shards in order, drawn by all workers that there are; nothing of them is left afterwards.

    ``beat`` is called between any two things that take long, and may raise to stop it all.
    """
    batch, order = uuid4(), Order(loop.finished(), scenario, loop.domain, rows, run.environment)
    try:
        _queue(run, batch, order)
        _work(batch, order, beat)
        yield _read(batch, order)
    finally:
        _forget(batch)


def lend_a_hand(batch: str) -> bool:
    """Draw one shard of this batch, if one waits, and tell the next worker; whether one was drawn."""
    waiting = Shard.objects.filter(_open(), batch=batch).first()
    if waiting is None:
        return False
    try:
        order = _order(waiting)
        with environment.one_thread():
            if environment.differences(order.environment, environment.recorded()):
                raise Unusable("this machine's numbers are not those of the machine that holds the run")
            found = _draw_next(waiting.batch, order)
    except (Unusable, OSError) as problem:
        log.warning("a shard was left to other workers: %s", type(problem).__name__)
        return False
    if found:
        _tell(waiting.batch, workers=1)
    return found


def _queue(run: Run, batch: UUID, order: Order) -> None:
    """Write the fit, make a row for every shard, and tell the workers. What an earlier start left is thrown away."""
    for earlier in set(Shard.objects.filter(run=run).values_list("batch", flat=True)):
        _forget(earlier)
    folder_of(batch).mkdir(parents=True)
    path = folder_of(batch) / FIT
    path.write_bytes(pickle.dumps(order, protocol=5))
    count, fit = len(order.finished.sizes(order.rows)), sha256_of(path)
    Shard.objects.bulk_create(Shard(run=run, batch=batch, number=number, fit_sha256=fit) for number in range(count))
    _tell(batch, workers=min(count - 1, MOST_TOLD))


def _forget(batch: UUID) -> None:
    Shard.objects.filter(batch=batch).delete()
    shutil.rmtree(folder_of(batch), ignore_errors=True)


def _tell(batch: UUID, *, workers: int) -> None:
    """A message that is lost costs speed alone: the worker that holds the run draws what nobody else does."""
    try:
        for _ in range(workers):
            current_app.send_task(TASK, args=[str(batch)], retry=False)
    except (OSError, OperationalError) as problem:
        log.warning("no message could be sent: %s", type(problem).__name__)


def _work(batch: UUID, order: Order, beat: Callable[[], None]) -> None:
    """Draw until every shard is done, and wait for those that others draw."""
    while Shard.objects.filter(batch=batch, done_at=None).exists():
        beat()
        if not _draw_next(batch, order):
            time.sleep(NAP_SECONDS)
    beat()  # a worker that lost the run has lost its shards too


def _order(shard: Shard) -> Order:
    """The fit as it was written. Unusable unless its bytes are those whose hash the database holds."""
    try:
        held = (folder_of(shard.batch) / FIT).read_bytes()
    except OSError:
        raise Unusable("the fit is not there") from None
    if hashlib.sha256(held).hexdigest() != shard.fit_sha256:
        raise Unusable("the fit is not the one that was written")
    order: Order = pickle.loads(held)  # noqa: S301  # nosec B301  # this site wrote it, by its hash
    return order


def _draw_next(batch: UUID, order: Order) -> bool:
    """Draw the next shard that waits; whether there was one. What another worker took over meanwhile is dropped."""
    shard = _claim(batch)
    if shard is None:
        return False
    try:
        path = _write(shard, order)
    except BaseException:
        _held(shard).update(leased_until=None)
        raise
    if not _held(shard).update(done_at=timezone.now(), leased_until=None, sha256=sha256_of(path)):
        path.unlink(missing_ok=True)
    return True


@transaction.atomic
def _claim(batch: UUID) -> Shard | None:
    shard = Shard.objects.select_for_update(skip_locked=True).filter(_open(), batch=batch).first()
    if shard is not None:
        shard.leased_until = timezone.now() + timedelta(seconds=settings.JOB_LEASE_SECONDS)
        shard.fencing_token += 1
        shard.save(update_fields=["leased_until", "fencing_token"])
    return shard


def _open() -> Q:
    return Q(done_at=None) & (Q(leased_until=None) | Q(leased_until__lt=timezone.now()))


def _held(shard: Shard) -> Any:
    return Shard.objects.filter(pk=shard.pk, fencing_token=shard.fencing_token, done_at=None)


def _part(shard: Shard) -> Path:
    return folder_of(shard.batch) / f"{shard.number}-{shard.fencing_token}.parquet"


def _write(shard: Shard, order: Order) -> Path:
    """Draw the shard and write its part, whole or not at all."""
    records, swap = order.draw(shard.number)
    path = _part(shard)
    half = path.with_suffix(".half")
    pq.write_table(packed(records, swap, order.domain), half)
    return half.rename(path)


def packed(records: IntArray, swap: Swap | None, domain: Domain) -> pa.Table:
    """Codes as narrow as declared; under a scenario also which rows leave, and what is in their places.

    The k-th row that leaves makes room for the k-th arriving record; elsewhere there is none.
    """
    columns = {name: _narrow(records[:, place], domain.sizes[place]) for place, name in enumerate(_names(domain))}
    if swap is not None:
        columns[LEAVING] = swap.leaving
        for place, name in enumerate(_names(domain)):
            arriving = np.zeros(len(records), np.int64)
            arriving[swap.leaving] = swap.arriving[:, place]
            columns[f"{name}{LEAVING}"] = _narrow(arriving, domain.sizes[place])
    return pa.table(columns)


def _names(domain: Domain) -> list[str]:
    """Columns by number: a declared name may be anything."""
    return [str(place) for place in range(len(domain.columns))]


def _narrow(codes: IntArray, size: int) -> Any:
    return codes.astype(np.min_scalar_type(size - 1))


def _read(batch: UUID, order: Order) -> Iterator[tuple[IntArray, Swap]]:
    """The parts in order, one in memory at a time. Unusable where one is missing or is not the one that was drawn."""
    shards = list(Shard.objects.filter(batch=batch).exclude(done_at=None).order_by("number"))
    if len(shards) != len(order.finished.sizes(order.rows)):
        raise Unusable("the shards of this run are no longer its own")
    for shard in shards:
        path = _part(shard)
        if not path.exists() or sha256_of(path) != shard.sha256:
            raise Unusable("a part of the table is not the one that was drawn")
        yield unpacked(pq.read_table(path), order.domain)
        path.unlink()


def unpacked(table: pa.Table, domain: Domain) -> tuple[IntArray, Swap]:
    """The shard that a part holds, and what changes in it."""

    def codes(suffix: str) -> IntArray:
        columns = [table[f"{name}{suffix}"].to_numpy().astype(np.int64) for name in _names(domain)]
        return np.stack(columns, axis=1)

    records = codes("")
    if LEAVING not in table.column_names:
        return records, Swap(np.zeros(len(records), bool), records[:0])
    leaving = table[LEAVING].to_numpy()
    return records, Swap(leaving, codes(LEAVING)[leaving])
