"""How well a synthetic table agrees with the *noised* statistics it was made from.

The true statistics are never looked at again, so nothing here costs privacy loss. Fitting the fitted
flatters; that is why each table is shown as residual over noise, not as an error.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from privacy.values import Domain, IntArray, NoisyMarginal, Release

FloatArray = NDArray[np.float64]


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


def table_check(records: IntArray, marginal: NoisyMarginal, release: Release, total: float) -> dict[str, Any]:
    """One released table: its distance from the synthetic one, and that distance in units of its noise."""
    expected = synthetic_counts(records, marginal, release.domain) * total / len(records)
    residual = np.sqrt(np.mean((marginal.counts - expected) ** 2)) / marginal.sigma
    noised = np.maximum(marginal.counts, 0).astype(float)
    shares = noised / max(noised.sum(), 1.0)
    return {
        "columns": list(marginal.clique.columns),
        "cells": int(marginal.counts.size),
        "sigma": round(marginal.sigma, 3),
        "residual_over_sigma": round(float(residual), 3),
        "tvd_vs_noised": round(float(0.5 * np.abs(shares - expected / total).sum()), 5),
    }


def report(release: Release, records: IntArray) -> dict[str, Any]:
    """Every released table's check, worst first, and their means by number of columns."""
    total = noisy_total(release)
    tables = [table_check(records, marginal, release, total) for marginal in release.marginals]
    tables.sort(key=lambda one: -one["residual_over_sigma"])
    return {
        "rows": len(records),
        "compared_with": "noised statistics",
        "tvd1_vs_noised": mean_of(tables, 1),
        "tvd2_vs_noised": mean_of(tables, 2),
        "within_noise": round(float(np.mean([one["residual_over_sigma"] <= 1.5 for one in tables])), 4),
        "tables": tables,
        "never_measured": unmeasured_pairs(release),
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
