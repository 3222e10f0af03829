"""A run: the loop asks, the proposer proposes, statistics correct, until residuals are within noise."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction

from audit import events
from privacy import selectors
from synthesis import (
    draining,
    envelope,
    environment,
    gateway,
    handing,
    jobs,
    packaging,
    packing,
    references,
    relating,
    ruling,
    sharding,
    stepping,
    supposing,
    tabling,
)
from synthesis import selectors as requests
from synthesis.handing import Handover
from synthesis.loop import Iteration, Loop, LoopSettings
from synthesis.models import Job, Package, Run, SynthesisRequest
from synthesis.states import STRUCTURE, Disclosure, JobKind
from synthesis.states import RequestState as S
from synthesis.supposing import Supposed
from synthesis.transitions import SYSTEM, move

log = logging.getLogger(__name__)


def synthesise(request_id: str) -> None:
    """Work the request's job, if it is there to take. Whatever stands in the way pauses the run: it can go on."""
    job = jobs.claim(JobKind.SYNTHESISE, request_id)
    if job is None:
        return
    try:
        carry_out(job)
    except gateway.Refused as refusal:
        pause(job, str(refusal))
    except jobs.LeaseLost:
        log.warning("another worker took over a synthesis")
    except draining.Draining:
        jobs.hand_back(job)
    except Stopped:
        jobs.finish(job, outcome="stopped")
    except Exception as problem:
        log.error("synthesis failed: %s", type(problem).__name__)
        pause(job, f"the synthesis failed ({type(problem).__name__})")


class Stopped(Exception):
    """Somebody ended the run while it was being worked."""


def pause(job: Job, reason: str) -> None:
    with transaction.atomic():
        jobs.finish(job, outcome=reason[:200])
        request = SynthesisRequest.objects.select_for_update().get(pk=job.request_id)
        if request.state == S.SYNTHESISING:
            move(request, "pause", by=SYSTEM, facts={"reason": reason})
            SynthesisRequest.objects.filter(pk=request.pk).update(note=reason)


def beat(job: Job) -> None:
    """Keep the lease, and notice that the run was stopped, or this worker."""
    jobs.heartbeat(job)
    draining.check()
    if not SynthesisRequest.objects.filter(pk=job.request_id, state=S.SYNTHESISING).exists():
        raise Stopped


def carry_out(job: Job) -> None:
    request = job.request
    if request.state != S.SYNTHESISING:  # a message that came twice finds its work done
        jobs.finish(job, outcome="nothing to do")
        return
    with environment.one_thread():
        run = start(request)
        loop, number = iterate(job, run)
        supposed = suppose(job, run, loop, number=number + 1)
        tell(run, "refining", {"rows": request.rows})
        conclude(job, run, loop, supposed)


@transaction.atomic
def start(request: SynthesisRequest) -> Run:
    """The request's run, its environment in the log. A run whose worker died starts over: its inputs fix its output."""
    loop, rules = replace(LoopSettings(), shard_rows=settings.SHARD_ROWS), ruling.in_words(request)
    rules += relating.rules_in_words(request)
    run, _ = Run.objects.get_or_create(request=request)
    run.events.exclude(kind=STRUCTURE).delete()
    run.settings = run.settings or {**asdict(loop), "rules": rules, **relating.settings(request)}
    run.environment = environment.recorded()
    run.save(update_fields=["settings", "environment"])
    # Prompts name their run alone: this entry says whose it is, and under which approved manifest.
    told = {"request": str(request.pk), "run": str(run.pk), "content_hash": request.manifest.content_hash}
    told |= {"environment": run.environment}
    events.record(action="synthesis:run:started", by=SYSTEM, subject=f"run:{run.pk}", facts=told)
    return run


def iterate(job: Job, run: Run) -> tuple[Loop, int]:
    """The loop itself: discrepancies go out, proposals come back, the table is corrected. And its last number."""
    request = run.request
    release, supposed = selectors.released(request.release_key), references.supposed(request)
    loop = stepping.loop_of(request, run.settings)
    tell(run, "started", {"columns": len(release.domain.columns), "tables": len(release.marginals)})
    if supposed is not None:
        opinion = {"trust": round(loop.opinion.trust, 4), "reason": loop.opinion.reason}
        tell(run, "reference", opinion | {"components": len(supposed.proposals)})

    number = 0
    for step in stepping.steps(loop, envelope.builder(request), askers(job, run)):
        beat(job)
        told, number = figures(step.done), step.done.number
        tell(run, "iteration", told | {"rejected": [*step.refused, *told["rejected"]], "note": step.note})
    return loop, number


def suppose(job: Job, run: Run, loop: Loop, *, number: int) -> Supposed | None:
    """The what-if of the request, if it has one: what the model made of the sentence, told on the run's page."""
    found = supposing.suppose(loop, run.request, askers(job, run).first, number=number)
    if found is not None:
        groups = len(found.scenario.groups) if found.scenario else 0
        tell(run, "what_if", {"groups": groups, "rejected": list(found.refused), "note": found.note})
    return found


def askers(job: Job, run: Run) -> stepping.Askers:
    """Both through the gateway: the request's own provider, and the embedded proposer in its place."""

    def through(way: Callable[..., bytes]) -> stepping.Ask:
        return lambda prompt, number: way(run, prompt, sequence=number, beat=lambda: beat(job))

    return stepping.Askers(through(gateway.ask), through(gateway.instead))


def figures(done: Iteration) -> dict[str, Any]:
    """What the live page and the report show of one iteration."""
    return {
        "number": done.number,
        "residual": round(done.residual, 4),
        "tvd2": round(done.tvd2, 5),
        "accepted": done.accepted,
        "rejected": list(done.rejected),
        "cliques": done.cliques,
        "alone": round(done.alone, 4),
    }


def tell(run: Run, kind: str, data: dict[str, Any]) -> None:
    run.tell(kind, data)


def write_table(
    job: Job, run: Run, loop: Loop, folder: Path, supposed: Supposed | None, handover: Handover | None
) -> dict[str, Any]:
    """Write the table, and the one under a what-if beside it, texts included; the report of both."""
    scenario = supposed.scenario if supposed else None
    with ExitStack() as made:
        drawn = None
        if relating.related_of(job.request) is None and sharding.in_shards(loop, job.request.rows):
            shards = sharding.drawn(run, loop, scenario, job.request.rows, beat=lambda: beat(job))
            drawn = made.enter_context(shards)
        writer = tabling.writer(
            job.request, loop, scenario, settings=run.settings, ask=askers(job, run).first, beat=lambda: beat(job),
            drawn=drawn, handover=handover,
        )  # fmt: skip
        return writer.write(folder)


def conclude(job: Job, run: Run, loop: Loop, supposed: Supposed | None) -> None:
    """Write the table, compared with the noised statistics; then its package, or first the check it waits for."""
    request = run.request
    package = Package(run=run, manifest={}, content_hash="")
    folder = packaging.package_folder(str(package.pk))
    handover = handing.Handover(loop.domain) if request.disclosure != Disclosure.NONE else None
    try:
        run.report = write_table(job, run, loop, folder, supposed, handover)
        run.report |= {"iterations": requests.iterations(run)}
        told = supposing.facts(request, supposed) | relating.facts(request, run.report)
        if handover is None:
            packing.pack(job, run, package, told)
        else:
            packing.hand_over(job, run, package, told, handover)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)  # half a package, or one that breaks a rule, is none
        raise
