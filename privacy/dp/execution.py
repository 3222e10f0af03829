"""Carries a plan out: every step is solved, charged, and only then is the data looked at.

Nothing here returns or raises anything that depends on the data without noise.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import combinations
from typing import Literal, TypeGuard

import numpy as np

from privacy.accounting import rho_down
from privacy.dp import opendp_door, tied
from privacy.dp.charging import Charge, pay
from privacy.dp.counting import ExactCounter
from privacy.dp.sensitivity import l2_of, l2_of_table, linf_of_scores, parts_of
from privacy.hints import favoured
from privacy.plans import MeasurementPlan
from privacy.values import (
    AdaptiveModel,
    AnyClique,
    Candidate,
    Clique,
    Domain,
    IntArray,
    Measurement,
    Model,
    NoisyMarginal,
    NoisyTable,
    NoisyTied,
    PrivacyUnit,
    TiedClique,
)

NO_DELTA = Decimal(0)
MORE_CELLS = Decimal(1) / 3  # power of a table's cells that its part of a round's rho follows
SURE = 9  # choosing no table is so many times as likely as choosing one, where chance alone speaks
LEAST_REST = Decimal("0.01")  # of rho: what an adaptive model leaves beyond this buys all one-way tables once more


def execute(
    plan: MeasurementPlan,
    *,
    counter: ExactCounter,
    charge: Charge,
    model: Model,
    unit: PrivacyUnit,
    rho: Decimal,
    spent: Decimal = NO_DELTA,
) -> tuple[NoisyTable, ...]:
    """Measures what the plan asks for, at most ``rho`` in all, telling the model of each marginal at once.

    ``spent``: what of ``rho`` key discovery has already cost.

    ``charge`` is called before the data is touched, for choosing as well as for measuring; when it
    raises, nothing more is read. ValueError for a plan that does not fit the domain or the model.
    """
    plan.check(counter.domain)
    run = _Run(counter=counter, charge=charge, model=model, unit=unit, spent=spent)
    if plan.one_way_share:
        _one_way(run, rho=rho_down(rho * plan.one_way_share))
    rounds, per_round = _rounds(run, plan, rho=rho)
    if plan.workload:
        _fixed(run, plan, rho=rho_down(rho * _for_planned(run, plan, chosen=rounds * per_round)))
    kept = rho_down(rho * plan.held_share)
    _adaptive(run, plan, rounds=rounds, per_round=per_round, total=rho - kept)
    if plan.rounds is None and plan.rest > 0 and (left := rho_down(rho - kept - run.spent)) > rho * LEAST_REST:
        _one_way(run, rho=left)
    _hold_back(run, plan, rho=kept)
    return tuple(run.released)


@dataclass(slots=True)
class _Run:
    """The parties of one execution, what was released so far and what it cost."""

    counter: ExactCounter
    charge: Charge
    model: Model
    unit: PrivacyUnit
    released: list[NoisyTable] = field(default_factory=list)
    spent: Decimal = Decimal(0)

    def measure(self, prices: Sequence[tuple[AnyClique, Decimal]], *, held: bool = False) -> None:
        """Releases each clique's counts, at its rho, as a vector of integers with Gaussian noise.

        All are paid for before any is counted; then they are counted together. What is ``held`` the model is not told.
        """
        cliques = [clique for clique, _ in prices]
        doors = [opendp_door.gaussian(sensitivity=l2_of(self.unit, clique), rho=rho) for clique, rho in prices]
        entries = self._pay(
            [self._step("table", door, (clique,), held=held) for door, clique in zip(doors, cliques, strict=True)]
        )
        tables = tied.tables(self.counter, cliques)
        for clique, door, entry, table in zip(cliques, doors, entries, tables, strict=True):
            noisy = door.release(table.ravel()).reshape(clique.shape(self.counter.domain))
            self._tell(_noisy(clique, noisy, door.scale, entry, held=held))

    def choose(self, candidates: tuple[Candidate, ...], *, how_many: int, rho: Decimal) -> tuple[Clique, ...]:
        """Names the cliques the model explains worst, one noisy max each, at ``rho`` for each.

        Fewer than asked for once nothing promises more than chance: that is one more place of the same vector.
        """
        chosen: list[Clique] = []
        scores: dict[Clique, int] = {}
        while candidates and len(chosen) < how_many:
            door = opendp_door.noisy_max(sensitivity=linf_of_scores(self.unit), rho=rho)
            self._pay([self._step("selection", door, tuple(candidate.clique for candidate in candidates))])
            scores = scores or self._scores(candidates)
            vector = [scores[candidate.clique] for candidate in candidates] + _nothing(candidates, scale=door.scale)
            place = door.choose(np.array(vector, dtype=np.int64))
            if place == len(candidates):
                break
            chosen.append(candidates[place].clique)
            candidates = _without(candidates, set(chosen[-1].columns))
        return tuple(chosen)

    def _scores(self, candidates: Sequence[Candidate]) -> dict[Clique, int]:
        """How far the model's tables are from the data's, in rows, less the public penalties."""
        tables = self.counter.tables([candidate.clique for candidate in candidates])
        return {
            candidate.clique: int(np.abs(table - self._expected(candidate.clique)).sum()) - candidate.penalty
            for candidate, table in zip(candidates, tables, strict=True)
        }

    def _expected(self, clique: Clique) -> IntArray:
        expected = np.asarray(self.model.expected(clique))
        if expected.shape != clique.shape(self.counter.domain) or expected.dtype.kind not in "iu":
            raise ValueError("a model must expect whole counts of the candidate's shape")
        return expected.astype(np.int64)

    def _pay(self, steps: list[Measurement]) -> list[str]:
        self.spent += sum((step.rho for step in steps), Decimal(0))
        return pay(self.charge, steps)

    def _step(
        self,
        kind: Literal["table", "selection"],
        door: opendp_door.Mechanism,
        cliques: tuple[AnyClique, ...],
        *,
        held: bool = False,
    ) -> Measurement:
        return Measurement(
            kind=kind,
            mechanism=door.name,
            cliques=cliques,
            sensitivity=door.sensitivity,
            scale=door.scale,
            rho=door.rho,
            delta=NO_DELTA,
            unit=self.unit,
            library=opendp_door.LIBRARY,
            parts=parts_of(cliques[0]),
            held=held,
        )

    def _tell(self, table: NoisyTable) -> None:
        self.released.append(table)
        if isinstance(table, NoisyMarginal) and not table.held:
            self.model.observe(table)


def _noisy(clique: AnyClique, counts: IntArray, sigma: float, entry: str, *, held: bool) -> NoisyTable:
    if isinstance(clique, TiedClique):
        return NoisyTied(clique, counts, sigma, entry, parts_of(clique))
    return NoisyMarginal(clique, counts, sigma, entry, held)


def _one_way(run: _Run, *, rho: Decimal) -> None:
    """Every column's table, each with its own noise: more codes, more of the budget."""
    domain = run.counter.domain
    weights = [Decimal(size).sqrt() for size in domain.sizes]
    shares = [rho_down(rho * weight / sum(weights)) for weight in weights]
    run.measure([(Clique.of(column), share) for column, share in zip(domain.columns, shares, strict=True)])


def _fixed(run: _Run, plan: MeasurementPlan, *, rho: Decimal) -> None:
    """The tables named in advance: twice the weight, twice the rho."""
    weights = plan.fixed_weights or (1,) * len(plan.workload)
    shares = [rho_down(rho * weight / sum(weights)) for weight in weights]
    seen = [_seen(run, plan, clique, rho=share) for clique, share in zip(plan.workload, shares, strict=True)]
    run.measure(list(zip(seen, shares, strict=True)))


def _seen(run: _Run, plan: MeasurementPlan, clique: AnyClique, *, rho: Decimal) -> AnyClique:
    """A table named for a purpose, as finely as an adaptive model finds worth its noise; any other as it stands."""
    if plan.purpose is None or isinstance(clique, TiedClique) or not _is_adaptive(run.model):
        return clique
    sigma = opendp_door.gaussian(sensitivity=l2_of(run.unit, clique), rho=rho).scale
    view = run.model.view(clique, sigma=sigma)
    domain = run.counter.domain
    if set(view.columns) != set(clique.columns) or view.cells(domain) > clique.cells(domain):
        raise ValueError("a model sees a planned table's own columns, in at most as many cells")
    return view


def _for_planned(run: _Run, plan: MeasurementPlan, *, chosen: int) -> Decimal:
    """The share of rho for tables named in advance. Those of a purpose get as much each as the ``chosen`` tables
    that an adaptive model wants beside them, and at most the plan's share.
    """
    if plan.purpose is None or plan.rounds is not None:
        return plan.fixed_share
    planned = len(plan.workload)
    return min((plan.fixed_share + plan.rest) * planned / (planned + chosen), plan.fixed_share)


def _adaptive(run: _Run, plan: MeasurementPlan, *, rounds: int, per_round: int, total: Decimal) -> None:
    """Rounds of choosing and measuring; what a round leaves unspent goes to the rounds after it."""
    one_table = l2_of_table(run.unit)
    for number in range(rounds):
        share = (total - run.spent) / (rounds - number) / per_round
        pick, price = rho_down(share * plan.select_share), rho_down(share * (1 - plan.select_share))
        sigma = opendp_door.gaussian(sensitivity=one_table, rho=price).scale
        candidates = _candidates(run, plan, sigma=sigma, number=number, rounds=rounds)
        chosen = run.choose(candidates, how_many=per_round, rho=pick)
        run.measure(_priced(chosen, run.counter.domain, rho=price))


def _priced(chosen: Sequence[Clique], domain: Domain, *, rho: Decimal) -> list[tuple[AnyClique, Decimal]]:
    """The chosen tables at ``rho`` each on average: more for a table of many cells, whose noise adds up."""
    weights = [Decimal(clique.cells(domain)) ** MORE_CELLS for clique in chosen]
    return [(c, rho_down(rho * w * len(weights) / sum(weights))) for c, w in zip(chosen, weights, strict=True)]


def _hold_back(run: _Run, plan: MeasurementPlan, *, rho: Decimal) -> None:
    """Measured last, so that which tables the model has is settled; all at the same rho."""
    if plan.held is None:
        return
    given = [frozenset(table.clique.columns) for table in run.released]
    chosen = plan.held.chosen(run.counter.domain, given, max_cells=plan.max_cells)
    run.measure([(clique, rho_down(rho / len(chosen))) for clique in chosen], held=True)


def _rounds(run: _Run, plan: MeasurementPlan, *, rho: Decimal) -> tuple[int, int]:
    """The plan's own number of rounds and tables a round, or the adaptive model's."""
    if plan.rest <= 0 or len(run.counter.domain.columns) < 2:
        return 0, 1
    if plan.rounds is not None and plan.per_round is not None:
        return plan.rounds, plan.per_round
    if not _is_adaptive(run.model):
        raise ValueError("a plan that leaves its rounds open needs an adaptive model")
    per_table = float(rho) / l2_of_table(run.unit) ** 2
    rounds, per_round = run.model.rounds(rho=per_table, planned=len(plan.workload))
    if rounds < 0 or per_round < 1:
        raise ValueError("an adaptive model must ask for at least one table a round")
    return rounds, per_round


def _candidates(run: _Run, plan: MeasurementPlan, *, sigma: float, number: int, rounds: int) -> tuple[Candidate, ...]:
    """What the model proposes, or every pair; never a table beyond the plan's largest."""
    domain = run.counter.domain
    proposed = (
        run.model.candidates(sigma=sigma, round=number, rounds=rounds)
        if _is_adaptive(run.model)
        else _pairs(domain, sigma=sigma, taken={table.clique for table in run.released})
    )
    fitting = tuple(each for each in proposed if each.clique.cells(domain) <= plan.max_cells)
    return favoured(fitting, plan.hints, sigma=sigma) if number == 0 and plan.hints else fitting


def _pairs(domain: Domain, *, sigma: float, taken: set[AnyClique]) -> tuple[Candidate, ...]:
    """Every pair not yet measured; the penalty is the L1 error that its noise alone would bring."""
    cliques = (Clique.of(*columns) for columns in combinations(domain.columns, 2))
    error = math.sqrt(2 / math.pi) * sigma
    return tuple(Candidate(clique, round(error * clique.cells(domain))) for clique in cliques if clique not in taken)


def _nothing(candidates: tuple[Candidate, ...], *, scale: float) -> list[int]:
    """The public score of choosing none, where the model foresees what each must beat: the best of these scores.

    Noise of this scale lifts the best of m equal candidates by scale ln m above a single one. Another scale ln SURE
    makes choosing none that many times as likely as choosing any of m that only meet the bar.
    """
    by_chance = [each.chance - each.penalty for each in candidates if each.chance is not None]
    return [max(by_chance) + round(scale * math.log(SURE * len(by_chance)))] if by_chance else []


def _without(candidates: tuple[Candidate, ...], columns: set[str]) -> tuple[Candidate, ...]:
    """The candidates on other columns than those just chosen."""
    return tuple(each for each in candidates if set(each.clique.columns) != columns)


def _is_adaptive(model: Model) -> TypeGuard[AdaptiveModel]:
    return all(hasattr(model, name) for name in ("candidates", "rounds", "view"))
