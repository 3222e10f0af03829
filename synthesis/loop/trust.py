"""Which proposals to believe, and how much: only those that explain what the loop does not.

A proposal's component predicts every released table. It deserves weight as far as mixing it in, while
one-way tables stay as they are, would bring the loop's present tables closer to the released ones. The weights
solve a non-negative least-squares problem over all proposals at once, in units of noise. A proposal that is
left with nothing once three standard deviations of chance agreement are charged gets exactly nothing, however
loudly it is put; once the released tables are explained, no proposal disturbs them; and all proposals
together never take more than a quarter of any bin from component 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import scipy.linalg as linear
from scipy.optimize import nnls

from synthesis.llm.base import Proposal, ProposalPlan
from synthesis.loop.denoising import FloatArray
from synthesis.loop.evidence import Evidence
from synthesis.loop.fit import Fit
from synthesis.loop.sampling import Codes

OUTSIDE = 0.05  # share of a component that follows the one-way table outside its box
CHANCE = 3.0
LEAST, MOST = 1e-3, 0.25  # weight below which a proposal is not worth a component; most of any bin that all may take


@dataclass(frozen=True, slots=True)
class Admission:
    accepted: int
    rejected: tuple[str, ...]


def admit(fit: Fit, plan: ProposalPlan) -> Admission:
    """Take the plan's proposals into the prior, as far as the evidence supports them."""
    proposals, late = plan.proposals[: fit.settings.components], plan.proposals[fit.settings.components :]
    if not proposals:
        return Admission(0, ())
    fit.pool.prior.prune(fit.settings.components - len(proposals), fit.pool.size)
    components = [component(fit, proposal) for proposal in proposals]
    earned = _weights(fit, components)
    asked = np.array([proposal.weight for proposal in proposals]) / fit.total
    weights = fit.pool.prior.limited(components, np.minimum(earned, asked), MOST)
    good = weights >= LEAST
    if good.any():
        fit.pool.take_in([c for c, g in zip(components, good, strict=True) if g], weights[good])
    reasons = {False: "explains nothing of the released tables", True: "adds to what other proposals explain already"}
    rejected = [
        f"{reasons[bool(e >= LEAST)]}: {p.reason}" for p, e, g in zip(proposals, earned, good, strict=True) if not g
    ]
    rejected += [f"more than the prior keeps: {each.reason}" for each in late]
    return Admission(int(good.sum()), tuple(rejected))


def component(fit: Fit, proposal: Proposal) -> list[FloatArray]:
    """Per column, probabilities over the pool's bins: the proposal's chances, or its one-way table, in its box."""
    found = []
    for place, column in enumerate(fit.domain.columns):
        mass = fit.binning.masses[place]
        inside = np.zeros(len(mass))
        codes = list(proposal.cells[column])
        inside[codes] = np.asarray(proposal.chances.get(column, mass))[codes]
        inside = inside if inside.sum() > 0 else mass
        mixed = (1 - OUTSIDE) * inside / inside.sum() + OUTSIDE * mass
        found.append(np.bincount(fit.binning.bins[place], mixed).astype(float))
    return found


def _weights(fit: Fit, components: list[list[FloatArray]]) -> FloatArray:
    """Non-negative weights of the components, before any limit."""
    base = [belief.mass for belief in fit.pool.beliefs]
    gram, pull, squares, cells = np.zeros((len(components),) * 2), np.zeros(len(components)), 0.0, 0
    for table in fit.pool.tables:
        now = table.count(fit.pool.codes).ravel() * fit.pool.scale
        noise = np.sqrt(table.sigma**2 + fit.pool.scale * now)
        moves = [_move(component, base, table) for component in components]
        change = np.stack(moves) * (fit.total / noise)
        residual = (table.target.ravel() - now) / noise
        gram += change @ change.T
        pull += change @ residual
        squares, cells = squares + float(residual @ residual), cells + len(residual)
    chance = CHANCE * math.sqrt(max(squares / max(cells, 1), 1.0)) * np.sqrt(np.diag(gram))
    found = np.zeros(len(components))
    shown = _solve(gram, pull - chance) >= LEAST
    if shown.any():
        found[shown] = _solve(gram[np.ix_(shown, shown)], pull[shown])
    return found


def _solve(gram: FloatArray, pull: FloatArray) -> FloatArray:
    """argmin over w >= 0 of w' gram w / 2 - w' pull."""
    ridge = 1e-9 * max(float(np.trace(gram)), 1.0) * np.eye(len(pull))
    lower = linear.cholesky(gram + ridge, lower=True)
    weights, _ = nnls(lower.T, linear.solve_triangular(lower, pull, lower=True))
    return np.asarray(weights)


def _move(component: list[FloatArray], base: list[FloatArray], table: Evidence) -> FloatArray:
    """How the table changes per weight of the component, while one-way tables stay as they are.

    To first order, component 0 gives up in every column what the component takes; for two columns the move
    is the product of the component's two deviations from the one-way tables.
    """
    ground = _product(base, table.columns, table.maps)
    move = _product(component, table.columns, table.maps) - ground
    for column in table.columns:
        one = [*base[:column], component[column], *base[column + 1 :]]
        move = move - (_product(one, table.columns, table.maps) - ground)
    return move.ravel()


def _product(parts: list[FloatArray], columns: tuple[int, ...], maps: tuple[Codes, ...]) -> FloatArray:
    """The table of a product of columns, on a released table's own bins; adds up to 1."""
    table: FloatArray = np.ones(1)
    for column, view in zip(columns, maps, strict=True):
        table = np.multiply.outer(table, np.bincount(view, parts[column]))
    return np.asarray(table[0])
