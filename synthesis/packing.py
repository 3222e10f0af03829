"""From a run's table to its package, which gate C decides on: at once, or once its table was compared with the rows."""

from __future__ import annotations

import logging
import shutil
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from audit import events, keys, package_keys
from privacy import checking, selectors
from synthesis import disclosures, handing, jobs, packaging, references, reusing
from synthesis.hashing import hash_of
from synthesis.models import HandedOver, Job, Package, Run, SynthesisRequest
from synthesis.register import papers
from synthesis.states import JobKind
from synthesis.states import RequestState as S
from synthesis.transitions import SYSTEM, move

log = logging.getLogger(__name__)

UNPROTECTED = ("that this package was made", "when it was made")
"""What a package shows that no noise protects, whatever was asked for."""
FAILED = "the package could not be written"
LEFT_BEHIND = timedelta(days=1)


def hand_over(job: Job, run: Run, package: Package, told: dict[str, Any], handover: handing.Handover) -> None:
    """Leave the table to the measuring worker; its files stay where the package will be."""
    sha256, distinct = handover.write(handing.place(run.pk))
    with transaction.atomic():
        jobs.finish(job, outcome="handed over")
        run.save(update_fields=["report"])
        HandedOver.objects.create(run=run, package=package.pk, sha256=sha256, distinct=distinct, told=told)
        run.tell("comparing", {"mode": run.request.disclosure})
        move(run.request, "compare", by=SYSTEM, facts={"table": sha256})
        jobs.enqueue(run.request, JobKind.COMPARE)


def finish(request_id: str) -> None:
    """Work the request's packing job, if it is there to take: the last part of a run whose table was compared."""
    job = jobs.claim(JobKind.PACK, request_id)
    if job is None:
        return
    try:
        carry_out(job)
    except jobs.LeaseLost:
        log.warning("another worker took over a package")
    except Exception as problem:
        log.error("packing failed: %s", type(problem).__name__)
        if not jobs.postpone(job):
            give_up(job, FAILED)


def carry_out(job: Job) -> None:
    request = job.request
    if request.state != S.COMPARING:
        jobs.finish(job, outcome="nothing to do")
        clear(request)
        return
    run, handed = request.run, request.run.handed_over
    package = Package(pk=handed.package, run=run, manifest={}, content_hash="")
    folder = packaging.package_folder(str(package.pk))
    for path in folder.iterdir():  # what an earlier try left, but the tables
        if path.name not in (*packaging.TABLE, *packaging.SUPPOSED):
            path.unlink()
    pack(job, run, package, handed.told)
    handing.place(run.pk).unlink(missing_ok=True)


def give_up(job: Job, reason: str) -> None:
    """End a run that cannot come to its package. What was charged stays charged."""
    with transaction.atomic():
        jobs.finish(job, outcome=reason[:200])
        request = SynthesisRequest.objects.select_for_update().get(pk=job.request_id)
        if request.state == S.COMPARING:
            move(request, "fail", by=SYSTEM, facts={"reason": reason})
            SynthesisRequest.objects.filter(pk=request.pk).update(note=reason)
    clear(request)


def clear(request: SynthesisRequest) -> None:
    """Remove a table that was never packed."""
    handed = HandedOver.objects.filter(run__request=request).first()
    if handed is not None and not Package.objects.filter(pk=handed.package).exists():
        shutil.rmtree(packaging.package_folder(str(handed.package)), ignore_errors=True)
        handing.place(handed.run_id).unlink(missing_ok=True)


def discard_halves() -> int:
    """Remove the folders that killed workers began and nobody took further; how many.

    Whoever takes a synthesis over begins another one. For a day a folder may be somebody's who is still writing it.
    """
    known = {str(pk) for pk in Package.objects.values_list("pk", flat=True)}
    known |= {str(pk) for pk in HandedOver.objects.values_list("package", flat=True)}
    old = (timezone.now() - LEFT_BEHIND).timestamp()
    halves = [one for one in packaging.folders() if one.name not in known and packaging.changed_at(one) < old]
    for folder in halves:
        shutil.rmtree(folder, ignore_errors=True)
    return len(halves)


def pack(job: Job, run: Run, package: Package, told: dict[str, Any]) -> None:
    """Write everything beside the tables, sign it, and stop before gate C. ``told``: of a what-if."""
    request, key = run.request, package_keys.signing(by=SYSTEM)
    folder = packaging.package_folder(str(package.pk))
    known = facts(request, package) | told
    report = run.report | {"disclosure": known["disclosure"]}
    written = papers.papers(request, known, report)
    package.manifest = packaging.write_package(
        folder, report=report, facts=known, key=key, log_key=keys.public(), papers=written
    )
    package.content_hash = packaging.sha256_of(folder / "manifest.json")
    packaging.settle(folder)
    with transaction.atomic():
        jobs.finish(job, outcome="done")
        Run.objects.filter(pk=run.pk).update(report=report, finished_at=timezone.now())
        package.save(force_insert=True)
        events.record(
            action="synthesis:package:built",
            by=SYSTEM,
            subject=f"run:{run.pk}",
            facts=built(package, key=str(key.public)),
        )
        run.tell("packaged", {"files": len(package.manifest["files"])})
        move(request, "check", by=SYSTEM, facts={"package": str(package.pk), "content_hash": package.content_hash})


def built(package: Package, *, key: str) -> dict[str, Any]:
    """What the log says of a package: the hash gate C approves, those of the files it may hand over, who signed."""
    return {
        "request": str(package.run.request_id),
        "package": str(package.pk),
        "sha256": package.content_hash,
        "files": {file["name"]: file["sha256"] for file in package.manifest["files"]},
        "disclosure": package.manifest["disclosure"]["mode"],
        "one_steward": package.manifest["one_steward"],
        "key": key,
        "end_to_end": package.manifest["privacy"]["end_to_end"],
    }


def facts(request: SynthesisRequest, package: Package) -> dict[str, Any]:
    """What the package says of itself: declared or released facts only."""
    release = selectors.released(request.release_key)
    checked = checking.spent(str(request.pk))
    epsilon = selectors.epsilon_of(request.release_key, delta=request.delta, beside=checked)
    return {
        "package": str(package.pk),
        "request": str(request.pk),
        "title": request.title,
        "dataset": selectors.title(request.dataset),
        "rows": request.rows,
        "privacy": {
            "unit": selectors.unit_in_words(request.dataset),
            "neighbours": release.unit.neighbours,
            "rho": str((release.rho + checked).normalize()),
            "epsilon": f"{epsilon.normalize():f}",
            "delta": f"{request.delta.normalize():f}",
            "end_to_end": disclosures.is_end_to_end(request),
            "found": sorted(selectors.columns(request.dataset, release=request.release_key).found),
        },
        "disclosure": disclosures.facts(request),
        "unprotected_quantities": [*UNPROTECTED, *disclosures.unprotected(request)],
        "proposer": request.proposer,
        "reference": references.facts_of(request),
        "one_steward": request.waiver.as_json() if request.waiver else None,
        "measured_under": reusing.measured_under(request),
        "release": release.id,
        "manifest_of_egress": request.manifest.content_hash,
        "settings": hash_of(request.run.settings),
        "rules": [rule["rule"] for rule in request.run.settings["rules"]],
        "seed": str(request.seed),
        "made_at": timezone.now().isoformat(timespec="seconds"),
    }
