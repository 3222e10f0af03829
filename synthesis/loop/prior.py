"""The prior: a mixture of products, one component per proposal, component 0 for all other records.

q(x) = sum_k w_k prod_i q_ki(x_i). Component 0 starts as the product of one-way tables and gives up what other
components take, so that the mixture's own one-way tables stay as they are and proposals speak of how columns
go together. Which component explains a record is never decided: each record carries
the joint log weights log w_k + sum_i log q_ki(x_i), and a column is resampled from the mixture given all
other columns. The weights are given from outside (see ``synthesis.loop.trust``) and rest while the pool
learns: weights that followed the pool's own records would feed on themselves.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthesis.loop.sampling import Codes, Weights, largest

FloatArray = NDArray[np.float64]

LEFT = 0.05  # share of a code's mass that component 0 never gives up
FEWEST = 2.0  # records a component must explain to stay


class Prior:
    """Weights (K) and, per column, probabilities of every component (K x bins)."""

    def __init__(self, masses: list[FloatArray]) -> None:
        self.masses = masses
        self._set(np.ones(1), [mass[None] for mass in masses])

    def limited(self, components: list[list[FloatArray]], weights: FloatArray, most: float) -> FloatArray:
        """The weights, lowered so that all components but the first take at most ``most`` of any bin."""
        taken = [self.weights[1:] @ part[1:] / mass for part, mass in zip(self.parts, self.masses, strict=True)]
        found = np.zeros(len(weights))
        for number, (component, weight) in enumerate(zip(components, weights.tolist(), strict=True)):
            shares = [part / mass for part, mass in zip(component, self.masses, strict=True)]
            room = min(float(((most - old) / new).min()) for old, new in zip(taken, shares, strict=True))
            found[number] = min(max(room, 0.0), weight)
            taken = [old + found[number] * new for old, new in zip(taken, shares, strict=True)]
        return found

    def joint(self, codes: Codes) -> Weights:
        """Log weight of each component together with each record of ``codes`` (columns x records): records x K."""
        joint = np.tile(np.log(self.weights).astype(np.float32), (codes.shape[1], 1))
        if len(self.weights) > 1:
            for log, values in zip(self.logs, codes, strict=True):
                joint += log.T.take(values, axis=0)
        return joint

    def logits(self, column: int, joint: Weights, values: Codes) -> Weights:
        """Log prior of the column's bins given the records' other columns (records x bins, or one row for all).

        ``values`` are the column's present values, which ``joint`` counts.
        """
        logs: Weights = self.logs[column]
        if len(self.weights) == 1:
            return logs
        chances = _shares(joint - logs.T.take(values, axis=0))
        return np.asarray(np.log(chances @ self.parts[column]))

    def move(self, column: int, joint: Weights, old: Codes, new: Codes) -> None:
        """Bring ``joint`` up to date, in place, after the column's values changed."""
        if len(self.weights) > 1:
            logs = self.logs[column].T
            joint += logs.take(new, axis=0) - logs.take(old, axis=0)

    def add(self, components: list[list[FloatArray]], weights: FloatArray) -> None:
        """Append components (each one probability vector per column) with these weights; the others shrink."""
        parts = [
            np.vstack([part, *(each[column][None] for each in components)]) for column, part in enumerate(self.parts)
        ]
        self._set(np.concatenate([self.weights * (1 - weights.sum()), weights]), parts)

    def prune(self, most: int, records: int) -> None:
        """Drop components that explain fewer than FEWEST of the records, and the weakest beyond ``most``."""
        strength = self.weights.copy()
        strength[0] = np.inf
        keep = strength * records >= FEWEST
        keep &= strength >= np.sort(strength)[::-1][: most + 1].min()
        self._set(self.weights[keep] / self.weights[keep].sum(), [part[keep] for part in self.parts])

    def _set(self, weights: FloatArray, parts: list[NDArray[np.floating[Any]]]) -> None:
        self.weights = weights
        rest = [
            np.maximum(mass - weights[1:] @ part[1:], LEFT * mass)
            for mass, part in zip(self.masses, parts, strict=True)
        ]
        whole = [np.vstack([left / left.sum(), part[1:]]) for left, part in zip(rest, parts, strict=True)]
        self.parts = [np.maximum(part, 1e-9).astype(np.float32) for part in whole]
        self.logs = [np.log(part) for part in self.parts]


def _shares(logs: Weights) -> Weights:
    """Rows of log weights as shares that add up to 1."""
    weights = np.exp(logs - largest(logs))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))
