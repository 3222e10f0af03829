"""Hard rules as structural zeros: a tilt of minus infinity on every cell that a rule forbids.

A column is resampled given the others, so that a record which keeps all rules keeps them for ever: the bins
that would break one have no weight, and its present bin has. Values that rules tie together move together as
well: single-column moves alone would leave them as they were first drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from privacy.validity import Validity, Zero
from privacy.values import IntArray
from synthesis.loop.denoising import FloatArray
from synthesis.loop.sampling import Codes, Weights


@dataclass(frozen=True, slots=True, eq=False)
class _Ban:
    """One rule as one of its columns sees it: what each cell of the other columns forbids it."""

    others: tuple[int, ...]
    views: tuple[Codes, ...]
    sizes: tuple[int, ...]
    penalties: Weights  # cells of the other columns x pool bins: 0, or minus infinity
    bites: NDArray[np.bool_]  # whether a cell forbids any bin


class Zeros:
    """The rules on the pool's bins, of which none straddles a rule; ``masses`` are the one-way tables on them."""

    def __init__(self, rules: Sequence[Zero], masses: Sequence[FloatArray]) -> None:
        self.validity = Validity(rules, masses)
        self._bans: list[list[_Ban]] = [[] for _ in masses]
        for rule in rules:
            for place, column in enumerate(rule.columns):
                self._bans[column].append(_ban(rule, place))

    def forbid(self, column: int, codes: Codes, logits: Weights) -> Weights:
        """The logits (records x bins) of a column, with no weight left on what its rules forbid these records."""
        if not self._bans[column]:
            return logits
        logits = logits if logits.flags.writeable else logits.copy()
        for ban in self._bans[column]:
            cells = np.zeros(codes.shape[1], np.int32)
            for other, view, size in zip(ban.others, ban.views, ban.sizes, strict=True):
                cells *= size
                cells += view[codes[other]]
            bitten = np.flatnonzero(ban.bites[cells])
            logits[bitten] += ban.penalties[cells[bitten]]
        return logits


def on_bins(rule: Zero, bins: Sequence[IntArray]) -> Zero:
    """The rule over the pool's bins (``bins``: code -> bin), which refine its own."""
    views = []
    for column, view in zip(rule.columns, rule.views, strict=True):
        found = np.zeros(int(bins[column].max()) + 1, np.int64)
        found[bins[column]] = view
        views.append(found)
    return Zero(rule.columns, tuple(views), rule.allowed)


def _ban(rule: Zero, place: int) -> _Ban:
    own, sizes = rule.views[place], rule.allowed.shape
    rest = [at for at in range(len(sizes)) if at != place]
    forbidden = ~np.moveaxis(rule.allowed, place, -1).reshape(-1, sizes[place])
    penalties = np.where(forbidden[:, own], np.float32(-np.inf), np.float32(0))
    views = tuple(rule.views[at].astype(np.int32) for at in rest)
    columns = tuple(rule.columns[at] for at in rest)
    return _Ban(columns, views, tuple(sizes[at] for at in rest), penalties, np.asarray(forbidden.any(axis=1)))
