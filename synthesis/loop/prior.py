"""The prior: a mixture of products. Component 0 is independent columns, the others are what proposers said.

q(x) = sum_k w_k prod_i q_ki(x_i). The ground is component 0, or component 0 beside the components of a source
that describes all records (see ``synthesis.loop.sources``); single proposals are added to it. The ground gives
up what single proposals take, so that the mixture's own one-way tables stay as they are and proposals speak of
how columns go together. Every record carries the component that it is taken to come from, drawn anew in each
sweep from those that explain it. The weights are given from outside (see ``synthesis.loop.trust``) and rest
while the pool learns: weights that followed the pool's own records would feed on themselves.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthesis.loop.mixtures import Mixture
from synthesis.loop.sampling import Codes, Weights, chunks, draw

FloatArray = NDArray[np.float64]

LEFT = 0.05  # share of a code's mass that component 0 never gives up
FEWEST = 2.0  # records a component must explain to stay


class Prior:
    """Weights (K) and, per column, probabilities of every component (K x bins).

    ``masses`` are the one-way tables that the mixture keeps, ``ground`` a mixture that has them.
    """

    def __init__(self, masses: list[FloatArray], ground: Mixture | None = None) -> None:
        self.masses = masses
        self.ground = ground or Mixture(np.ones(1), tuple(mass[None] for mass in masses))
        self.given = len(self.ground.weights)  # components before the first single proposal
        self._set(np.zeros(0), [mass[:0].reshape(0, len(mass)) for mass in masses])

    def sample(self, records: int, rng: np.random.Generator) -> Codes:
        """Codes (columns x records) drawn from the mixture."""
        kinds = rng.choice(len(self.weights), records, p=self.weights)
        return np.stack([draw(log[kinds], rng)[0] for log in self.logs])

    def limited(self, components: list[list[FloatArray]], weights: FloatArray, most: float) -> FloatArray:
        """The weights, lowered so that all single proposals together take at most ``most`` of any bin."""
        boxes = slice(self.given, None)
        taken = [self.weights[boxes] @ part[boxes] / mass for part, mass in zip(self.parts, self.masses, strict=True)]
        found = np.zeros(len(weights))
        for number, (component, weight) in enumerate(zip(components, weights.tolist(), strict=True)):
            shares = [part / mass for part, mass in zip(component, self.masses, strict=True)]
            room = min(float(((most - old) / new).min()) for old, new in zip(taken, shares, strict=True))
            found[number] = min(max(room, 0.0), weight)
            taken = [old + found[number] * new for old, new in zip(taken, shares, strict=True)]
        return found

    def kinds(self, codes: Codes, rng: np.random.Generator) -> Codes:
        """A component for each record of ``codes`` (columns x records), drawn from those that explain it."""
        if len(self.weights) == 1:
            return np.zeros(codes.shape[1], np.int32)
        found = [draw(self._joint(codes[:, part]), rng)[0] for part in chunks(codes.shape[1], len(self.weights))]
        return np.concatenate(found)

    def logits(self, column: int, kinds: Codes) -> Weights:
        """Log prior of the column's bins in each record's component: records x bins, or one row for all."""
        logs: Weights = self.logs[column]
        return logs if len(self.weights) == 1 else logs[kinds]

    def _joint(self, codes: Codes) -> Weights:
        """Log weight of each component together with each record: records x K."""
        joint = np.tile(np.log(self.weights).astype(np.float32), (codes.shape[1], 1))
        for log, values in zip(self.logs, codes, strict=True):
            joint += log.T.take(values, axis=0)
        return joint

    def add(self, components: list[list[FloatArray]], weights: FloatArray) -> None:
        """Append components (each one probability vector per column) with these weights; the others shrink."""
        parts = [
            np.vstack([part[self.given :], *(each[column][None] for each in components)])
            for column, part in enumerate(self.parts)
        ]
        self._set(np.concatenate([self.weights[self.given :] * (1 - weights.sum()), weights]), parts)

    def prune(self, most: int, records: int) -> None:
        """Drop single proposals that explain fewer than FEWEST of the records, and the weakest beyond ``most``."""
        boxes = self.weights[self.given :]
        keep = boxes * records >= FEWEST
        if len(boxes) > most:
            keep &= boxes >= np.sort(boxes)[::-1][:most].min(initial=np.inf)
        whole = self.weights[: self.given].sum() + boxes[keep].sum()
        self._set(boxes[keep] / whole, [part[self.given :][keep] for part in self.parts])

    def _set(self, weights: FloatArray, boxes: list[NDArray[np.floating[Any]]]) -> None:
        """The ground, brought to the one-way tables that single proposals leave it, and these proposals."""
        ground = self.ground
        if len(weights):
            rest = [np.maximum(m - weights @ box, LEFT * m) for m, box in zip(self.masses, boxes, strict=True)]
            ground = ground.raked([left / left.sum() for left in rest])
        self.weights = np.concatenate([ground.weights * (1 - weights.sum()), weights])
        whole = [np.vstack([part, box]) for part, box in zip(ground.parts, boxes, strict=True)]
        self.parts = [np.maximum(part, 1e-9).astype(np.float32) for part in whole]
        self.logs = [np.log(part) for part in self.parts]
