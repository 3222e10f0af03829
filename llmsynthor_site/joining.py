"""Where measuring meets the loop: the only place that gives the vault's worker a model to ask.

Adaptive measuring needs the loop's expectations, and the loop may not see the vault; here the two are
introduced, and only released noisy tables pass between them.
"""

from __future__ import annotations

import logging
from decimal import Decimal
from functools import partial
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import OperationalError, transaction

from audit import events
from privacy import disclosing, ledger, measuring, reuse, selectors, services
from privacy.errors import NO_VERSION, ROWS_GONE, AlreadyMeasuring, NotReady, TryAgain
from privacy.models import LedgerEntry, ReleaseRecord
from privacy.values import Domain
from synthesis import disclosures, envelope, jobs, references, reusing, structuring
from synthesis.loop import Loop, LoopSettings
from synthesis.models import Job, SynthesisRequest
from synthesis.states import JobKind
from synthesis.states import RequestState as S
from synthesis.transitions import SYSTEM, NotNow, move

log = logging.getLogger(__name__)


class Ended(Exception):
    """The request cannot be measured; the message is safe to show to everyone."""


def measure(request_id: str) -> None:
    """Work the request's measuring job, if it is there to take."""
    job = jobs.claim(JobKind.MEASURE, request_id)
    if job is None:
        return
    events.flush()  # the approval is in the log before anything follows from it
    try:
        carry_out(job)
    except (jobs.LeaseLost, AlreadyMeasuring):
        log.warning("another worker holds a measurement")
    except (Ended, NotReady) as reason:
        give_up(job, str(reason))
    except NotNow:  # it was withdrawn at the last moment
        return_untouched(job.request_id)
        jobs.finish(job, outcome="withdrawn")
    except (OperationalError, TryAgain) as problem:
        # Trying again measures nothing twice: a release is claimed once, and only an untouched one is handed back.
        log.warning("the database could not be reached: %s", type(problem).__name__)
        if not jobs.postpone(job):
            give_up(job, "the database could not be reached")
    except Exception as problem:
        # The exact stage's own words never leave it: they could quote a value.
        log.error("measuring failed: %s", type(problem).__name__)
        give_up(job, stopped_by(job))


def stopped_by(job: Job) -> str:
    """Why a release ended, as far as that is known to everybody: the exact stage itself tells nothing."""
    opened = ReleaseRecord.objects.filter(key=str(job.request_id)).select_related("version").first()
    return "measuring stopped" if opened is None or opened.version.measurable else ROWS_GONE


def give_up(job: Job, reason: str) -> None:
    return_untouched(job.request_id)
    with transaction.atomic():
        jobs.finish(job, outcome=reason[:200])
        request = SynthesisRequest.objects.select_for_update().get(pk=job.request_id)
        move(request, "fail", by=SYSTEM, facts={"reason": reason})
        SynthesisRequest.objects.filter(pk=request.pk).update(note=reason)


def return_untouched(request_id: object) -> None:
    """Give reservations back that no step was ever charged to: no row was touched on their account."""
    disclosing.give_back(str(request_id))
    if measuring.abandon(str(request_id)):
        return
    reservation = LedgerEntry.objects.filter(key=f"reserve:{request_id}").first()
    if reservation is not None and not reservation.charges.exists():
        ledger.release_reserve(reservation=reservation, by=SYSTEM)


def carry_out(job: Job) -> None:
    request = job.request
    if request.state == S.APPROVED and request.reused_id is not None:
        use_again(job, request, request.reused_id)
        return
    if request.state in (S.APPROVED, S.STRUCTURING):
        reserve(request)
    if request.state == S.RESERVED:
        move(request, "measure", by=SYSTEM)
    if request.state == S.MEASURING:
        release_statistics(job, request)
    else:
        jobs.finish(job, outcome="nothing to do")


def use_again(job: Job, request: SynthesisRequest, release: UUID) -> None:
    """Take statistics that were released before: neither the vault nor the ledger is asked for anything."""
    with transaction.atomic():
        try:
            reusing.payer(request.dataset, release)
            record = reuse.reuse_release(dataset=request.dataset, release_id=str(release), key=str(request.pk))
        except (NotReady, ValidationError) as refused:
            raise Ended("; ".join(getattr(refused, "messages", [str(refused)]))) from None
        jobs.finish(job, outcome="done")
        hold(request, record.pk)
        move(request, "reuse", by=SYSTEM, facts={"release": str(record.pk)})
        envelope.draw_up(request)


def hold(request: SynthesisRequest, release: UUID) -> None:
    SynthesisRequest.objects.filter(pk=request.pk).update(release_id=release)
    request.release_id = release


def reserve(request: SynthesisRequest) -> None:
    """Set the asked privacy loss aside, if the population's cap still has it; OpenDP checks the price."""
    searching = structuring.plan_of(request).discovery_delta
    spent_as = measuring.epsilon_of(rho=request.rho, delta=request.delta - searching)
    if spent_as > request.epsilon:
        raise Ended("the price of this request does not keep the epsilon it promises")
    if not selectors.is_ready(request.dataset):
        raise Ended(NO_VERSION)
    try:
        rho = release_rho(request)
        ledger.reserve(dataset=request.dataset, rho=rho, delta=searching, key=str(request.pk), by=SYSTEM)
        if checked := disclosures.rho_of(request):
            disclosing.reserve(dataset=request.dataset, rho=checked, key=str(request.pk))
    except ledger.CapExceeded:
        raise Ended("the population's cap has less privacy loss left than this request asks for") from None
    move(request, "reserve", by=SYSTEM, facts={"rho": str(request.rho.normalize()), **structuring.facts_of(request)})


def release_rho(request: SynthesisRequest) -> Decimal:
    """What of the request's loss its release may spend: all but the part of a charged check."""
    return request.rho - disclosures.rho_of(request)


def release_statistics(job: Job, request: SynthesisRequest) -> None:
    """Measure with the loop as the model, then draw up what gate B has to approve."""
    dataset = selectors.dataset(request.dataset_id)
    plan, rules = structuring.plan_of(request), selectors.rules(dataset)
    supposed = references.supposed(request)
    record = services.open_release(dataset=dataset, rho=release_rho(request), plan=plan, key=str(request.pk))

    def loop(domain: Domain) -> Loop:
        """The domain is known once categories are found, so the loop begins there."""
        return Loop(domain, settings=LoopSettings(), seed=request.seed, rules=rules, supposed=supposed)

    alive = partial(jobs.heartbeat, job, quiet=measuring.tick_seconds(plan, record))
    alive()
    measuring.run(plan, loop, release=record, beat=alive)
    with transaction.atomic():
        jobs.finish(job, outcome="done")
        hold(request, record.pk)
        move(request, "measured", by=SYSTEM, facts={"release": str(record.pk)})
        envelope.draw_up(request)
