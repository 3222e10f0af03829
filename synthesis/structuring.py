"""Before anything is measured: the language model is asked which columns belong together, and what it said is frozen.

The question goes out as every prompt does, as step 0 of the request's run, within what gate A approved. Whatever comes
of it, measuring follows, with hints or without; only a request that was withdrawn ends here.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from django.db import transaction
from django.utils import timezone

from audit import events
from audit.models import PromptRecord
from privacy import selectors
from privacy.plans import MeasurementPlan
from privacy.rule_suggestions import Fit
from synthesis import gateway, jobs, structure_envelope, suggestions
from synthesis.hashing import hash_of
from synthesis.llm import structures
from synthesis.llm.answers import Rejected
from synthesis.llm.structures import Structure
from synthesis.models import Inference, Job, Run, SynthesisRequest
from synthesis.states import STRUCTURE, JobKind
from synthesis.states import RequestState as S
from synthesis.transitions import SYSTEM

log = logging.getLogger(__name__)
STEP = 0
"""The number of this question among a run's prompts; those of the loop count from 1."""
ENDED = "the request was withdrawn"


class Withdrawn(Exception):
    """Whoever asked took the request back meanwhile."""


def carry_out(request_id: str) -> None:
    """Work the request's job, if it is there to take."""
    job = jobs.claim(JobKind.STRUCTURE, request_id)
    if job is None:
        return
    try:
        infer(job)
    except jobs.LeaseLost:
        log.warning("another worker took over a question about columns")


def infer(job: Job) -> None:
    """Ask, and write down what came of it; nothing that goes wrong here keeps a request from being measured."""
    request = job.request
    if request.state != S.STRUCTURING and not hasattr(request, "run"):
        jobs.finish(job, outcome="nothing to do")
        return
    run = begin(request)
    if run.inference.finished_at is not None:
        jobs.finish(job, outcome="nothing to do")
        return
    try:
        conclude(job, run, *asked(job, run))
    except (gateway.NoAnswer, gateway.Refused, Rejected) as reason:
        conclude(job, run, Structure(), str(reason))
    except Withdrawn:
        conclude(job, run, Structure(), ENDED)
    except jobs.LeaseLost:
        raise
    except Exception as problem:
        log.error("a question about columns failed: %s", type(problem).__name__)
        conclude(job, run, Structure(), f"the question failed ({type(problem).__name__})")


@transaction.atomic
def begin(request: SynthesisRequest) -> Run:
    """The request's run and the place of the answer; the log says so before anything leaves."""
    run, _ = Run.objects.get_or_create(request=request)
    _, new = Inference.objects.get_or_create(run=run)
    if new:
        facts = {"request": str(request.pk), "run": str(run.pk), "content_hash": request.content_hash,
                 "prompt_sha256": request.snapshot["structure"]["prompt_sha256"]}  # fmt: skip
        events.record(action="synthesis:run:structuring", by=SYSTEM, subject=f"run:{run.pk}", facts=facts)
    return run


def beat(job: Job) -> None:
    """Keep the lease, and notice that the request was withdrawn."""
    jobs.heartbeat(job)
    if not SynthesisRequest.objects.filter(pk=job.request_id, state=S.STRUCTURING).exists():
        raise Withdrawn


def asked(job: Job, run: Run) -> tuple[Structure, str]:
    """What the model said, as far as it holds; Rejected where none of it does."""
    beat(job)
    question = structure_envelope.question(run.request)
    answer = gateway.ask(run, question.prompt(), sequence=STEP, beat=lambda: beat(job))
    return understood(answer, run.request), ""


def understood(answer: bytes, request: SynthesisRequest) -> Structure:
    """The valid part of an answer; the same answer always gives the same."""
    return structures.parse_completion(answer, selectors.domain(request.dataset).columns)


def conclude(job: Job, run: Run, found: Structure, problem: str) -> None:
    """Try the suggested rules against the declaration, which may take a while, and then write everything down."""
    rules, unfit = suggestions.understood(run.request, found.rules)
    write_down(job, run, found, problem, rules, structures.counted(found.rejected) + unfit)


@transaction.atomic
def write_down(
    job: Job, run: Run, found: Structure, problem: str, rules: Sequence[Fit], rejected: Sequence[str]
) -> None:
    """Freeze the answer, say in the log what it was, and have the request measured unless it was withdrawn."""
    jobs.finish(job, outcome=problem[:200] or "done")
    request = SynthesisRequest.objects.select_for_update().get(pk=run.request_id)
    hints, words = [list(hint) for hint in found.hints], problem[:200]
    kept = {"hints": hints, "content_hash": hash_of(hints), "problem": words,
            "rejected": list(rejected), "finished_at": timezone.now()}  # fmt: skip
    Inference.objects.filter(run=run).update(**kept)
    told = {"hints": hints, "rules": len(rules), "rejected": kept["rejected"], "problem": words}
    facts = {"request": str(request.pk), "run": str(run.pk), "calls": calls(run), "hints_sha256": kept["content_hash"],
             "rules": len(rules), "rules_sha256": suggestions.keep(request, rules)}  # fmt: skip
    events.record(action="synthesis:run:structured", by=SYSTEM, subject=f"run:{run.pk}", facts=facts | told)
    run.tell(STRUCTURE, told)
    if request.state == S.STRUCTURING:
        jobs.enqueue(request, JobKind.MEASURE)


def calls(run: Run) -> int:
    """How many intents the question took."""
    return PromptRecord.objects.filter(run=str(run.pk), sequence=STEP).exclude(intent_index=None).count()


def plan_of(request: SynthesisRequest) -> MeasurementPlan:
    """The plan that gate A approved, with what the model said where it was asked; ValueError where that was changed."""
    plan = MeasurementPlan.from_json(request.snapshot["plan"])
    if request.snapshot.get("structure") is None:
        return plan
    inference = request.run.inference
    if inference.finished_at is None or hash_of(inference.hints) != inference.content_hash:
        raise ValueError("the hints are not those that were frozen")
    return replace(plan, hints=tuple(map(tuple, inference.hints)))


def facts_of(request: SynthesisRequest) -> dict[str, Any]:
    """What the log says of the hints when privacy loss is reserved for their plan; nothing where none were asked."""
    asked_for = request.snapshot.get("structure") is not None
    return {"hints_sha256": request.run.inference.content_hash} if asked_for else {}
