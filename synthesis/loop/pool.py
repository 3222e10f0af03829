"""A persistent pool of records drawn from p(x) ~ q(x) prod_i exp(b_i[x_i]) prod_c exp(theta_c[x_c]).

One sweep resamples every column of every record given its other columns (Gibbs). The probabilities it draws
from are averaged into the model's expected tables (Rao-Blackwell), and the tilts take one step towards the
released tables. The records persist from sweep to sweep, so they follow the moving tilts and no table over
all columns is ever built: a sweep costs records x bins x tables, whatever the shape of the clique graph.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from synthesis.loop.denoising import Estimate
from synthesis.loop.evidence import LARGEST_STEP, Evidence
from synthesis.loop.mixtures import Mixture
from synthesis.loop.prior import Prior
from synthesis.loop.sampling import Codes, Weights, chunks, draw

FloatArray = NDArray[np.float64]


class Pool:
    """``size`` records over binned columns; ``beliefs`` are the denoised one-way tables on those
    bins, ``ground`` the mixture its prior starts from."""

    def __init__(
        self,
        beliefs: list[Estimate],
        *,
        total: float,
        size: int,
        rng: np.random.Generator,
        ground: Mixture | None = None,
    ) -> None:
        self.beliefs, self.total, self.size, self.rng = beliefs, total, size, rng
        self.tables: list[Evidence] = []
        self.touching: list[list[Evidence]] = [[] for _ in beliefs]
        self.prior = Prior([belief.mass for belief in beliefs], ground)
        self.tilts = [np.zeros(len(belief.mean)) for belief in beliefs]
        self.averaged = [np.zeros(len(belief.mean)) for belief in beliefs]
        self.codes: Codes = self.prior.sample(size, rng)

    @property
    def scale(self) -> float:
        """Records of the released total that one record of the pool stands for."""
        return self.total / self.size

    def add(self, table: Evidence) -> None:
        self.tables.append(table)
        for column in table.columns:
            self.touching[column].append(table)

    def take_in(self, components: list[list[FloatArray]], weights: FloatArray) -> None:
        """Add components to the prior and redraw that share of the records from each: the plan's own records.

        Single-column moves rarely cross between distant kinds of records, so the new kinds start populated.
        """
        self.prior.add(components, weights)
        order, start = self.rng.permutation(self.size), 0
        for component, weight in zip(components, weights.tolist(), strict=True):
            chosen = order[start : start + round(weight * self.size)]
            start += len(chosen)
            for column, chances in enumerate(component):
                self.codes[column, chosen] = self.rng.choice(len(chances), len(chosen), p=chances)

    def forget_averages(self) -> None:
        """Start a new average of expected tables."""
        self.averaged = [np.zeros_like(average) for average in self.averaged]
        for table in self.tables:
            table.averaged = np.zeros(table.shape)

    def sweep(self, step: float, *, average: bool = False) -> None:
        """Resample every column once, in random order, learning at rate ``step``."""
        kinds = self.prior.kinds(self.codes, self.rng)
        for column in self.rng.permutation(len(self.beliefs)).tolist():
            own, tables = self._expect(column, kinds)
            self._learn(column, own, step)
            if average:
                self.averaged[column] += own
            for table, expected in tables:
                table.learn(expected, step, max(len(self.touching[c]) for c in table.columns))
                if average:
                    table.averaged += expected

    def wander(self, codes: Codes, sweeps: int, rng: np.random.Generator) -> Codes:
        """A copy of ``codes`` (columns x records) after sweeps that learn nothing."""
        codes = codes.copy()
        for _ in range(sweeps):
            for part in chunks(codes.shape[1], max(len(tilt) for tilt in self.tilts)):
                block = codes[:, part]  # a view: records do not depend on each other
                kinds = self.prior.kinds(block, rng)
                for column in rng.permutation(len(self.beliefs)).tolist():
                    block[column], _ = draw(self.logits(column, kinds, block), rng)
        return codes

    def index(self, column: int, codes: Codes) -> sp.csr_matrix | None:
        """Sparse indicator (records) x (cells of the other columns, over all tables that touch ``column``).

        Times stacked tilts it gives logits; its transpose times probabilities gives expected tables. One
        product serves tables of any number of columns.
        """
        tables = self.touching[column]
        if not tables:
            return None
        records, start = codes.shape[1], 0
        cells = np.empty((records, len(tables)), np.int32)
        for place, table in enumerate(tables):
            cells[:, place] = table.key(codes, without=column) + start
            start += table.rows(column)
        ends = np.arange(0, cells.size + 1, len(tables), dtype=np.int32)
        return sp.csr_matrix((np.ones(cells.size, np.float32), cells.ravel(), ends), shape=(records, start))

    def stack(self, column: int, values: list[FloatArray]) -> Weights:
        """One array per touching table, unfolded and stacked to match ``index``."""
        pairs = zip(self.touching[column], values, strict=True)
        rows = [table.unfold(value, column) for table, value in pairs]
        return np.vstack(rows or [np.zeros((0, len(self.tilts[column])))]).astype(np.float32)

    def logits(self, column: int, kinds: Codes, codes: Codes) -> Weights:
        """Unnormalised log conditional of the column's bins, records x bins, given kinds and other columns."""
        stacked = self.stack(column, [table.tilt for table in self.touching[column]])
        return self._logits(column, kinds, codes, self.index(column, codes), stacked)

    def _logits(
        self, column: int, kinds: Codes, codes: Codes, index: sp.csr_matrix | None, stacked: Weights
    ) -> Weights:
        base = self.prior.logits(column, kinds) + self.tilts[column].astype(np.float32)
        if index is None:
            return np.broadcast_to(base, (codes.shape[1], base.shape[1]))
        gathered: Weights = index @ stacked
        gathered += base
        return gathered

    def _expect(self, column: int, kinds: Codes) -> tuple[FloatArray, list[tuple[Evidence, FloatArray]]]:
        """Resample the column; its expected one-way table and those of its tables, in released records."""
        stacked = self.stack(column, [table.tilt for table in self.touching[column]])
        own = np.zeros(len(self.tilts[column]))
        rows = np.zeros(stacked.shape)
        for part in chunks(self.size, len(own)):
            codes = self.codes[:, part]
            index = self.index(column, codes)
            codes[column], chances = draw(self._logits(column, kinds[part], codes, index, stacked), self.rng)
            own += chances.sum(axis=0, dtype=float)
            if index is not None:
                rows += index.T @ chances
        return own * self.scale, self._fold(column, rows * self.scale)

    def _fold(self, column: int, rows: FloatArray) -> list[tuple[Evidence, FloatArray]]:
        tables, start = [], 0
        for table in self.touching[column]:
            end = start + table.rows(column)
            tables.append((table, table.fold(rows[start:end], column)))
            start = end
        return tables

    def _learn(self, column: int, expected: FloatArray, step: float) -> None:
        """The one-way table is evidence too: its posterior mean, with its posterior variance as noise."""
        belief, tilt = self.beliefs[column], self.tilts[column]
        variance = belief.sd**2
        newton = (belief.mean - expected - variance * tilt) / (expected + variance + 1)
        rate = step / (len(self.touching[column]) + 1)
        tilt += np.clip(rate * newton, -LARGEST_STEP, LARGEST_STEP)
