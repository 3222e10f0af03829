"""The queue: rows that workers claim under a lease, and messages that only say 'look at the rows'."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from audit import messages
from synthesis.models import Job, SynthesisRequest
from synthesis.states import JobKind

TASKS = {
    JobKind.STRUCTURE: "llmsynthor_site.tasks.structure",
    JobKind.MEASURE: "llmsynthor_site.tasks.measure",
    JobKind.SYNTHESISE: "llmsynthor_site.tasks.synthesise",
    JobKind.COMPARE: "llmsynthor_site.tasks.compare",
    JobKind.PACK: "llmsynthor_site.tasks.pack",
}

MOST_CLAIMS = 5
POSTPONED_SECONDS = 20


class LeaseLost(Exception):
    """Another worker holds the job now; whoever sees this must stop without writing anything more."""


def enqueue(request: SynthesisRequest, kind: JobKind) -> Job:
    """Put a job on the queue, or reopen the request's earlier one, and kick a worker after the commit."""
    reopened = {"leased_until": None, "done_at": None, "outcome": ""}
    job, _ = Job.objects.update_or_create(request=request, kind=kind, defaults=reopened)
    transaction.on_commit(lambda: kick(job))
    return job


def kick(job: Job) -> None:
    """Tell the workers. A message that is lost, or cannot be sent at all, costs only time: the sweeper kicks again."""
    messages.tell(TASKS[JobKind(job.kind)], job.request_id)


def _open_jobs() -> Q:
    now = timezone.now()
    return Q(done_at=None) & (Q(leased_until=None) | Q(leased_until__lt=now))


@transaction.atomic
def claim(kind: JobKind, request_id: str) -> Job | None:
    """Take the request's job under a lease, or None when it is done or another worker holds it."""
    mine = Q(kind=kind, request_id=UUID(str(request_id)))
    waiting = Job.objects.select_for_update(skip_locked=True).filter(_open_jobs(), mine)
    job = waiting.first()
    if job is not None:
        job.leased_until = timezone.now() + timedelta(seconds=settings.JOB_LEASE_SECONDS)
        job.fencing_token += 1
        job.save(update_fields=["leased_until", "fencing_token"])
    return job


def _held(job: Job) -> Q:
    return Q(pk=job.pk, fencing_token=job.fencing_token, done_at=None)


def heartbeat(job: Job, *, quiet: float = 0.0) -> None:
    """Prolong the lease; raises LeaseLost when another worker has claimed the job meanwhile.

    ``quiet``: seconds that may pass before the next of these although all is well, beyond a lease.
    """
    until = timezone.now() + timedelta(seconds=settings.JOB_LEASE_SECONDS + quiet)
    if not Job.objects.filter(_held(job)).update(leased_until=until):
        raise LeaseLost(job.kind)


def postpone(job: Job) -> bool:
    """Give the job back for another try in a while; False, leaving it, once it was claimed often enough.

    The sweeper kicks it when the while is over. LeaseLost when another worker holds it.
    """
    if job.fencing_token >= MOST_CLAIMS:
        return False
    until = timezone.now() + timedelta(seconds=POSTPONED_SECONDS)
    if not Job.objects.filter(_held(job)).update(leased_until=until):
        raise LeaseLost(job.kind)
    return True


def hand_back(job: Job) -> None:
    """Leave the job to whoever comes next, at once. LeaseLost when another worker holds it already."""
    if not Job.objects.filter(_held(job)).update(leased_until=None):
        raise LeaseLost(job.kind)
    kick(job)


def finish(job: Job, *, outcome: str) -> None:
    done = Job.objects.filter(_held(job)).update(done_at=timezone.now(), outcome=outcome, leased_until=None)
    if not done:
        raise LeaseLost(job.kind)


def sweep() -> int:
    """Kick some jobs of each kind that wait or whose worker fell silent; returns how many."""
    waiting = Job.objects.filter(_open_jobs()).order_by("pk")
    stale = [job for kind in JobKind for job in messages.some(waiting.filter(kind=kind))]
    for job in stale:
        kick(job)
    return len(stale)
