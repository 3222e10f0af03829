"""What will be asked of the data, and how the privacy loss is split: declared before anything is measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from itertools import combinations
from typing import Any

from privacy import hints as told
from privacy.held import Held
from privacy.plan_parts import Search, Stages, share_of
from privacy.purposes import Purpose, tables
from privacy.values import AnyClique, Clique, Domain, TiedClique

MAX_CELLS = 2**20
DISCOVERY_SHARE = Decimal("0.1")
HELD_SHARE, HELD_TABLES = Decimal("0.05"), 3


@dataclass(frozen=True, slots=True)
class MeasurementPlan:
    """Keys first where categories are unknown, then one-way tables, a fixed workload, and rounds of choosing pairs.

    ``discovery_share`` and ``searches``: share of rho for finding categories, the same for each searched column.
    ``one_way_share``: share of rho for all one-way tables, divided so that a column with more codes gets
    more (as the square root of its number of codes). It may be 0 where a fixed workload is all that is measured.
    ``fixed_share``: share of rho for tables named in advance, which are those of ``fixed`` and then those of
    ``tied`` (one table pooled over repeated slots of a row), divided by the public ``fixed_weights`` (a whole
    number a table, in that order; none given: the same rho for all). ``purpose`` says what they were named for.
    What remains belongs to the rounds; of it, ``select_share`` pays for choosing.
    ``rounds`` and ``per_round`` may be left to an adaptive model (None), and what its rounds then leave buys all
    one-way tables once more; ``rounds=0`` means no rounds.
    ``max_cells`` is the largest table that may be chosen.
    ``held``: tables that the model is never told, to judge its fit by.
    ``hints``: columns said to be dependent before anything was measured; they weigh in the first round of choosing.
    ``stages``: of units with members, whose workload is all that is measured.
    """

    one_way_share: Decimal
    discovery_share: Decimal = Decimal(0)
    searches: tuple[Search, ...] = ()
    fixed_share: Decimal = Decimal(0)
    fixed: tuple[Clique, ...] = ()
    tied: tuple[TiedClique, ...] = ()
    fixed_weights: tuple[int, ...] = ()
    purpose: Purpose | None = None
    select_share: Decimal = Decimal("0.15")
    rounds: int | None = None
    per_round: int | None = None
    max_cells: int = 2**14
    hints: tuple[told.Hint, ...] = ()
    held: Held | None = None
    stages: Stages | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.one_way_share <= 1 or not 0 <= self.fixed_share <= 1 or self.rest < 0:
            raise ValueError("shares must be positive and add up to at most 1")
        if self.one_way_share == 0 and (not self.workload or self.rounds != 0):
            raise ValueError("shares must be positive: only a fixed workload alone needs no one-way tables beside it")
        if bool(self.workload) != (self.fixed_share > 0):
            raise ValueError("a fixed workload needs a share of rho, and a share needs a workload")
        self._check_searches()
        self._check_weights()
        told.checked(self.hints)
        if any(type(each) is not int for each in (self.rounds or 0, self.per_round or 0, self.max_cells)):
            raise ValueError("rounds, per_round and max_cells are whole numbers")
        if not 0 < self.select_share < 1:
            raise ValueError("select_share must be above 0 and below 1")
        if (self.rounds is None) != (self.per_round is None):
            raise ValueError("rounds and per_round are declared together")
        if self.rounds is not None and (self.rounds < 0 or (self.per_round or 0) < 1):
            raise ValueError("rounds must be at least 0 and per_round at least 1")
        if not 1 <= self.max_cells <= MAX_CELLS:
            raise ValueError(f"max_cells must lie between 1 and {MAX_CELLS}")

    def _check_searches(self) -> None:
        if not 0 <= self.discovery_share < 1 or bool(self.searches) != (self.discovery_share > 0):
            raise ValueError("key discovery needs a share of rho, and a share needs a column to search")
        if len({search.column for search in self.searches}) != len(self.searches):
            raise ValueError("a column is searched once")

    def _check_weights(self) -> None:
        if self.stages is not None and (self.fixed_share != 1 or not self.fixed_weights):
            raise ValueError("a workload in stages is all that is measured, and says what each table matters")
        if self.fixed_weights and len(self.fixed_weights) != len(self.workload):
            raise ValueError("a fixed workload has one weight a table, or none at all")
        if any(type(weight) is not int or weight < 1 for weight in self.fixed_weights):
            raise ValueError("the weights of a fixed workload are whole numbers from 1")

    @property
    def workload(self) -> tuple[AnyClique, ...]:
        """Every table named in advance."""
        return (*self.fixed, *self.tied)

    @property
    def rest(self) -> Decimal:
        """The share of rho left to the rounds."""
        return 1 - self.discovery_share - self.one_way_share - self.fixed_share - self.held_share

    @property
    def held_share(self) -> Decimal:
        """The share of rho for what is kept from the model."""
        return self.held.share if self.held else Decimal(0)

    @property
    def discovery_delta(self) -> Decimal:
        """What all searches together spend at most."""
        return sum((search.delta for search in self.searches), Decimal(0))

    def fitted(self, domain: Domain) -> MeasurementPlan:
        """The same plan once categories were found: a purpose's tables, drawn up anew where sizes have changed."""
        if not self.searches or self.purpose is None or not self.fixed:
            return self
        cliques, weights = zip(*tables(domain, self.purpose, max_cells=self.max_cells), strict=True)
        return replace(self, fixed=cliques, fixed_weights=(*weights, *self.fixed_weights[len(self.fixed) :]))

    def check(self, domain: Domain) -> None:
        """ValueError where the plan names a column the domain lacks, or a table beyond ``max_cells``."""
        if self.purpose is not None and (unknown := set(self.purpose.columns) - set(domain.columns)):
            raise ValueError(f"the purpose names columns that are not declared: {sorted(unknown)}")
        if unknown := {column for hint in self.hints for column in hint} - set(domain.columns):
            raise ValueError(f"the plan has hints about columns that are not declared: {sorted(unknown)}")
        searched = {search.column for search in self.searches}
        if unknown := searched - set(domain.columns):
            raise ValueError(f"the plan searches columns that are not declared: {sorted(unknown)}")
        if self.stages is not None and not set(self.stages.sizes) <= set(domain.columns):
            raise ValueError("the plan's stages name a column that is not declared")
        for clique in self.fixed:
            self._knows_columns(clique, domain)
            self._fits_cells(clique, domain)
            if self.purpose is None:  # a purpose's tables are drawn up anew once categories are found
                _knows({axis.column for axis in clique.axes if axis.bins}, searched)
        for tied in self.tied:
            self._fits_tied(tied, domain, searched)

    def _fits_tied(self, tied: TiedClique, domain: Domain, searched: set[str]) -> None:
        for counted in tied.counted:
            self._knows_columns(counted, domain)
            _knows(set(counted.columns), searched)
            if not tied.by_norm:  # otherwise rows are seen whole, and no such table is made
                self._fits_cells(counted, domain)
        tied.check(domain)
        self._fits_cells(tied, domain)

    def _knows_columns(self, clique: Clique, domain: Domain) -> None:
        if unknown := set(clique.columns) - set(domain.columns):
            raise ValueError(f"the plan names columns that are not declared: {sorted(unknown)}")
        for axis in clique.axes:
            if axis.bins and len(axis.bins) != domain.size(axis.column):
                raise ValueError(f"the plan's bins of {axis.column} do not cover its codes")

    def _fits_cells(self, clique: AnyClique, domain: Domain) -> None:
        if clique.cells(domain) > self.max_cells:
            raise ValueError(f"a planned table has more than {self.max_cells} cells: {clique.columns}")

    def to_json(self) -> dict[str, Any]:
        return {
            "one_way_share": str(self.one_way_share),
            "discovery_share": str(self.discovery_share),
            "searches": [search.to_json() for search in self.searches],
            "fixed_share": str(self.fixed_share),
            "fixed": [clique.to_json() for clique in self.fixed],
            "tied": [clique.to_json() for clique in self.tied],
            "fixed_weights": list(self.fixed_weights),
            "purpose": None if self.purpose is None else self.purpose.to_json(),
            "select_share": str(self.select_share),
            "rounds": self.rounds,
            "per_round": self.per_round,
            "max_cells": self.max_cells,
            "hints": [list(hint) for hint in self.hints],
            "held": None if self.held is None else self.held.to_json(),
            **({} if self.stages is None else {"stages": self.stages.to_json()}),
        }

    @classmethod
    def from_json(cls, plan: Mapping[str, Any]) -> MeasurementPlan:
        """The stored plan, older ones without hints, held tables or stages.

        ValueError when a key is missing, unknown or of the wrong kind.
        """
        expected, plan = set(cls.__slots__), {"hints": [], "held": None, "stages": None, **plan}
        if set(plan) != expected:
            raise ValueError(f"a measurement plan has exactly the keys {sorted(expected)}")
        try:
            return cls(
                one_way_share=share_of(plan["one_way_share"]),
                discovery_share=share_of(plan["discovery_share"]),
                searches=tuple(map(Search.from_json, _list(plan["searches"]))),
                fixed_share=share_of(plan["fixed_share"]),
                fixed=tuple(_clique(axes) for axes in _list(plan["fixed"])),
                tied=tuple(_tied(each) for each in _list(plan["tied"])),
                fixed_weights=tuple(_list(plan["fixed_weights"])),
                purpose=None if plan["purpose"] is None else Purpose.from_json(plan["purpose"]),
                select_share=share_of(plan["select_share"]),
                rounds=plan["rounds"],
                per_round=plan["per_round"],
                max_cells=plan["max_cells"],
                hints=told.read(plan["hints"]),
                held=None if plan["held"] is None else Held.from_json(plan["held"]),
                stages=None if plan["stages"] is None else Stages.from_json(plan["stages"]),
            )
        except (InvalidOperation, KeyError, TypeError) as error:
            raise ValueError("a measurement plan holds a value of the wrong kind") from error


def _knows(columns: set[str], searched: set[str]) -> None:
    """Bins, and slots that are to be alike, need categories that are known when the plan is made."""
    if unknown := searched & columns:
        raise ValueError(f"the plan needs to know the categories of columns that it searches: {sorted(unknown)}")


def _list(values: object) -> list[Any]:
    if not isinstance(values, list):
        raise TypeError("a list is stored as a list")
    return values


def _clique(axes: list[dict[str, Any]]) -> Clique:
    """A stored clique; its bins are looked at before anything is made as large as they say."""
    for axis in axes:
        bins = axis["bins"]
        if set(axis) != {"column", "bins"} or not isinstance(axis["column"], str) or not isinstance(bins, list):
            raise TypeError("an axis has a column and a list of bins")
        if any(type(code) is not int or not 0 <= code < len(bins) for code in bins):
            raise ValueError(f"bins of {axis['column']} must be numbered from 0 without gaps")
    return Clique.from_json(axes)


def _tied(tied: object) -> TiedClique:
    """A stored tied clique, as strictly as a clique."""
    keys = {"size_column", "present", "slots", "blocks", "votes"}
    if not isinstance(tied, Mapping) or set(tied) - {"by_norm"} != keys or tied.get("by_norm", True) is not True:
        raise TypeError("a tied clique has exactly its five keys, and by_norm where that is true")
    numbers = [*_list(tied["present"]), *_list(tied["blocks"]), tied["votes"]]
    if not isinstance(tied["size_column"], str) or any(type(each) is not int for each in numbers):
        raise TypeError("a tied clique holds whole numbers and the name of a column")
    slots = tuple(_clique(slot) for slot in _list(tied["slots"]))
    if any(not 0 <= block < len(slots) for block in tied["blocks"]):
        raise ValueError("blocks must be numbered from 0 without gaps")
    return TiedClique.from_json(tied)


def adaptive_default(domain: Domain) -> MeasurementPlan:
    """Three tenths of rho on one-way tables; the model says how many rounds and what to choose among."""
    if len(domain.columns) < 2:
        return MeasurementPlan(one_way_share=Decimal(1), rounds=0, per_round=1)
    return MeasurementPlan(one_way_share=Decimal("0.3"))


def for_purpose(domain: Domain, purpose: Purpose) -> MeasurementPlan:
    """Three tenths of rho on one-way tables, at most six on every pair with a target, and the rest on rounds.

    ValueError where the purpose names an undeclared column.
    """
    plan = adaptive_default(domain)
    weighed = tables(domain, purpose, max_cells=plan.max_cells)
    if not weighed:
        return replace(plan, purpose=purpose)
    cliques, weights = zip(*weighed, strict=True)
    return replace(plan, fixed_share=Decimal("0.6"), fixed=cliques, fixed_weights=weights, purpose=purpose)


def searching(plan: MeasurementPlan, searches: tuple[Search, ...]) -> MeasurementPlan:
    """The plan with a tenth of rho for key discovery before it; all its other shares are of the rest."""
    if not searches:
        return plan
    rest = 1 - DISCOVERY_SHARE
    return replace(
        plan, discovery_share=DISCOVERY_SHARE, searches=searches,
        one_way_share=plan.one_way_share * rest, fixed_share=plan.fixed_share * rest,
    )  # fmt: skip


def keeping(plan: MeasurementPlan, seed: int) -> MeasurementPlan:
    """The plan with a twentieth of rho for tables that are held back; all its other shares are of the rest."""
    rest = 1 - HELD_SHARE
    return replace(
        plan, held=Held(HELD_SHARE, HELD_TABLES, seed), discovery_share=plan.discovery_share * rest,
        one_way_share=plan.one_way_share * rest, fixed_share=plan.fixed_share * rest,
    )  # fmt: skip


def all_pairs(domain: Domain) -> MeasurementPlan:
    """Every pair of columns with the same noise, for a model that only looks on."""
    pairs = tuple(Clique.of(*columns) for columns in combinations(domain.columns, 2))
    if not pairs:
        return adaptive_default(domain)
    largest = max(pair.cells(domain) for pair in pairs)
    return MeasurementPlan(
        one_way_share=Decimal("0.3"),
        fixed_share=Decimal("0.7"),
        fixed=pairs,
        rounds=0,
        per_round=1,
        max_cells=largest,
    )
