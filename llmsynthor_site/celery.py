"""The Celery application. A message is only a kick: the row in the database is the job."""

from __future__ import annotations

import os

from celery import Celery
from celery.signals import worker_init

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "llmsynthor_site.settings")
os.environ.setdefault("RUST_BACKTRACE", "0")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # sums of several threads do not repeat bit for bit

app = Celery("llmsynthor_site")
app.config_from_object("django.conf:settings", namespace="CELERY")


@worker_init.connect
def stop_without_a_whole_log(**_: object) -> None:
    """A worker that could not log what it does, or whose keys others may read, must not start."""
    from audit import keys, log
    from audit.errors import LogUnavailable

    try:
        log.check_whole()
    except LogUnavailable as problem:  # Celery swallows ordinary exceptions of its signals
        raise SystemExit(f"the audit log is not available: {problem}") from problem
    if exposed := keys.exposed():
        raise SystemExit(f"key files that others may read (chmod 600): {', '.join(map(str, exposed))}")


app.autodiscover_tasks(["llmsynthor_site"])
