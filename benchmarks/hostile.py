"""Proposers that are wrong: mixtures drawn at random, and all records in one cell."""

from __future__ import annotations

import numpy as np

from privacy.values import Domain
from synthesis.loop import Proposal, ProposalPlan

COMPONENTS = 60
SPREAD = {"random": 1.0, "sharp": 0.05}
"""Concentration of the Dirichlet law that a component's chances are drawn from; a small one leaves few codes."""


def plan(kind: str, domain: Domain, *, seed: int) -> ProposalPlan:
    """A whole plan: ``random`` or ``sharp`` components, or ``malicious``, with all mass on one cell."""
    rng = np.random.default_rng(seed)
    if kind == "malicious":
        return ProposalPlan((_at(domain, [int(rng.integers(size)) for size in domain.sizes]),), whole=True)
    drawn = [[rng.dirichlet(np.full(size, SPREAD[kind])) for size in domain.sizes] for _ in range(COMPONENTS)]
    return ProposalPlan(tuple(_component(domain, chances, kind) for chances in drawn), whole=True)


def _at(domain: Domain, cell: list[int]) -> Proposal:
    return _component(domain, [np.eye(size)[code] for size, code in zip(domain.sizes, cell, strict=True)], "one cell")


def _component(domain: Domain, chances: list[np.ndarray[tuple[int], np.dtype[np.float64]]], reason: str) -> Proposal:
    cells = {column: tuple(range(size)) for column, size in zip(domain.columns, domain.sizes, strict=True)}
    told = {column: tuple(each.tolist()) for column, each in zip(domain.columns, chances, strict=True)}
    return Proposal(cells, 1, reason, told)
