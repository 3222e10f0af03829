"""Released tables drawn towards those of a public sample, as far as the release itself says that they resemble them.

The mean squared gap of a released table to the public one, less the release's own noise, says how far the two
populations differ (empirical Bayes). Where they differ much the public table weighs nothing; where the gap is noise
alone, the noise is averaged away. Nothing but released counts and public rows is looked at, so it costs nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from privacy.layouts import Layout
from privacy.values import IntArray, NoisyTable, NoisyTied
from synthesis.loop.denoising import FloatArray
from synthesis.members.people import People
from synthesis.members.tables import Table

LEAST_DOUBT = 1.0
"""In rows or votes, of a cell: a public table is never taken for the truth itself."""


def resembling(tables: Sequence[NoisyTable], layout: Layout, public: People) -> list[NoisyTable]:
    """The tables with the public sample's part in them, and what noise is left."""
    return [_drawn(table, _counts(table, layout, public)) for table in tables]


def _counts(table: NoisyTable, layout: Layout, public: People) -> FloatArray:
    """The sample's own table."""
    if isinstance(table, NoisyTied):
        return Table(table.clique, public).count(public.codes)
    cell: IntArray = np.zeros(len(public.top), dtype=np.int64)
    shape = table.counts.shape
    for axis, size in zip(table.clique.axes, shape, strict=True):
        codes = public.top[:, layout.top.index(axis.column)]
        cell = cell * size + (np.asarray(axis.bins)[codes] if axis.bins else codes)
    return np.bincount(cell, minlength=int(np.prod(shape))).astype(float).reshape(shape)


def _drawn(table: NoisyTable, sample: FloatArray) -> NoisyTable:
    parts = table.parts if isinstance(table, NoisyTied) else 1
    found, noise = table.counts / parts, (table.sigma / parts) ** 2
    expected = sample * max(float(found.sum()), 1.0) / max(float(sample.sum()), 1.0)
    differs = max(float(((found - expected) ** 2).mean()) - noise, LEAST_DOUBT)
    share = differs / (differs + noise)
    mean = share * found + (1 - share) * expected
    return replace(table, counts=np.rint(mean * parts).astype(np.int64), sigma=float(np.sqrt(share)) * table.sigma)
