"""How far one privacy unit can move what is asked of the data. Nothing else bounds it, so this stays small.

Counting and bounding guarantee that a unit contributes at most ``k`` rows and that each row falls in exactly
one cell of a table. Then, between neighbouring data sets:

=====================  ==========================  ==========================
                       add or remove one unit      change one unit for another
=====================  ==========================  ==========================
L1 change of a table   k                           2 k
L2 change of a table   k (all rows in one cell)    k sqrt(2) (two cells)
=====================  ==========================  ==========================

A tied clique counts every slot of a row, by its weight. The slots of one block may all fall in one cell, those
of two blocks never do: one row moves the table by at most the largest, over the row's declared sizes, of the
L2 norm of (weight x slots) over the blocks; k rows may all do so in the same cells. Where a row's weight follows the
norm of its own table, that table's norm is at most the votes, whatever its cells, and at most its slots.

Key discovery counts rows by key. A unit's rows hold at most k keys (2 k when one unit is changed for another),
each count moves by at most k, and the counts together as those of a table do.

Every table is measured and charged by itself, and the charges are added: for equal noise this costs what one
joint vector would, since squared L2 bounds add up as well. Every bound is rounded up.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

from privacy.values import AnyClique, PrivacyUnit, TiedClique

VOTE = 720720
"""Parts of one vote: weights are whole numbers of them, exact for up to 16 slots and otherwise rounded down."""


def l1_of_table(unit: PrivacyUnit) -> int:
    """Largest L1 change of one table of counts."""
    return unit.k * (2 if unit.neighbours == "change-one" else 1)


def l2_of_table(unit: PrivacyUnit) -> float:
    """Largest L2 change of one table of counts: exact where it is a whole number, otherwise rounded up."""
    if unit.neighbours == "add-remove":
        return float(unit.k)
    return math.nextafter(math.sqrt(2 * unit.k**2), math.inf)


def l2_of(unit: PrivacyUnit, clique: AnyClique) -> float:
    """Largest L2 change of a table of either kind, in the parts it is counted in."""
    return l2_of_tied(unit, clique) if isinstance(clique, TiedClique) else l2_of_table(unit)


def parts_of(clique: AnyClique) -> int:
    """How many parts a table counts for one row, or for one vote."""
    return VOTE if isinstance(clique, TiedClique) else 1


def linf_of_scores(unit: PrivacyUnit) -> int:
    """Largest change of any score ``sum |count - expected| - penalty``: at most the table's L1 change.

    ``expected`` and ``penalty`` are public integers. The scores are not monotonic: a row may raise one
    and lower another.
    """
    return l1_of_table(unit)


@dataclass(frozen=True, slots=True)
class KeyChange:
    """How far one unit can move counts by key: how many of them, all together (L2), and each of them."""

    l0: int
    l2: float
    linf: int


def change_of_keys(unit: PrivacyUnit) -> KeyChange:
    """The largest of each, though no one change attains all three: with k keys touched, each moves by 1."""
    return KeyChange(l1_of_table(unit), l2_of_table(unit), unit.k)


def tied_weight(*, votes: int, instances: int) -> int:
    """What each of a row's slots in one block counts, in parts of a vote."""
    return min(VOTE, VOTE * votes // instances) if instances else 0


def l2_of_tied(unit: PrivacyUnit, clique: TiedClique) -> float:
    """Largest L2 change of a tied clique's table, in parts of a vote, rounded up."""
    rows = unit.k**2 * (2 if unit.neighbours == "change-one" else 1)
    return _root_up(rows * max(_squared_change(clique, code) for code in range(len(clique.present))))


def _squared_change(clique: TiedClique, code: int) -> int:
    """Of one row of this size, all of whose slots in a block fall in one cell."""
    if clique.by_norm:
        return (min(clique.votes, clique.present[code]) * VOTE) ** 2
    return sum((count * tied_weight(votes=clique.votes, instances=count)) ** 2 for count in clique.instances(code))


def _root_up(square: int) -> float:
    """The least float known to be no smaller than the root."""
    root = float(math.isqrt(square))
    while Fraction(root) ** 2 < square:
        root = math.nextafter(max(root, math.sqrt(square)), math.inf)
    return root
