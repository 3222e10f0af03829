"""The what-if step of a run: put the sentence before the model once the fit stands, and take what it supposes.

It comes after the loop and changes nothing of it: the table without the what-if is the one that the request would
give without its sentence. Nobody takes over here: the embedded proposer cannot read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from audit.segments import Prompt
from privacy import selectors
from privacy.values import Clique
from synthesis import envelope, gateway, what_if
from synthesis.llm import answers
from synthesis.loop import Loop, Reach, Scenario
from synthesis.models import SynthesisRequest
from synthesis.packaging import SUPPOSED, TABLE
from synthesis.prompts import PromptBuilder, TooLong
from synthesis.scenario_prompts import scenario_prompt
from synthesis.stepping import PROPOSALS_ASKED, Ask, in_words


@dataclass(frozen=True, slots=True)
class Supposed:
    """``scenario`` is None where the sentence moves nothing; ``refused`` are proposals that were of no use, and why;
    ``note`` tells how the answers went.
    """

    scenario: Scenario | None
    refused: tuple[str, ...]
    note: str


def suppose(loop: Loop, request: SynthesisRequest, ask: Ask, *, number: int) -> Supposed | None:
    """Ask with this number, and the next where the answer is of no use; None for a request without a sentence."""
    if not request.what_if:
        return None
    reach, refused, notes = Reach(**request.manifest.body["what_if"]), [], []
    try:
        prompt = prompt_of(loop, request)
        for question in range(envelope.SCENARIO_QUESTIONS):
            plan, rejected = answers.parse_completion(ask(prompt, number + question), loop.domain)
            scenario = loop.suppose(plan, reach)
            refused += [*rejected, *scenario.rejected]
            notes.append(in_words(len(scenario.groups), len(rejected) + len(scenario.rejected)))
            if scenario.groups:
                return Supposed(scenario, tuple(refused), "; ".join(notes))
    except (gateway.NoAnswer, TooLong) as problem:
        notes.append(f"no answer: {problem}")
    return Supposed(None, tuple(refused), "; ".join(notes))


def prompt_of(loop: Loop, request: SynthesisRequest) -> Prompt:
    builder: PromptBuilder = envelope.builder(request)
    counts = {name: loop.expected(Clique.of(name)).tolist() for name in loop.domain.columns}
    (approved,) = request.manifest.body["free_text"]
    sentence = what_if.segment(approved["text"], approved["approval"])
    return scenario_prompt(builder, counts, sentence, total=loop.total, most=PROPOSALS_ASKED)


def groups_in_words(scenario: Scenario, columns: Any) -> list[dict[str, Any]]:
    """Each group as people read it: labels of the values it holds, the model's reason, and its shares."""
    told = []
    for at, group in enumerate(scenario.groups):
        shares = {name: round(float(getattr(scenario, name)[at]), 5) for name in ("before", "asked", "after")}
        told.append({"group": _in_words(group.cells, scenario, columns), "reason": group.reason, **shares})
    return told


def _in_words(cells: Any, scenario: Scenario, columns: Any) -> dict[str, list[str]]:
    narrowed = {name: codes for name, codes in cells.items() if len(codes) < scenario.domain.size(name)}
    return {name: [columns.labels(name)[code] for code in codes] for name, codes in narrowed.items()}


def facts(request: SynthesisRequest, supposed: Supposed | None) -> dict[str, Any]:
    """What a package says of its what-if: the sentence and its author, what came of it, and which table is which."""
    if supposed is None:
        return {"what_if": None}
    scenario, (approved,) = supposed.scenario, request.manifest.body["free_text"]
    told: dict[str, Any] = {
        "sentence": approved["text"],
        "by": approved["by"],
        "applied": scenario is not None,
        "note": supposed.note,
        "reach": request.manifest.body["what_if"],
        "files": {"as_the_statistics_say": list(TABLE), "under_the_what_if": list(SUPPOSED) if scenario else []},
    }
    if scenario is not None:
        columns = selectors.columns(request.dataset, release=request.release_key)
        told |= {"groups": groups_in_words(scenario, columns), "divergence": round(scenario.divergence, 5)}
    return {"what_if": told}
