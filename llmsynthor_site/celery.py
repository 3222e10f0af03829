"""The Celery application. A message is only a kick: the row in the database is the job."""

from __future__ import annotations

import os
from typing import Any

from celery import Celery
from celery.signals import celeryd_after_setup, worker_init, worker_shutting_down
from django.core.exceptions import ImproperlyConfigured

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "llmsynthor_site.settings")
os.environ.setdefault("RUST_BACKTRACE", "0")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # sums of several threads do not repeat bit for bit

app = Celery("llmsynthor_site")
app.config_from_object("django.conf:settings", namespace="CELERY")


@worker_init.connect
def stop_without_a_whole_log(**_: object) -> None:
    """A worker that could not log what it does, or whose keys others may read, must not start."""
    from audit import keys, log, restored
    from audit.errors import LogUnavailable
    from llmsynthor_site import production

    try:
        production.refuse()
        log.check_whole()
        restored.check()
    except ImproperlyConfigured as problem:
        raise SystemExit(str(problem)) from problem
    except LogUnavailable as problem:  # Celery swallows ordinary exceptions of its signals
        raise SystemExit(f"the audit log is not available: {problem}") from problem
    if exposed := keys.exposed():
        raise SystemExit(f"key files that others may read (chmod 600): {', '.join(map(str, exposed))}")


def stop_without_the_key_of_packages() -> None:
    from audit import keys
    from audit.errors import LogUnavailable

    try:
        keys.packages()
    except LogUnavailable as problem:
        raise SystemExit(str(problem)) from problem


@worker_shutting_down.connect
def leave_work_to_others(**_: object) -> None:
    """Asked to stop, a worker finishes what cannot be left; a synthesis goes back to the queue at its next step."""
    from synthesis import draining

    draining.begin()


@celeryd_after_setup.connect
def wall_in_what_synthesises(instance: Any, **_: object) -> None:
    """A worker that takes synthesis reaches the door, its databases and its broker, and nothing else.

    Installed before the pool is forked, so that every child has it too. It signs packages, and does not start without
    the key.
    """
    if "synthesise" in instance.app.amqp.queues.consume_from:
        from django.conf import settings

        from llmsynthor_site import guard

        stop_without_the_key_of_packages()
        guard.install(guard.reachable(settings))


@celeryd_after_setup.connect
def make_spans(instance: Any, **_: object) -> None:
    from llmsynthor_site import telemetry

    telemetry.of_worker(set(instance.app.amqp.queues.consume_from))


app.autodiscover_tasks(["llmsynthor_site"])
