"""Every table that is measured of the leaves of units (privacy/leaves.py), by rule from the declaration.

Each attribute alone, pairs of them, each with what is known of its member and unit; and where leaves are ordered, with
its place and with the same attribute of the leaf before. All leaves of a unit share the votes of a table.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, product

import numpy as np

from privacy.cliques import AnyClique, Axis, Clique, TiedClique
from privacy.layouts import AGAIN, Wanted, together
from privacy.leaves import PLACE, Leaves
from privacy.values import IntArray

ONE_WAY, PAIRS, ABOVE, IN_ORDER, CHAINS = 3.0, 2.0, 1.5, 1.0, 8.0  # what groups of tables matter
MORE_VOTES = 2
"""Times as many votes in tables of one column: fewer cells are noised there, and what large units say counts."""
BINS = 12
"""Of the number of leaves that units have in all."""


def wanted(leaves: Leaves) -> list[Wanted]:
    """Every table of leaves, and what each matters."""
    own = list(leaves.names.values())
    found = together([_each(leaves, name) for name in own], ONE_WAY)
    found += _group(leaves, list(combinations(own, 2)), PAIRS)
    found += _group(leaves, [*product(leaves.seen, own), *_starts(leaves)], ABOVE)
    if leaves.is_ordered:
        found += _group(leaves, [(PLACE, name) for name in own], IN_ORDER)
        found += _group(leaves, [(each.name, each.repeats) for each in leaves.befores], CHAINS)
    return found


def totals(leaves: Leaves, bins: tuple[int, ...]) -> TiedClique:
    """How many units have so many leaves in all, in bins: each unit is counted once."""
    clique = Clique((Axis(leaves.total + AGAIN, bins),))
    return TiedClique(leaves.total, (1,) * (leaves.most_of_unit + 1), (clique,), (0,), 1)


def total_bins(leaves: Leaves) -> tuple[int, ...]:
    """None by itself, and then bins that grow as numbers do."""
    edges = np.geomspace(1, leaves.most_of_unit + 1, BINS)
    _, bins = np.unique(np.searchsorted(edges, np.arange(leaves.most_of_unit + 1), side="right"), return_inverse=True)
    return tuple(bins.tolist())


def spread(bins: Sequence[int], counts: IntArray) -> list[float]:
    """How many units are thought to have each number of leaves: those of a bin in equal parts."""
    widths = np.bincount(bins)
    return [float(max(counts[each], 0) / widths[each]) for each in bins]


def _starts(leaves: Leaves) -> list[tuple[str, str]]:
    """Where journeys start, with where their leaves end."""
    return [(leaves.journey.start, leaves.names[leaves.journey.to])] if leaves.journey else []


def _group(leaves: Leaves, names: Sequence[tuple[str, ...]], importance: float) -> list[Wanted]:
    return together([_each(leaves, *each) for each in names], importance) if names else []


def _each(leaves: Leaves, *names: str) -> AnyClique:
    votes = leaves.votes * (MORE_VOTES if len(names) == 1 else 1)
    return leaves.layout.each(*names, votes=votes, by_norm=True)
