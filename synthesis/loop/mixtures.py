"""Mixtures of products over a table's columns: fitted to a public table, and brought to given one-way tables.

A mixture has K shares and, for every column, K rows of probabilities over its codes. Within a component
(a latent class) columns are independent, so every table over any columns is a sum of K products, and a mixture
learned from a few thousand public rows says something of all of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from privacy.values import Axis, Domain, IntArray
from synthesis.llm.base import Proposal, ProposalPlan

FloatArray = NDArray[np.float64]

CLASSES = (1, 4, 8, 15)  # how many classes are tried
FITS = 4  # fits from different starts, averaged: each finds other classes, and together they err less
SMOOTHING = 5.0  # records of the whole table's own kind that every class is given
STEPS = 50
MOST_ROWS = 20_000  # rows that are learned from; more would cost time and tell little
HELD_OUT = 4  # one row in so many judges how many classes to take
ROUNDING = 6  # decimals of a probability, as it is stored


@dataclass(frozen=True, slots=True)
class Mixture:
    """``weights`` (K) and, per column, ``parts`` (K x codes); weights and rows add up to 1."""

    weights: FloatArray
    parts: tuple[FloatArray, ...]

    def margin(self, place: int) -> FloatArray:
        """The one-way table of a column."""
        return np.asarray(self.weights @ self.parts[place])

    def raked(self, targets: list[FloatArray], *, steps: int = 8) -> Mixture:
        """The mixture nearest to this one whose one-way tables are the targets (iterative proportional fitting).

        A factor on a column's codes turns a mixture into a mixture: it changes the column's rows, and the
        components' shares by as much as it favours each of them.
        """
        weights, parts = self.weights, list(self.parts)
        for place in list(range(len(parts))) * steps:
            factor = targets[place] / np.maximum(weights @ parts[place], 1e-12)
            favoured = parts[place] @ factor
            parts[place] = parts[place] * factor / np.maximum(favoured, 1e-12)[:, None]
            weights = weights * favoured / (weights @ favoured)
        return Mixture(weights, tuple(parts))

    def view(self, axis: Axis, domain: Domain) -> FloatArray:
        """Components x bins of the axis."""
        part = self.parts[domain.index(axis.column)]
        return _folded(part, np.asarray(axis.bins)) if axis.bins else part

    def through(self, bins: list[IntArray]) -> Mixture:
        """The same mixture over bins of codes, one map code -> bin a column."""
        return Mixture(self.weights, tuple(_folded(p, view) for p, view in zip(self.parts, bins, strict=True)))


def _folded(part: FloatArray, view: IntArray) -> FloatArray:
    return np.stack([np.bincount(view, row) for row in part])


def learn(codes: IntArray, domain: Domain, *, seed: int = 0) -> ProposalPlan:
    """A plan of one proposal for each latent class of ``codes`` (rows x columns), to be taken as a whole.

    The number of classes is the one under which held-out rows are likeliest. The same rows and seed give
    the same plan. ValueError for an empty table or a code outside the domain.
    """
    sizes = np.asarray(domain.sizes)
    if codes.ndim != 2 or codes.shape[1] != len(sizes) or not len(codes):
        raise ValueError("a reference table has every column of the domain, and at least one row")
    for column, values, size in zip(domain.columns, codes.T, domain.sizes, strict=True):
        if values.min() < 0 or values.max() >= size:
            raise ValueError(f"column {column}: the reference table holds a code outside the declared ones")
    rng = np.random.default_rng(seed)
    rows = codes[rng.permutation(len(codes))[:MOST_ROWS]]
    return _plan(_averaged(_indicator(rows, sizes), sizes, _classes(rows, sizes, seed), seed), domain, len(rows))


def to_json(plan: ProposalPlan) -> dict[str, Any]:
    """A learned plan as plain JSON: the components' weights, and their chances by column."""
    columns = plan.proposals[0].chances
    return {
        "weights": [each.weight for each in plan.proposals],
        "chances": {column: [list(each.chances[column]) for each in plan.proposals] for column in columns},
    }


def from_json(values: Mapping[str, Any], domain: Domain) -> ProposalPlan:
    """The plan behind ``to_json``."""
    chances = [
        {column: tuple(rows[number]) for column, rows in values["chances"].items()}
        for number in range(len(values["weights"]))
    ]
    return _proposals(values["weights"], chances, domain)


def _classes(rows: IntArray, sizes: IntArray, seed: int) -> int:
    """The number of classes under which the rows kept aside are likeliest."""
    aside = len(rows) // HELD_OUT
    if not aside:
        return 1
    kept, judged = _indicator(rows[aside:], sizes), _indicator(rows[:aside], sizes)
    likely = [_log_likelihood(judged, _averaged(kept, sizes, classes, seed)) for classes in CLASSES]
    return CLASSES[int(np.argmax(likely))]


def _averaged(rows: sp.csr_matrix, sizes: IntArray, classes: int, seed: int) -> Mixture:
    fits = [_fit(rows, sizes, classes, seed + number) for number in range(FITS if classes > 1 else 1)]
    weights = np.concatenate([fit.weights for fit in fits]) / len(fits)
    return Mixture(weights, tuple(np.vstack(parts) for parts in zip(*[fit.parts for fit in fits], strict=True)))


def _fit(rows: sp.csr_matrix, sizes: IntArray, classes: int, seed: int) -> Mixture:
    """Expectation maximisation, from random responsibilities."""
    own = _blocks(np.asarray(rows.sum(axis=0), float).ravel()[:, None] + 0.5, sizes)
    whole = SMOOTHING * np.vstack([block / block.sum() for block in own])
    shares = np.random.default_rng(seed).dirichlet(np.full(classes, 0.2), rows.shape[0])
    for _ in range(STEPS):
        found = _maximise(rows, shares, whole, sizes)
        joint = _joint(rows, found)
        shares = np.exp(joint - joint.max(axis=1, keepdims=True))
        shares /= shares.sum(axis=1, keepdims=True)
    return _maximise(rows, shares, whole, sizes)


def _maximise(rows: sp.csr_matrix, shares: FloatArray, whole: FloatArray, sizes: IntArray) -> Mixture:
    counts = _blocks(np.asarray(rows.T @ shares) + whole, sizes)
    weights = shares.sum(axis=0) + 0.5
    return Mixture(weights / weights.sum(), tuple((block / block.sum(axis=0)).T for block in counts))


def _joint(rows: sp.csr_matrix, mixture: Mixture) -> FloatArray:
    """Log weight of every class together with every row."""
    logs = np.log(np.hstack(mixture.parts)).T
    return np.asarray(rows @ logs + np.log(mixture.weights))


def _log_likelihood(rows: sp.csr_matrix, mixture: Mixture) -> float:
    joint = _joint(rows, mixture)
    best = joint.max(axis=1)
    return float((best + np.log(np.exp(joint - best[:, None]).sum(axis=1))).mean())


def _indicator(rows: IntArray, sizes: IntArray) -> sp.csr_matrix:
    """Rows x codes of all columns, a one for each cell."""
    places = (rows + np.concatenate([[0], np.cumsum(sizes)[:-1]])).ravel()
    ends = np.arange(0, rows.size + 1, rows.shape[1])
    return sp.csr_matrix((np.ones(rows.size), places, ends), shape=(len(rows), int(sizes.sum())))


def _blocks(stacked: FloatArray, sizes: IntArray) -> list[FloatArray]:
    return np.split(stacked, np.cumsum(sizes)[:-1])


def _plan(mixture: Mixture, domain: Domain, rows: int) -> ProposalPlan:
    """As proposals, the largest class first; probabilities are rounded, so that they are stored as they are used."""
    order = np.argsort(-mixture.weights, kind="stable").tolist()
    weights = [max(1, round(float(mixture.weights[place]) * rows * FITS)) for place in order]
    chances = [
        {
            column: tuple(np.round(part[place], ROUNDING).tolist())
            for column, part in zip(domain.columns, mixture.parts, strict=True)
        }
        for place in order
    ]
    return _proposals(weights, chances, domain)


def _proposals(
    weights: Sequence[int], chances: Sequence[Mapping[str, tuple[float, ...]]], domain: Domain
) -> ProposalPlan:
    everything = {column: tuple(range(size)) for column, size in zip(domain.columns, domain.sizes, strict=True)}
    told = enumerate(zip(weights, chances, strict=True), start=1)
    return ProposalPlan(
        tuple(Proposal(everything, weight, f"class {n} of the reference table", each) for n, (weight, each) in told),
        whole=True,
    )
