"""From a sample of members to the table: moves that bring their own counts to the model's expected tables.

As in ``synthesis.loop.refinement``: a member's new codes come from the model's own conditional, so that no rule is
broken, and stay where they lower sum (count - target)^2 / (target + 1) over all tables.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from privacy.values import IntArray
from synthesis.loop.denoising import FloatArray
from synthesis.loop.sampling import Codes
from synthesis.members.blocks import Group
from synthesis.members.evidence import Evidence

ACCEPT = 0.5  # share of good moves taken: two members of a batch may fill the same gap


class Refiner:
    """Improves ``codes`` in place. All tables' cells stand in one row, table after table."""

    def __init__(
        self, tables: Sequence[Evidence], groups: Sequence[Sequence[Group]], codes: dict[str, Codes],
        rng: np.random.Generator,
    ) -> None:  # fmt: skip
        self.groups, self.codes, self.rng = groups, codes, rng
        self.starts = {id(table): start for table, start in zip(tables, _starts(tables), strict=True)}
        self.targets = np.concatenate([np.zeros(0), *(table.averaged.ravel() for table in tables)])
        self.counts = np.concatenate([np.zeros(0), *(table.count(codes).ravel() for table in tables)])

    def run(self, passes: int, *, batches: int) -> None:
        for _ in range(passes):
            for place in self.rng.permutation(len(self.groups)).tolist():
                for group in self.groups[place]:
                    if any(id(part.table) in self.starts for part in group.parts):
                        _Moves(self, group).run(batches)


class _Moves:
    """One group's moves: where its instances lie without the group's own axes, and what each choice adds."""

    def __init__(self, refiner: Refiner, group: Group) -> None:
        self.refiner, self.group = refiner, group
        self.drawn = group.draw(refiner.codes, refiner.rng, expect=False)[0]
        self.now = _choices(group, refiner.codes)
        every = zip(group.parts, group.instances, strict=True)
        known = [(part, chosen) for part, chosen in every if id(part.table) in refiner.starts]
        columns = []
        for number, (part, chosen) in enumerate(known):
            cells = part.table.cells(refiner.codes, part.rest)[chosen] + refiner.starts[id(part.table)]
            columns.append((part.rows[chosen], cells, part.table.weights[chosen], np.full(len(chosen), number)))
        rows, cells, weights, kinds = (np.concatenate(each) for each in zip(*columns, strict=True))
        local = np.searchsorted(group.members, rows)
        order = np.argsort(local, kind="stable")
        self.local, self.cells, self.weights = local[order], cells[order], weights[order]
        moves = np.stack([part.moves for part, _ in known])
        self.old = self.cells + moves[kinds[order], self.now[self.local]]
        self.new = self.cells + moves[kinds[order], self.drawn[self.local]]

    def run(self, batches: int) -> None:
        """Batch by batch, in a random order, so that counts are fresh."""
        edges = np.linspace(0, len(self.group.members), min(batches, len(self.group.members)) + 1).astype(int)
        ends = np.searchsorted(self.local, edges)
        for batch in self.refiner.rng.permutation(len(edges) - 1).tolist():
            self._move(edges[batch], edges[batch + 1], slice(ends[batch], ends[batch + 1]))

    def _move(self, first: int, last: int, part: slice) -> None:
        counts, old, new, weights = self.refiner.counts, self.old[part], self.new[part], self.weights[part]
        price = self._price(new, weights) + self._price(old, -weights)
        change = np.bincount(self.local[part] - first, weights=price, minlength=last - first)
        differs = self.drawn[first:last] != self.now[first:last]
        go = (change < 0) & differs & (self.refiner.rng.random(last - first) < ACCEPT)
        moved = go[self.local[part] - first]
        counts += np.bincount(new[moved], weights=weights[moved], minlength=len(counts))
        counts -= np.bincount(old[moved], weights=weights[moved], minlength=len(counts))
        chosen = np.zeros(len(self.group.members), dtype=bool)
        chosen[first:last] = go
        self.group.put(self.refiner.codes, self.drawn, chosen)

    def _price(self, cells: IntArray, weights: FloatArray) -> FloatArray:
        """Cost of so many votes more in each cell."""
        refiner = self.refiner
        gap = refiner.counts[cells] - refiner.targets[cells]
        return np.asarray((weights**2 + 2 * weights * gap) / (refiner.targets[cells] + 1))


def _choices(group: Group, codes: dict[str, Codes]) -> Codes:
    """The place of every member's present codes among the block's choices."""
    sizes = group.block.choices.max(axis=0) + 1
    known = np.full(int(np.prod(sizes)), -1, dtype=np.int32)
    known[np.ravel_multi_index(tuple(group.block.choices.T), tuple(sizes))] = np.arange(len(group.block.choices))
    present = tuple(codes[name][group.members] for name in group.block.attributes)
    return np.asarray(known[np.ravel_multi_index(present, tuple(sizes))])


def _starts(tables: Sequence[Evidence]) -> list[int]:
    sizes = [int(np.prod(table.shape)) for table in tables]
    return [sum(sizes[:place]) for place in range(len(sizes))]
