"""Where a finished synthetic table meets the rows it came from: the other place that uses the vault's worker.

Synthesis leaves the table's distinct records in a file; the measuring worker reads that and the vault, and what comes
out is two counts, charged and noised or for stewards alone. Packing goes on in the other worker.
"""

from __future__ import annotations

import logging
from functools import partial

from django.db import OperationalError, transaction

from privacy import disclosing
from privacy.errors import AlreadyMeasuring, NotReady, PrivacyError, TryAgain
from privacy.models import ReleaseRecord
from privacy.selectors import shapes
from synthesis import handing, jobs, packing
from synthesis.models import Job
from synthesis.states import Disclosure, JobKind
from synthesis.states import RequestState as S

log = logging.getLogger(__name__)
FAILED = "the disclosure check stopped"


def compare(request_id: str) -> None:
    """Work the request's comparing job, if it is there to take."""
    job = jobs.claim(JobKind.COMPARE, request_id)
    if job is None:
        return
    try:
        carry_out(job)
    except (jobs.LeaseLost, AlreadyMeasuring):
        log.warning("another worker holds a check")
    except (OperationalError, TryAgain) as problem:
        log.warning("the database could not be reached: %s", type(problem).__name__)
        if not jobs.postpone(job):
            give_up(job, "the database could not be reached")
    except (handing.NotHandedOver, NotReady) as problem:
        give_up(job, str(problem))
    except Exception as problem:
        # The exact stage's own words never leave it: they could quote a value.
        log.error("a check failed: %s", type(problem).__name__)
        give_up(job, FAILED)


def carry_out(job: Job) -> None:
    """Compare, and have the package written. The check is found finished where an earlier worker died after it."""
    request = job.request
    if request.state != S.COMPARING:
        jobs.finish(job, outcome="nothing to do")
        return
    release, handed = ReleaseRecord.objects.get(pk=request.release_key), request.run.handed_over
    approved, charged = request.snapshot["disclosure"], request.disclosure == Disclosure.CHARGED
    records = handing.read(handing.place(request.run.pk), sha256=handed.sha256, domain=shapes(release))
    check = disclosing.open_check(
        release=release, key=str(request.pk), table=handed.sha256, radius=approved["radius"], charged=charged
    )
    alive = partial(jobs.heartbeat, job, quiet=disclosing.tick_seconds(check, records))
    alive()
    disclosing.run(check, records, beat=alive)
    with transaction.atomic():
        jobs.finish(job, outcome="done")
        jobs.enqueue(request, JobKind.PACK)


def give_up(job: Job, reason: str) -> None:
    """End the run: what the check was charged stays charged, and what it only reserved is given back."""
    try:
        disclosing.give_back(str(job.request_id))
    except PrivacyError as problem:
        log.error("a reservation stays open: %s", type(problem).__name__)
    packing.give_up(job, reason)
