"""The steps of a run, whoever is asked: the door when it happens, the record when it is replayed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from audit.segments import Prompt
from privacy import selectors
from synthesis import envelope, gateway, references, ruling
from synthesis.llm import answers
from synthesis.loop import Iteration, Loop, LoopSettings, ProposalPlan
from synthesis.models import SynthesisRequest
from synthesis.prompts import PromptBuilder, TooLong, missing

DISCREPANCIES_TOLD = 12
PROPOSALS_ASKED = 5
NOTHING = "no proposals"
BESIDE = ("rules", "members")
"""What a run's settings hold beside the loop's own."""
Refusals = tuple[str, ...]
Proposed = tuple[ProposalPlan, Refusals, str]
Ask = Callable[[Prompt, int], bytes]
"""Given a prompt and its number from 1, the answer's bytes; gateway.NoAnswer where every attempt failed."""


@dataclass(frozen=True, slots=True)
class Askers:
    """Who is asked, and who is asked instead where that gave no usable answer."""

    first: Ask
    instead: Ask


@dataclass(frozen=True, slots=True)
class Step:
    """One iteration: its figures, why proposals were not valid, and how the answer went in a few words."""

    done: Iteration
    refused: Refusals
    note: str


def loop_of(request: SynthesisRequest, settings: dict[str, Any]) -> Loop:
    """The request's loop before its first step, from its release, these settings, its seed, rules and reference."""
    release = selectors.released(request.release_key)
    known = LoopSettings.from_json({name: value for name, value in settings.items() if name not in BESIDE})
    rules, supposed = ruling.rules(request), references.supposed(request)
    return Loop.from_release(release, settings=known, seed=request.seed, rules=rules, supposed=supposed)


def steps(loop: Loop, builder: PromptBuilder, askers: Askers) -> Iterator[Step]:
    """Ask and iterate until the released tables are explained within their noise."""
    for number in range(1, envelope.MAX_ITERATIONS + 1):
        plan, refused, note = propose(loop, builder, number, askers)
        yield Step(loop.iterate(plan), refused, note)
        if loop.converged():
            return


def propose(loop: Loop, builder: PromptBuilder, number: int, askers: Askers) -> Proposed:
    """Ask the proposer once: its valid proposals, why others are not valid, and how it went in a few words.

    Without a usable answer the embedded proposer is asked instead, where the request has it so; otherwise the
    iteration goes on with statistics alone.
    """
    found = loop.discrepancies(DISCREPANCIES_TOLD)
    if not found:
        return ProposalPlan(()), (), "no difference is larger than its noise"
    prompt = builder.build(found, iteration=number, proposals=PROPOSALS_ASKED, records=missing(found))
    try:
        prompt = builder.fitting(found, iteration=number, proposals=PROPOSALS_ASKED)
        made = asked(loop, prompt, number, askers.first)
    except (gateway.NoAnswer, TooLong) as problem:
        made = ProposalPlan(()), (), f"no answer: {problem}"
    return made if usable(made) else taken_over(loop, prompt, number, askers.instead, made)


def asked(loop: Loop, prompt: Prompt, number: int, ask: Ask) -> Proposed:
    plan, rejected = answers.parse_completion(ask(prompt, number), loop.domain)
    return plan, rejected, in_words(len(plan.proposals), len(rejected))


def usable(made: Proposed) -> bool:
    """To have nothing to propose is an answer; to have only what is not valid is none."""
    plan, _, note = made
    return bool(plan.proposals) or note == NOTHING


def taken_over(loop: Loop, prompt: Prompt, number: int, instead: Ask, made: Proposed) -> Proposed:
    """The embedded proposer's proposals in the place of an answer that is of no use, which stays told of."""
    _, refused, note = made
    try:
        plan, rejected, words = asked(loop, prompt, number, instead)
    except gateway.NoAnswer:
        return made
    return plan, refused + rejected, f"{note}; the embedded proposer took over: {words}"


def in_words(valid: int, rejected: int) -> str:
    """How an answer went: whether the loop takes a valid proposal in is for the evidence to decide."""
    if not valid and not rejected:
        return NOTHING
    told = f"{valid} valid proposal{'' if valid == 1 else 's'}"
    return f"{told}, {rejected} rejected" if rejected else told
