"""Workers and timed tasks say that they live. A database that is away costs a beat, never the work."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Any, ClassVar

from celery import bootsteps
from django.db import DatabaseError, connections
from django.utils import timezone

from llmsynthor_site.celery import app
from llmsynthor_site.models import Beat

log = logging.getLogger(__name__)
EVERY_SECONDS = 20
FORGOTTEN = timedelta(days=7)


def of_worker(name: str, queues: str, *, started: datetime) -> None:
    """Called by a worker every EVERY_SECONDS, from its own timer: no connection is left for its children to inherit."""
    try:
        kept = {"queues": queues, "started_at": started, "at": timezone.now()}
        Beat.objects.update_or_create(kind=Beat.Kind.WORKER, name=name, defaults=kept)
    except DatabaseError as problem:
        log.warning("a beat was lost: %s", type(problem).__name__)
    finally:
        connections.close_all()


def of_task(name: str) -> None:
    """Called at the end of a timed task."""
    Beat.objects.update_or_create(kind=Beat.Kind.TASK, name=name, defaults={"at": timezone.now()})


def forget() -> None:
    """Workers that are long gone: a machine's name may never come back."""
    Beat.objects.filter(kind=Beat.Kind.WORKER, at__lt=timezone.now() - FORGOTTEN).delete()


class Beats(bootsteps.StartStopStep):
    """A worker says that it lives, from its own timer: one that hangs as a whole says nothing."""

    requires: ClassVar[set[str]] = {"celery.worker.components:Timer"}
    timer: Any = None

    def start(self, worker: Any) -> None:
        queues, started = ",".join(sorted(worker.app.amqp.queues.consume_from)), timezone.now()
        of_worker(worker.hostname, queues, started=started)
        told, said = (worker.hostname, queues), {"started": started}
        self.timer = worker.timer.call_repeatedly(EVERY_SECONDS, of_worker, told, said)

    def stop(self, worker: Any) -> None:
        if self.timer is not None:
            self.timer.cancel()


app.steps["worker"].add(Beats)
