"""How well a synthetic table agrees with the *noised* statistics it was made from.

The true statistics are never looked at again, so nothing here costs privacy loss. Fitting the fitted
flatters; that is why each table is shown as residual over noise, not as an error.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from privacy.validity import Zero
from privacy.values import Domain, HardRule, IntArray, NoisyMarginal, Release
from synthesis.report import columns, purpose, sampling
from synthesis.report.columns import Labels

FloatArray = NDArray[np.float64]


class RuleBroken(Exception):
    """A synthetic record broke a hard rule."""


class Check:
    """Counts a synthetic table shard by shard, then says how it agrees with its release and its rules."""

    def __init__(self, release: Release, rules: Sequence[HardRule] = ()) -> None:
        self.release, self.rules = release, tuple(rules)
        self._zeros = [Zero.of(rule, release.domain) for rule in rules]
        self._broken = [0] * len(self.rules)
        self._counts = [np.zeros(marginal.clique.shape(release.domain)) for marginal in release.marginals]
        self._held = [np.zeros(marginal.clique.shape(release.domain)) for marginal in release.held]
        self._rows = 0

    def add(self, records: IntArray) -> None:
        """Take a shard (records x columns) into account."""
        self._rows += len(records)
        self._broken = [
            before + int(np.count_nonzero(~zero.keeps(records.T)))
            for before, zero in zip(self._broken, self._zeros, strict=True)
        ]
        for counts, marginal in zip((*self._counts, *self._held), self.every, strict=True):
            counts += synthetic_counts(records, marginal, self.release.domain)

    @property
    def every(self) -> tuple[NoisyMarginal, ...]:
        """The tables that the loop had, then those held back from it."""
        return (*self.release.marginals, *self.release.held)

    @property
    def violations(self) -> int:
        """How often a record broke a hard rule. It must be 0, or nothing of the table may leave."""
        return sum(self._broken)

    def report(self, labels: Labels, targets: Sequence[str] = ()) -> dict[str, Any]:
        """Every released table's check, worst first, their means by number of columns, and the rules kept.

        Each column is told value by value under the names that ``labels`` gives, each of ``targets`` with every other.
        """
        total = noisy_total(self.release)
        scaled = [counts * total / self._rows for counts in self._counts]
        pairs = list(zip(scaled, self.release.marginals, strict=True))
        tables = [table_check(counts, marginal, total, self._rows) for counts, marginal in pairs]
        tables.sort(key=lambda one: -one["residual_over_sigma"])
        return self._told(tables) | {
            "columns": columns.columns(pairs, total, self._rows, labels),
            "held_back": self.held_back(total),
            "targets": purpose.targets(targets, self.release.domain.columns, tables),
        }

    def held_back(self, total: float) -> list[dict[str, Any]]:
        """The tables that the loop never saw: how far off the synthetic one is beyond what their noise explains."""
        known = [set(one.clique.columns) for one in self.release.marginals]
        found = []
        for counts, marginal in zip(self._held, self.release.held, strict=True):
            told = table_check(counts * total / self._rows, marginal, total, self._rows)
            off = max(told["residual_over_sigma"] ** 2 - 1, 0) ** 0.5 * marginal.sigma
            given = any(columns.issuperset(marginal.clique.columns) for columns in known)
            found.append(told | {"rows_off_a_cell": round(off, 1), "loop_had_these_columns": given})
        return found

    def _told(self, tables: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "rows": self._rows,
            "compared_with": "noised statistics",
            "tvd1_vs_noised": mean_of(tables, 1),
            "tvd2_vs_noised": mean_of(tables, 2),
            "within_noise": purpose.share_of(tables, purpose.WITHIN),
            "within_band": purpose.share_of(tables, purpose.WITHIN, purpose.CHANCE),
            "sampling_share": round(float(np.mean([one["sampling_share"] for one in tables])), 4),
            "tables": tables,
            "never_measured": unmeasured_pairs(self.release),
            "rules": [
                {"rule": rule.text, "reason": rule.reason, "violations": broken}
                for rule, broken in zip(self.rules, self._broken, strict=True)
            ],
        }


def synthetic_counts(records: IntArray, marginal: NoisyMarginal, domain: Domain) -> FloatArray:
    """Counts of the records in the marginal's cells; shape as the marginal's."""
    shape = marginal.clique.shape(domain)
    codes = []
    for axis in marginal.clique.axes:
        column = records[:, domain.index(axis.column)]
        codes.append(np.asarray(axis.bins)[column] if axis.bins else column)
    return np.bincount(np.ravel_multi_index(codes, shape), minlength=int(np.prod(shape))).reshape(shape).astype(float)


def noisy_total(release: Release) -> float:
    """The released number of records: one-way totals weighed by how precise they are."""
    tables = [one for one in release.marginals if len(one.clique.axes) == 1]
    weights = np.array([1 / (one.counts.size * one.sigma**2) for one in tables])
    totals = np.array([float(one.counts.sum()) for one in tables])
    return float((weights * totals).sum() / weights.sum())


def table_check(expected: FloatArray, marginal: NoisyMarginal, total: float, rows: int) -> dict[str, Any]:
    """One released table: its distance from the synthetic one, scaled from ``rows`` to ``total``, beside its noise."""
    residual = float(np.sqrt(np.mean((marginal.counts - expected) ** 2)))
    noised = np.maximum(marginal.counts, 0).astype(float)
    shares = noised / max(noised.sum(), 1.0)
    return {
        "columns": list(marginal.clique.columns),
        "cells": int(marginal.counts.size),
        **sampling.told(residual, marginal.sigma, sampling.variance(expected, total=total, rows=rows)),
        "tvd_vs_noised": round(float(0.5 * np.abs(shares - expected / total).sum()), 5),
    }


def mean_of(tables: list[dict[str, Any]], columns: int) -> float | None:
    found = [one["tvd_vs_noised"] for one in tables if len(one["columns"]) == columns]
    return round(float(np.mean(found)), 5) if found else None


def unmeasured_pairs(release: Release) -> list[list[str]]:
    """Pairs of columns no released table holds: their joint behaviour follows from other tables alone."""
    together = [set(one.clique.columns) for one in release.marginals]
    names = release.domain.columns
    pairs = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
    return [list(pair) for pair in pairs if not any(set(pair) <= columns for columns in together)]
