"""Plans that name tied cliques: kept as JSON, checked, charged before counting, released in parts of a vote."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from privacy import planning
from privacy.dp import execution, opendp_door
from privacy.dp.charging import MemoryLedger
from privacy.dp.counting import NumpyCounter
from privacy.dp.sensitivity import VOTE, l2_of_table, l2_of_tied
from privacy.plans import MeasurementPlan, adaptive_default
from privacy.schema import Schema
from privacy.values import (
    Axis,
    Clique,
    Columns,
    Domain,
    IntArray,
    Measurement,
    NoisyMarginal,
    NoisyTable,
    NoisyTied,
    PrivacyUnit,
    Release,
    TiedClique,
)
from synthesis.loop import Loop, LoopSettings
from tests import privacy_site
from tests.sizes import Note, Repeats
from tests.unit.test_privacy_tied import adversarial, by_hand, random_case

HALF = Decimal("0.5")
HOME = Domain(("size", "a", "b", "c"), (3, 4, 4, 2))
PAIR = TiedClique("size", (0, 1, 2), (Clique.of("a"), Clique.of("b")), (0, 0), 1)
ROLES = TiedClique("size", (0, 1, 2), (Clique.of("a"), Clique.of("b")), (0, 1), 1)


class Onlooker:
    def __init__(self, domain: Domain) -> None:
        self.domain, self.seen = domain, 0

    def expected(self, clique: Clique) -> IntArray:
        return np.zeros(clique.shape(self.domain), dtype=np.int64)

    def observe(self, marginal: NoisyMarginal) -> None:
        assert isinstance(marginal, NoisyMarginal)
        self.seen += 1


class Watched:
    """Counts, once every table that is asked for was paid for."""

    def __init__(self, codes: IntArray, domain: Domain, ledger: MemoryLedger) -> None:
        self.domain, self._counter, self._ledger = domain, NumpyCounter(codes, domain), ledger

    def counts(self, clique: Clique) -> IntArray:
        return self.tables((clique,))[0]

    def tables(self, cliques: Sequence[Clique]) -> tuple[IntArray, ...]:
        paid = [each for entry in self._ledger.entries for each in entry.cliques]
        covered = {one for each in paid for one in (each.counted if isinstance(each, TiedClique) else (each,))}
        assert set(cliques) <= covered, "the data was looked at before that look was paid for"
        return self._counter.tables(cliques)

    def batches(self) -> Iterable[Columns]:
        """Whole rows, for tables whose votes follow a row's norm."""
        paid = [each for entry in self._ledger.entries for each in entry.cliques]
        assert any(isinstance(each, TiedClique) and each.by_norm for each in paid), "rows were looked at unpaid"
        return self._counter.batches()


def plan_of(fixed: Sequence[Clique], tied: Sequence[TiedClique], weights: Sequence[int] = ()) -> MeasurementPlan:
    return MeasurementPlan(
        one_way_share=HALF, fixed_share=HALF, fixed=tuple(fixed), tied=tuple(tied), fixed_weights=tuple(weights),
        rounds=0, per_round=1,
    )  # fmt: skip


def carried_out(
    plan: MeasurementPlan, codes: IntArray, domain: Domain, unit: PrivacyUnit
) -> tuple[tuple[NoisyTable, ...], list[Measurement]]:
    ledger, onlooker = MemoryLedger(HALF), Onlooker(domain)
    counter = Watched(codes, domain, ledger)
    released = execution.execute(plan, counter=counter, charge=ledger, model=onlooker, unit=unit, rho=HALF)
    assert onlooker.seen == sum(isinstance(table, NoisyMarginal) for table in released)
    assert ledger.spent <= HALF
    return released, ledger.entries


class NoNoise:
    """Stands in for the mechanism: lets the counts out as they are, and remembers what bound they were charged at."""

    name, scale, rho = "none", 1.0, Decimal("1e-9")

    def __init__(self, sensitivity: float) -> None:
        self.sensitivity = sensitivity

    def release(self, counts: IntArray) -> IntArray:
        return counts


def random_plan(rng: np.random.Generator) -> tuple[Domain, MeasurementPlan, PrivacyUnit]:
    """One or two tied cliques over the same slots, and sometimes a table of single rows beside them."""
    domain, tied, unit = random_case(rng)
    coarser = TiedClique(tied.size, tied.present, tied.slots, (0,) * len(tied.slots), 1)
    fixed = [Clique.of(*domain.columns[1:3])][: int(rng.integers(0, 2))]
    chosen = [tied, coarser][: int(rng.integers(1, 3))]
    weights = [int(each) for each in rng.integers(1, 5, len(fixed) + len(chosen))]
    return domain, plan_of(fixed, chosen, weights), unit


def largest_share(monkeypatch: pytest.MonkeyPatch, *, trials: int, seed: int) -> float:
    """How much of the sensitivity it was charged at any released table took between neighbours, at the most."""
    monkeypatch.setattr(opendp_door, "gaussian", lambda *, sensitivity, rho: NoNoise(sensitivity))
    rng, largest = np.random.default_rng(seed), 0.0
    for _ in range(trials):
        domain, plan, unit = random_plan(rng)
        others = adversarial(rng, domain, int(rng.integers(0, 5)))
        ends = [adversarial(rng, domain, unit.k)]
        ends.append(adversarial(rng, domain, unit.k if unit.neighbours == "change-one" else 0))
        (left, charges), (right, _) = (carried_out(plan, np.vstack([others, end]), domain, unit) for end in ends)
        for one, other, charge in zip(left, right, charges, strict=True):
            moved = math.sqrt(sum(int(gap) ** 2 for gap in (one.counts - other.counts).ravel()))
            largest = max(largest, moved / charge.sensitivity)
    return largest


@pytest.mark.long_sizes
def test_no_unit_moves_a_planned_table_beyond_what_it_was_charged_for(
    monkeypatch: pytest.MonkeyPatch, is_long: bool, repeats: Repeats, note: Note
) -> None:
    trials, largest = 0, 0.0
    for number in repeats(20 if is_long else 1):
        largest = max(largest, largest_share(monkeypatch, trials=150, seed=1 + 100 * number))
        trials += 150
        assert 1 - 1e-12 < largest <= 1
    size = f"{trials} random plans, units and neighbours"
    note("C3", "one unit's change of a tied table", size, f"at most {largest:.12f} of its sensitivity", "1")


@pytest.mark.parametrize("factor", [0.95, 1 / VOTE])
def test_a_sensitivity_that_is_too_small_is_caught(monkeypatch: pytest.MonkeyPatch, factor: float) -> None:
    """The second one is a plan that forgets that tied tables are counted in parts of a vote."""
    monkeypatch.setattr(execution, "l2_of", lambda unit, clique: factor * _honest(unit, clique))
    assert largest_share(monkeypatch, trials=60, seed=2) > 1


def _honest(unit: PrivacyUnit, clique: Any) -> float:
    return l2_of_tied(unit, clique) if isinstance(clique, TiedClique) else l2_of_table(unit)


def test_a_tied_table_is_charged_by_its_weight_and_comes_back_in_votes() -> None:
    rng = np.random.default_rng(3)
    codes = rng.integers(0, HOME.sizes, (5000, 4))
    plan = plan_of([Clique.of("a", "c")], [PAIR, ROLES], [1, 1, 4])
    released, charges = carried_out(plan, codes, HOME, PrivacyUnit())
    assert [charge.parts for charge in charges] == [1] * 5 + [VOTE] * 2
    assert float(charges[-1].rho / charges[-2].rho) == pytest.approx(4, rel=1e-9)
    release = Release.of("r", HOME, released, PrivacyUnit(), HALF, Decimal(0))
    assert [table.clique for table in release.tied] == [PAIR, ROLES]
    for table, charge in zip(release.tied, charges[-2:], strict=True):
        assert charge.sensitivity == l2_of_tied(PrivacyUnit(), table.clique)
        assert (table.sigma, table.parts, charge.cliques) == (charge.scale, VOTE, (table.clique,))
        gaps = (table.counts - by_hand(codes, HOME, table.clique)) / table.sigma
        assert 0.1 < np.abs(gaps).max() < 6
        assert (table.counts / table.parts).sum() == pytest.approx(5000 * (2 if table.clique is ROLES else 1), rel=0.6)


def test_a_release_that_holds_tied_tables_does_not_disturb_the_loop() -> None:
    codes = np.random.default_rng(4).integers(0, HOME.sizes, (3000, 4))
    released, _ = carried_out(plan_of([Clique.of("a", "b")], [PAIR]), codes, HOME, PrivacyUnit())
    release = Release.of("r", HOME, released, PrivacyUnit(), HALF, Decimal(0))
    without = Release("r", HOME, release.marginals, PrivacyUnit(), HALF, Decimal(0))
    with_tied, plain = (Loop.from_release(each, settings=LoopSettings(), seed=0) for each in (release, without))
    assert (with_tied.records(200) == plain.records(200)).all()


def test_a_tied_table_can_be_tried_on_mock_rows() -> None:
    schema = Schema.parse(privacy_site.declaration())
    slots = (Clique((Axis("age", (0,) * 5 + (1,) * 6),)), Clique((Axis("pay", (0, 1, 1)),)))
    plan = plan_of([], [TiedClique("sex", (1, 2), slots, (0, 0), 1)])
    found = planning.simulate(schema, rho=HALF, rows=4000, plan=plan).tables[-1]
    assert (found.columns, found.cells, found.fitted_tvd) == (("sex", "age", "pay"), 2, None)
    assert found.sigma == pytest.approx(1 / math.sqrt(2 * float(found.rho)), rel=1e-3), (
        "in votes, as a count of rows is"
    )
    assert found.noise_tvd < 0.01


def test_plans_with_tied_cliques_survive_json() -> None:
    rng = np.random.default_rng(5)
    for _ in range(50):
        domain, plan, _ = random_plan(rng)
        plan.check(domain)
        assert MeasurementPlan.from_json(plan.to_json()) == plan


GOOD = PAIR.to_json()
MALFORMED: list[tuple[Any, str]] = [
    ({"tied": 3}, "wrong kind"),
    ({"tied": [[]]}, "wrong kind"),
    ({"tied": [{**GOOD, "more": 1}]}, "wrong kind"),
    ({"tied": [{**GOOD, "size_column": 3}]}, "wrong kind"),
    ({"tied": [{**GOOD, "present": [0, 1, True]}]}, "wrong kind"),
    ({"tied": [{**GOOD, "present": "012"}]}, "wrong kind"),
    ({"tied": [{**GOOD, "votes": 1.0}]}, "wrong kind"),
    ({"tied": [{**GOOD, "votes": 0}]}, "at least one vote"),
    ({"tied": [{**GOOD, "blocks": [0, 10**12]}]}, "without gaps"),
    ({"tied": [{**GOOD, "blocks": [1, 1]}]}, "without gaps"),
    ({"tied": [{**GOOD, "slots": [GOOD["slots"][0], [{"column": "b", "bins": [10**12]}]]}]}, "bins of b"),
    ({"tied": [{**GOOD, "slots": []}]}, "without gaps"),
    ({"tied": [GOOD], "fixed_weights": [1, 2]}, "one weight a table"),
    ({"tied": []}, "needs a workload|share needs"),
]


@pytest.mark.parametrize(("changes", "rule"), MALFORMED)
def test_a_malformed_plan_names_its_rule(changes: dict[str, Any], rule: str) -> None:
    stored = adaptive_default(HOME).to_json() | {"fixed_share": "0.1"}
    with pytest.raises(ValueError, match=rule):
        MeasurementPlan.from_json(stored | changes)


UNFIT: list[tuple[TiedClique, str]] = [
    (TiedClique("rooms", (1,), PAIR.slots, (0, 0), 1), r"not declared: \['rooms'\]"),
    (TiedClique("size", (0, 1, 1), (Clique.of("z"),), (0,), 1), r"not declared: \['z'\]"),
    (TiedClique("size", (0, 1, 1), (Clique((Axis("a", (0, 1)),)),), (0,), 1), "bins of a"),
    (TiedClique("size", (0, 1, 2), (Clique.of("a"), Clique.of("c")), (0, 0), 1), "that of c differs"),
    (TiedClique("size", (0, 1), (Clique.of("a"),), (0,), 1), "each code of size"),
    (TiedClique("size", (0, 1, 1), (Clique.of("a", "b", "c"),), (0,), 1), "more than 40 cells"),
    (TiedClique("c", (0, 4), (Clique((Axis("a"), Axis("b"))),) * 4, (0, 1, 2, 3), 1), "more than 40 cells"),
]


@pytest.mark.parametrize(("clique", "rule"), UNFIT)
def test_a_plan_must_fit_the_domain(clique: TiedClique, rule: str) -> None:
    plan = MeasurementPlan(one_way_share=HALF, fixed_share=HALF, tied=(clique,), rounds=0, per_round=1, max_cells=40)
    with pytest.raises(ValueError, match=rule):
        plan.check(HOME)


def test_a_tied_table_counts_in_the_plans_own_order() -> None:
    """Tables of both kinds in one pass come back each to its own clique."""
    codes = np.random.default_rng(6).integers(0, HOME.sizes, (400, 4))
    released, _ = carried_out(plan_of([Clique.of("c", "a")], [ROLES, PAIR]), codes, HOME, PrivacyUnit())
    exact = NumpyCounter(codes, HOME)
    for table in released:
        true = by_hand(codes, HOME, table.clique) if isinstance(table, NoisyTied) else exact.counts(table.clique)
        assert np.abs((table.counts - true) / table.sigma).max() < 6
