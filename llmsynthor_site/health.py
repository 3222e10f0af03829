"""How the machines are: workers, queues, timed tasks, the door, the log, witnesses. For administrators.

No value, title or person is here, and nothing that times the exact stage: of measuring only whether a job waits, is
worked on or is stale, and of workers whether they were heard within SILENT, never when.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db.models import Count, Q
from django.template.defaultfilters import date
from django.utils import timezone

from audit import events, receipts, witnesses
from audit import log as audit_log
from audit.errors import AuditError
from audit.leaves import time_of
from audit.models import Checkpoint, LogEntry
from llmsynthor_site.models import Beat
from synthesis.models import Job, KillSwitch
from synthesis.states import JobKind

SILENT = timedelta(minutes=2)
LATE = 4
"""A timed task is late when it ended no round for so many times its schedule, or for SILENT if that is longer."""
SHOWN = 25
MOMENT = "j F Y, H:i e"
ROUNDS = {
    "sweep": "Anchor the log, end what is over, kick jobs again",
    "remind": "Remind people, expire and lapse",
    "reconcile": "Compare calls with the door's count",
    "submit_checkpoints": "Hand checkpoints to witnesses",
}
"""What timed tasks are called on the page; another one is called by its name."""


@dataclass(frozen=True, slots=True)
class Standing:
    """One thing that is well or not: its name, whether it is well (None: cannot be told), and a few words."""

    name: str
    well: bool | None
    words: str


def workers() -> list[tuple[Beat, bool]]:
    """Every worker heard of in the last week, and whether it lives."""
    now = timezone.now()
    return [(one, one.at > now - SILENT) for one in Beat.objects.filter(kind=Beat.Kind.WORKER)]


def unserved() -> list[str]:
    """Queues from which no living worker takes work."""
    served = {queue for one, lives in workers() if lives for queue in one.queues.split(",")}
    return sorted({route["queue"] for route in settings.CELERY_TASK_ROUTES.values()} - served)


def queues() -> list[dict[str, Any]]:
    """By kind of job how many wait, are worked on, and are stale (their worker's lease is over)."""
    now = timezone.now()
    counted = {
        "waiting": Count("pk", filter=Q(leased_until=None)),
        "working": Count("pk", filter=Q(leased_until__gte=now)),
        "stale": Count("pk", filter=Q(leased_until__lt=now)),
    }
    found = {row["kind"]: row for row in Job.objects.filter(done_at=None).values("kind").annotate(**counted)}
    nothing = dict.fromkeys(counted, 0)
    return [{**nothing, **found.get(kind, {}), "label": kind.label} for kind in JobKind]


def unfinished() -> list[tuple[Job, str]]:
    """The jobs that wait or are stale, oldest first, each with the word for it."""
    now = timezone.now()
    open_jobs = Job.objects.filter(Q(leased_until=None) | Q(leased_until__lt=now), done_at=None).order_by("pk")[:SHOWN]
    return [(one, "waiting" if one.leased_until is None else "stale") for one in open_jobs]


def timed_tasks() -> list[Standing]:
    last = dict(Beat.objects.filter(kind=Beat.Kind.TASK).values_list("name", "at"))
    return [
        _timed(ROUNDS.get(name, name), float(str(told["schedule"])), last.get(name))
        for name, told in settings.CELERY_BEAT_SCHEDULE.items()
    ]


def _timed(name: str, seconds: float, last: Any) -> Standing:
    if last is None:
        return Standing(name, False, "never ended a round")
    allowed = max(SILENT, timedelta(seconds=LATE * seconds))
    late = last < timezone.now() - allowed
    return Standing(name, not late, "late" if late else "on time")


def door() -> Standing:
    """Whether the door listens; from another machine or container it may not be seen."""
    path = Path(settings.DOOR_SOCKET)
    if not path.exists():
        return Standing("Door", None, "its socket is not there, or not seen from this process")
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
            line.settimeout(1)
            line.connect(str(path))
    except OSError:
        return Standing("Door", False, "its socket is there, and nobody listens")
    return Standing("Door", True, "listens")


def log() -> Standing:
    """Whether everything recorded is in the log and the log is anchored."""
    try:
        audit_log.check_whole()
        pending = events.pending()
        anchored = Checkpoint.objects.order_by("-size").values_list("size", flat=True).first() or 0
    except AuditError as problem:
        return Standing("Audit log", False, str(problem))
    waits = LogEntry.objects.filter(index=anchored).values_list("at", flat=True).first()
    words = f"{anchored} entries anchored, {pending} waiting to be written"
    return Standing("Audit log", not pending and (waits is None or waits > timezone.now() - SILENT), words)


def outside() -> Iterator[Standing]:
    """Each witness, whether it takes what it is handed, and since when it does not."""
    for one in witnesses.configured():
        seen = receipts.seen(one.name)
        words = seen.problem or (f"holds {seen.size} entries" if seen.at else "was handed nothing yet")
        since = f", since {date(time_of(seen.since), MOMENT)}" if seen.problem and seen.since else ""
        yield Standing(f"{one.name} ({one.kind})", not seen.problem if seen.at or seen.problem else None, words + since)


def standing() -> dict[str, Any]:
    """Everything the page shows."""
    try:
        heard = list(outside())
    except AuditError as problem:
        heard = [Standing("Witnesses", False, str(problem))]
    return {
        "workers": workers(), "unserved": unserved(), "queues": queues(), "unfinished": unfinished(),
        "tasks": timed_tasks(), "parts": [log(), door(), *heard],
        "switches": KillSwitch.objects.filter(lifted_at=None).count(),
    }  # fmt: skip
