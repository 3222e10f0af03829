"""Hints as a language model would give them before measuring: the product's prompt and parser, a stand-in between."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from audit.rendering import render
from privacy.plans import MeasurementPlan
from privacy.values import Domain, IntArray
from synthesis.llm import structures as answers
from synthesis.manners import EMBEDDED
from synthesis.structure_prompts import Question
from tests.fakes import structures

KINDS: dict[str, Callable[[structures.Columns], structures.Answer]] = {
    "random": structures.random_pairs, "malicious": structures.malicious,
}  # fmt: skip
KNOWING: dict[str, Callable[[IntArray, structures.Columns], structures.Answer]] = {
    "informed": structures.informed, "misinformed": structures.misinformed,
}  # fmt: skip
"""Those that answer from a table of codes: what depends on what most, and what least."""


@dataclass(frozen=True)
class Coded:
    """A declared column of which nothing is public."""

    name: str
    kind: str = "string"
    labels: tuple[str, ...] = ()
    public: bool = False


def told(plan: MeasurementPlan, kind: str, domain: Domain, known: IntArray | None) -> MeasurementPlan:
    """The plan with the hints that a stand-in of this kind gives about columns it is told by code alone."""
    columns = tuple(Coded(name) for name in domain.columns)
    body = render(Question(columns, "benchmark", "benchmark", EMBEDDED).prompt())
    answer = partial(KNOWING[kind], known) if known is not None and kind in KNOWING else KINDS[kind]
    _, reply = answer(structures.columns_of(body) or [])
    return replace(plan, hints=answers.parse_completion(reply, domain.columns).hints)
