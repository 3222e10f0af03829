"""A persistent pool of records drawn from p(x) ~ q(x) prod_i exp(b_i[x_i]) prod_c exp(theta_c[x_c]).

One sweep resamples every column of every record given its other columns (Gibbs). The probabilities it draws
from are averaged into the model's expected tables (Rao-Blackwell), and the tilts take one step towards the
released tables. The records persist from sweep to sweep, so they follow the moving tilts and no table over
all columns is ever built: a sweep costs records x bins x tables, whatever the shape of the clique graph.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from synthesis.loop.cells import Table
from synthesis.loop.denoising import Estimate
from synthesis.loop.evidence import LARGEST_STEP, Evidence
from synthesis.loop.jumping import jump
from synthesis.loop.mixtures import Mixture
from synthesis.loop.prior import Prior
from synthesis.loop.sampling import Codes, Weights, chunks, draw
from synthesis.loop.zeros import Zeros

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
        self.watched: list[Table] = []  # nothing was released of these: the model's own, for the records drawn from it
        self.watching: list[list[Table]] = [[] for _ in beliefs]
        self.prior = Prior([belief.mass for belief in beliefs], ground)
        self.tilts = [np.zeros(len(belief.mean)) for belief in beliefs]
        self.averaged = [np.zeros(len(belief.mean)) for belief in beliefs]
        self.zeros: Zeros | None = None
        self.codes: Codes = self.prior.sample(size, rng)

    @property
    def scale(self) -> float:
        """Records of the released total that one record of the pool stands for."""
        return self.total / self.size

    @property
    def pull(self) -> float:
        """How hard the tables of several columns still pull at their tilts, in units of noise: their median."""
        return float(np.median([table.pull for table in self.tables])) if self.tables else 0.0

    def obey(self, zeros: Zeros) -> None:
        """From now on every record keeps these rules."""
        self.zeros = zeros
        zeros.validity.mend(self.codes, self.rng)

    def add(self, table: Evidence) -> None:
        self.tables.append(table)
        for column in table.columns:
            self.touching[column].append(table)

    def watch(self, tables: list[Table]) -> None:
        """Average these tables of the model too, from the next ``forget_averages`` on."""
        self.watched, self.watching = tables, [[] for _ in self.beliefs]
        for table in tables:
            for column in table.columns:
                self.watching[column].append(table)

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
        if self.zeros is not None:
            self.zeros.validity.mend(self.codes, self.rng)

    def forget_averages(self) -> None:
        """Start a new average of expected tables."""
        self.averaged = [np.zeros_like(average) for average in self.averaged]
        for table in [*self.tables, *self.watched]:
            table.averaged = np.zeros(table.shape)

    def sweep(self, step: float, *, average: bool = False) -> None:
        """Resample every column once, in random order, learning at rate ``step``; average what is expected."""
        kinds = self.prior.kinds(self.codes, self.rng)
        if self.zeros is not None:
            jump(self, self.zeros, self.codes, kinds, self.rng)
        for column in self.rng.permutation(len(self.beliefs)).tolist():
            watching = self.watching[column] if average else []
            own, known, seen = self._expect(column, kinds, watching)
            self._learn(column, own, step)
            for table, expected in zip(self.touching[column], known, strict=True):
                busiest = max(len(self.touching[c]) for c in table.columns)
                table.learn(expected, step, busiest, scale=self.scale)
            if average:
                self.averaged[column] += own
                for each, expected in zip([*self.touching[column], *watching], known + seen, strict=True):
                    each.averaged += expected

    def wander(self, codes: Codes, sweeps: int, rng: np.random.Generator) -> Codes:
        """A copy of ``codes`` (columns x records) after sweeps that learn nothing."""
        codes, tilts = codes.copy(), [self.tilted(column) for column in range(len(self.beliefs))]
        for _ in range(sweeps):
            for part in chunks(codes.shape[1], max(len(tilt) for tilt in self.tilts)):
                block = codes[:, part]  # a view: records do not depend on each other
                kinds = self.prior.kinds(block, rng)
                if self.zeros is not None:
                    jump(self, self.zeros, block, kinds, rng)
                for column in rng.permutation(len(self.beliefs)).tolist():
                    index = self.index(column, block)
                    block[column], _ = draw(self.logits(column, kinds, block, index, tilts[column]), rng)
        return codes

    def index(self, column: int, codes: Codes) -> sp.csr_matrix | None:
        """``index_of`` the released tables that touch the column: times stacked tilts it gives logits."""
        return index_of(self.touching[column], column, codes)

    def stack(self, column: int, values: list[FloatArray]) -> Weights:
        """One array per touching table, unfolded and stacked to match ``index``."""
        pairs = zip(self.touching[column], values, strict=True)
        rows = [table.unfold(value, column) for table, value in pairs]
        return np.vstack(rows or [np.zeros((0, len(self.tilts[column])))]).astype(np.float32)

    def tilted(self, column: int) -> Weights:
        """The tilts of all tables that touch the column, stacked to match ``index``."""
        return self.stack(column, [table.tilt for table in self.touching[column]])

    def logits(self, column: int, kinds: Codes, codes: Codes, index: sp.csr_matrix | None, stacked: Weights) -> Weights:
        """Unnormalised log conditional of the column's bins, records x bins, given kinds and other columns.

        ``index`` and ``stacked`` are the records' ``index`` and the column's ``tilted``.
        """
        base = self.prior.logits(column, kinds) + self.tilts[column].astype(np.float32)
        if index is None:
            gathered: Weights = np.broadcast_to(base, (codes.shape[1], base.shape[1]))
        else:
            gathered = index @ stacked
            gathered += base
        return gathered if self.zeros is None else self.zeros.forbid(column, codes, gathered)

    def _expect(
        self, column: int, kinds: Codes, watching: list[Table]
    ) -> tuple[FloatArray, list[FloatArray], list[FloatArray]]:
        """Resample the column; its expected one-way table and those of its tables, in released records."""
        stacked = self.tilted(column)
        own = np.zeros(len(self.tilts[column]))
        rows, more = np.zeros(stacked.shape), np.zeros((sum(t.rows(column) for t in watching), len(own)))
        for part in chunks(self.size, len(own)):
            codes = self.codes[:, part]
            index, also = self.index(column, codes), index_of(watching, column, codes)
            codes[column], chances = draw(self.logits(column, kinds[part], codes, index, stacked), self.rng)
            own += chances.sum(axis=0, dtype=float)
            if index is not None:
                rows += index.T @ chances
            if also is not None:
                more += also.T @ chances
        known = fold_of(self.touching[column], column, rows * self.scale)
        return own * self.scale, known, fold_of(watching, column, more * self.scale)

    def _learn(self, column: int, expected: FloatArray, step: float) -> None:
        """The one-way table is evidence too: its posterior mean, with its posterior variance as noise."""
        belief, tilt = self.beliefs[column], self.tilts[column]
        variance = belief.sd**2
        newton = (belief.mean - expected - variance * tilt) / (expected + variance + 1)
        rate = step / (len(self.touching[column]) + 1)
        tilt += np.clip(rate * newton, -LARGEST_STEP, LARGEST_STEP)


def index_of(tables: Sequence[Table], column: int, codes: Codes) -> sp.csr_matrix | None:
    """Sparse indicator (records) x (cells of the other columns, over all ``tables``, which touch ``column``).

    Its transpose times probabilities gives expected tables. One product serves tables of any number of columns.
    """
    if not tables:
        return None
    records, start = codes.shape[1], 0
    cells = np.empty((records, len(tables)), np.int32)
    for place, table in enumerate(tables):
        cells[:, place] = table.key(codes, without=column) + start
        start += table.rows(column)
    ends = np.arange(0, cells.size + 1, len(tables), dtype=np.int32)
    return sp.csr_matrix((np.ones(cells.size, np.float32), cells.ravel(), ends), shape=(records, start))


def fold_of(tables: Sequence[Table], column: int, rows: FloatArray) -> list[FloatArray]:
    """The tables behind stacked rows, stacked to match ``index_of``."""
    found, start = [], 0
    for table in tables:
        end = start + table.rows(column)
        found.append(table.fold(rows[start:end], column))
        start = end
    return found
