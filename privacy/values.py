"""Value types that cross rooms: what was declared, what is asked of the data, what was released.

Nothing here imports Django or OpenDP, so the synthesis loop can use these types without being able to
reach a raw row. Every type is immutable; arrays inside them are made read-only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from privacy.cliques import AnyClique, Axis, Clique, Domain, TiedClique, any_clique

__all__ = [
    "AdaptiveModel",
    "AnyClique",
    "Axis",
    "Candidate",
    "Clique",
    "Columns",
    "Domain",
    "HardRule",
    "IntArray",
    "Measurement",
    "Model",
    "Neighbours",
    "NoisyMarginal",
    "NoisyTable",
    "NoisyTied",
    "PrivacyUnit",
    "Release",
    "TiedClique",
    "UnitKind",
    "any_clique",
]

IntArray = NDArray[np.int64]
Columns = Sequence[NDArray[np.integer[Any]]]
"""One array of codes for every column of a domain, all of one length."""
Neighbours = Literal["add-remove", "change-one"]
UnitKind = Literal["row", "identifier"]


@dataclass(frozen=True, slots=True, eq=False)
class HardRule:
    """What the owner declared to hold for every record: ``allowed`` says which cells of ``clique`` may be filled.

    ``text`` and ``reason`` are the owner's words. Real rows that break a rule are measured as they are.
    """

    text: str
    reason: str
    clique: Clique
    allowed: NDArray[np.bool_]

    def __post_init__(self) -> None:
        if self.allowed.ndim != len(self.clique.axes):
            raise ValueError("a rule needs one dimension for each of its columns")
        self.allowed.setflags(write=False)


@dataclass(frozen=True, slots=True)
class PrivacyUnit:
    """Whose presence is hidden: a row, or everyone sharing an identifier, with at most ``k`` rows each."""

    kind: UnitKind = "row"
    k: int = 1
    column: str | None = None
    neighbours: Neighbours = "add-remove"

    def __post_init__(self) -> None:
        if self.k < 1 or (self.kind == "row" and self.k != 1):
            raise ValueError("k must be at least 1, and exactly 1 when the privacy unit is a row")
        if (self.kind == "identifier") != (self.column is not None):
            raise ValueError("an identifier unit names its column, and a row unit names none")

    def in_words(self) -> str:
        """A phrase for people who decide, for example 'one row' or 'one household_id, up to 5 rows'."""
        return "one row" if self.kind == "row" else f"one {self.column}, up to {self.k} rows"


@dataclass(frozen=True, slots=True)
class Measurement:
    """A step about to touch the data, as charged: what is asked, by which mechanism, at what price.

    ``scale`` is the standard deviation of Gaussian noise or the scale of a noisy-max selection;
    ``sensitivity`` is the bound it is calibrated to (L2 for tables and keys, L-infinity for scores). Both are in
    ``parts`` of one row or vote.
    ``threshold``: of key discovery, the least noised count with which a key is let out.
    ``held``: the table is kept from the model, to judge its fit by.
    ``about``: of a check of a synthetic table against the rows, which question, table and radius.
    """

    kind: Literal["table", "selection", "discovery", "check"]
    mechanism: str
    cliques: tuple[AnyClique, ...]
    sensitivity: float
    scale: float
    rho: Decimal
    delta: Decimal
    unit: PrivacyUnit
    library: str
    parts: int = 1
    threshold: int | None = None
    about: Mapping[str, str | int] | None = None
    held: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class NoisyMarginal:
    """A released table of integer counts with Gaussian noise of standard deviation ``sigma`` per cell.

    ``counts`` has the clique's shape; ``measurement`` is the ledger entry that paid for this table alone.
    One that is ``held`` back is kept from the model and from prompts.
    """

    clique: Clique
    counts: IntArray
    sigma: float
    measurement: str
    held: bool = False

    def __post_init__(self) -> None:
        self.counts.setflags(write=False)


@dataclass(frozen=True, slots=True, eq=False)
class NoisyTied:
    """A released table of a tied clique: integers in ``parts`` of a vote, ``counts / parts`` is in votes.

    ``counts`` has the clique's shape, blocks first; ``sigma`` is the noise per cell, in parts as well.
    """

    clique: TiedClique
    counts: IntArray
    sigma: float
    measurement: str
    parts: int

    def __post_init__(self) -> None:
        self.counts.setflags(write=False)


NoisyTable = NoisyMarginal | NoisyTied


@dataclass(frozen=True, slots=True, eq=False)
class Release:
    """Everything one measuring run let out of the vault, and what it cost."""

    id: str
    domain: Domain
    marginals: tuple[NoisyMarginal, ...]
    unit: PrivacyUnit
    rho: Decimal
    delta: Decimal
    tied: tuple[NoisyTied, ...] = ()
    held: tuple[NoisyMarginal, ...] = ()

    @classmethod
    def of(
        cls, id: str, domain: Domain, tables: Iterable[NoisyTable], unit: PrivacyUnit, rho: Decimal, delta: Decimal
    ) -> Release:
        """A release of tables of both kinds, each in the order given; those held back are apart."""
        found = tuple(tables)
        singles = [table for table in found if isinstance(table, NoisyMarginal)]
        marginals = tuple(table for table in singles if not table.held)
        tied = tuple(table for table in found if isinstance(table, NoisyTied))
        return cls(id, domain, marginals, unit, rho, delta, tied, tuple(table for table in singles if table.held))


class Model(Protocol):
    """What adaptive measuring needs of a model: its counts for a clique, and to be told what was released.

    Tables of tied cliques are not told: a model of single rows has no place for them.
    """

    def expected(self, clique: Clique) -> IntArray: ...

    def observe(self, marginal: NoisyMarginal) -> None: ...


@dataclass(frozen=True, slots=True)
class Candidate:
    """A table that may be measured next, and the public integer taken off its score before choosing.

    Its score is ``sum |count - expected| - penalty`` over the table's cells. ``chance``, where a model gives it,
    is the sum it foresees if the table held nothing new, and what its price would win elsewhere; when no candidate
    promises more, none is chosen.
    """

    clique: Clique
    penalty: int
    chance: int | None = None


class AdaptiveModel(Model, Protocol):
    """A model that also says which tables are worth considering; it decides from released facts alone.

    All are asked only after every one-way table was observed.
    """

    def rounds(self, *, rho: float, planned: int) -> tuple[int, int]:
        """How many rounds to run, and how many tables to choose and measure in each.

        ``rho`` is the whole plan's budget divided by the squared L2 sensitivity of one table; ``planned`` tables
        of several columns were named in advance and are measured before the rounds.
        """
        ...

    def view(self, clique: Clique, *, sigma: float) -> Clique:
        """How finely a table that was named in advance is seen, were it measured with noise ``sigma``.

        A clique of the same columns with at most as many cells. It follows from released one-way tables alone.
        """
        ...

    def candidates(self, *, sigma: float, round: int, rounds: int) -> tuple[Candidate, ...]:
        """What to choose among in this round (counted from 0), were each measured with noise ``sigma``.

        Several candidates may share their columns and differ in their bins: once one is chosen, the
        others on the same columns leave the round. An empty tuple ends the measuring.
        """
        ...
