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
from django.utils import timezone

from audit import events, keys
from privacy import selectors
from synthesis import (
    envelope,
    environment,
    gateway,
    jobs,
    packaging,
    references,
    ruling,
    sharding,
    stepping,
    supposing,
    tabling,
)
from synthesis import selectors as requests
from synthesis.hashing import hash_of
from synthesis.loop import Iteration, Loop, LoopSettings
from synthesis.models import Job, Package, Run, SynthesisRequest
from synthesis.register import papers
from synthesis.states import STRUCTURE, JobKind
from synthesis.states import RequestState as S
from synthesis.supposing import Supposed
from synthesis.transitions import SYSTEM, move

log = logging.getLogger(__name__)

UNPROTECTED = ("that this package was made", "when it was made")
"""What a package shows that no noise protects. No check against the true rows is among it: none is made."""


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
    """Keep the lease, and notice that the run was stopped."""
    jobs.heartbeat(job)
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
    loop = replace(LoopSettings(), shard_rows=settings.SHARD_ROWS)
    run, _ = Run.objects.get_or_create(request=request)
    run.events.exclude(kind=STRUCTURE).delete()
    run.settings = run.settings or {**asdict(loop), "rules": ruling.in_words(request)}
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


def write_table(job: Job, run: Run, loop: Loop, folder: Path, supposed: Supposed | None) -> dict[str, Any]:
    """Write the table, and the one under a what-if beside it, texts included; the report of both."""
    scenario = supposed.scenario if supposed else None
    with ExitStack() as made:
        drawn = None
        if sharding.in_shards(loop, job.request.rows):
            shards = sharding.drawn(run, loop, scenario, job.request.rows, beat=lambda: beat(job))
            drawn = made.enter_context(shards)
        ask = askers(job, run).first
        writer = tabling.Writer(job.request, loop, scenario, ask=ask, beat=lambda: beat(job), drawn=drawn)
        return writer.write(folder)


def conclude(job: Job, run: Run, loop: Loop, supposed: Supposed | None) -> None:
    """Write the table, checked against the noised statistics, and its package, and stop before gate C."""
    request = run.request
    package = Package(run=run, manifest={}, content_hash="")
    folder = packaging.package_folder(str(package.pk))
    try:
        report = write_table(job, run, loop, folder, supposed) | {"iterations": requests.iterations(run)}
        told, key = facts(request, package) | supposing.facts(request, supposed), keys.signing()
        written = papers.papers(request, told, report)
        package.manifest = packaging.write_package(folder, report=report, facts=told, key=key, papers=written)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)  # half a package, or one that breaks a rule, is none
        raise
    package.content_hash = packaging.sha256_of(folder / "manifest.json")
    with transaction.atomic():
        jobs.finish(job, outcome="done")
        Run.objects.filter(pk=run.pk).update(report=report, finished_at=timezone.now())
        package.save(force_insert=True)
        events.record(action="synthesis:package:built", by=SYSTEM, subject=f"run:{run.pk}", facts=built(package))
        tell(run, "packaged", {"files": len(package.manifest["files"])})
        move(request, "check", by=SYSTEM, facts={"package": str(package.pk), "content_hash": package.content_hash})


def built(package: Package) -> dict[str, Any]:
    """What the log says of a package: the hash gate C approves, and those of the files it may hand over."""
    return {
        "request": str(package.run.request_id),
        "package": str(package.pk),
        "sha256": package.content_hash,
        "files": {file["name"]: file["sha256"] for file in package.manifest["files"]},
        "one_steward": package.manifest["one_steward"],
    }


def facts(request: SynthesisRequest, package: Package) -> dict[str, Any]:
    """What the package says of itself: declared or released facts only."""
    release = selectors.released(request.release_key)
    return {
        "package": str(package.pk),
        "request": str(request.pk),
        "title": request.title,
        "dataset": selectors.title(request.dataset),
        "rows": request.rows,
        "privacy": {
            "unit": selectors.unit_in_words(request.dataset),
            "neighbours": release.unit.neighbours,
            "rho": str(release.rho.normalize()),
            "epsilon": f"{selectors.epsilon_of(request.release_key, delta=request.delta).normalize():f}",
            "delta": f"{request.delta.normalize():f}",
            "found": sorted(selectors.columns(request.dataset, release=request.release_key).found),
        },
        "unprotected_quantities": list(UNPROTECTED),
        "proposer": request.proposer,
        "reference": references.facts_of(request),
        "one_steward": request.waiver.as_json() if request.waiver else None,
        "release": release.id,
        "manifest_of_egress": request.manifest.content_hash,
        "settings": hash_of(request.run.settings),
        "rules": [rule["rule"] for rule in request.run.settings["rules"]],
        "seed": str(request.seed),
        "made_at": timezone.now().isoformat(timespec="seconds"),
    }
