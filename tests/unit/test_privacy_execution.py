"""Plans and their execution: charged before counted, within the budget, nothing after a refusal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from privacy.dp.charging import MemoryLedger
from privacy.dp.counting import NumpyCounter
from privacy.dp.execution import execute
from privacy.errors import NotAffordable
from privacy.plans import MeasurementPlan, adaptive_default, all_pairs, for_purpose
from privacy.purposes import Purpose
from privacy.values import Axis, Candidate, Clique, Domain, IntArray, Measurement, NoisyMarginal, PrivacyUnit

DOMAIN = Domain(("a", "b", "c"), (3, 10, 4))
ROWS = 3000
ROUNDS = MeasurementPlan(one_way_share=Decimal("0.3"), rounds=2, per_round=1)


class Onlooker:
    """A model that expects the same count everywhere, and remembers what it was told."""

    def __init__(self) -> None:
        self.seen: list[NoisyMarginal] = []

    def expected(self, clique: Clique) -> IntArray:
        return np.full(clique.shape(DOMAIN), round(ROWS / clique.cells(DOMAIN)), dtype=np.int64)

    def observe(self, marginal: NoisyMarginal) -> None:
        self.seen.append(marginal)


class Adaptive(Onlooker):
    """Wants two rounds of two, among pairs at two levels of detail."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[float, int, int]] = []
        self.budget, self.planned = 0.0, 0
        self.views: list[tuple[Clique, float]] = []

    def rounds(self, *, rho: float, planned: int) -> tuple[int, int]:
        self.budget, self.planned = rho, planned
        return 2, 2

    def view(self, clique: Clique, *, sigma: float) -> Clique:
        self.views.append((clique, sigma))
        return clique

    def candidates(self, *, sigma: float, round: int, rounds: int) -> tuple[Candidate, ...]:
        self.asked.append((sigma, round, rounds))
        halves = Axis("b", (0,) * 5 + (1,) * 5)
        cliques = [Clique.of("a", "b"), Clique((Axis("a"), halves)), Clique.of("a", "c"), Clique((halves, Axis("c")))]
        return tuple(Candidate(clique, round) for clique in cliques)


class Diary:
    """Notes, in order, each charge and each look at the data."""

    def __init__(self, cap: str) -> None:
        self.ledger, self.notes = MemoryLedger(Decimal(cap)), []
        rng = np.random.default_rng(0)
        a = rng.integers(0, 3, ROWS)
        codes = np.stack([a, (a * 3 + rng.integers(0, 2, ROWS)) % 10, rng.integers(0, 4, ROWS)], axis=1)
        self.counter = NumpyCounter(codes, DOMAIN)
        self.domain = DOMAIN

    notes: list[tuple[str, Any]]

    def charge(self, measurement: Measurement) -> str:
        entry = self.ledger(measurement)
        self.notes.append(("charge", measurement))
        return entry

    def counts(self, clique: Clique) -> IntArray:
        self.notes.append(("count", clique))
        return self.counter.counts(clique)

    def tables(self, cliques: Sequence[Clique]) -> tuple[IntArray, ...]:
        return tuple(self.counts(clique) for clique in cliques)


def carry_out(plan: MeasurementPlan, model: Any, diary: Diary, *, rho: str = "0.5", unit: Any = None) -> Any:
    return execute(plan, counter=diary, charge=diary.charge, model=model, unit=unit or PrivacyUnit(), rho=Decimal(rho))


PLANS: list[tuple[MeasurementPlan, Callable[[], Onlooker]]] = [
    (all_pairs(DOMAIN), Onlooker),
    (ROUNDS, Onlooker),
    (adaptive_default(DOMAIN), Adaptive),
    (for_purpose(DOMAIN, Purpose(("a",), (("b", 4),))), Adaptive),
]


@pytest.mark.parametrize(("plan", "model"), PLANS)
@pytest.mark.parametrize("unit", [PrivacyUnit(), PrivacyUnit("identifier", 4, "who", "change-one")])
def test_charges_come_first_and_stay_within_the_budget(plan: Any, model: Any, unit: PrivacyUnit) -> None:
    diary, onlooker = Diary("0.5"), model()
    released = carry_out(plan, onlooker, diary, unit=unit)
    paid: set[Clique] = set()
    for kind, what in diary.notes:
        if kind == "charge":
            paid.update(what.cliques)
        else:
            assert what in paid, "the data was looked at before that look was paid for"
    assert Decimal("0.499999") < diary.ledger.spent <= Decimal("0.5")
    assert list(released) == onlooker.seen
    assert {table.clique for table in released} >= {Clique.of(column) for column in DOMAIN.columns}


@pytest.mark.parametrize(("plan", "model"), PLANS)
def test_every_charge_is_what_opendp_says_it_costs(plan: Any, model: Any) -> None:
    diary = Diary("0.5")
    carry_out(plan, model(), diary)
    for charge in diary.ledger.entries:
        if charge.kind == "table":
            by_hand = (charge.sensitivity / charge.scale) ** 2 / 2
        else:
            by_hand = (2 * charge.sensitivity / charge.scale) ** 2 / 8
        assert float(charge.rho) == pytest.approx(by_hand, rel=1e-6)
        assert float(charge.rho) >= by_hand * (1 - 1e-12)
        assert charge.library == "opendp 0.16.0"


@pytest.mark.parametrize(("plan", "model"), PLANS)
@pytest.mark.parametrize("cap", ["0.0001", "0.05", "0.2", "0.4"])
def test_after_a_refused_charge_nothing_more_is_read(plan: Any, model: Any, cap: str) -> None:
    diary = Diary(cap)
    with pytest.raises(NotAffordable):
        carry_out(plan, model(), diary)
    looked = [what for kind, what in diary.notes if kind == "count"]
    charged = {clique for kind, what in diary.notes if kind == "charge" for clique in what.cliques}
    assert set(looked) <= charged
    assert diary.ledger.spent <= Decimal(cap)


def test_a_released_table_names_the_charge_that_paid_for_it() -> None:
    diary = Diary("0.5")
    for table in carry_out(adaptive_default(DOMAIN), Adaptive(), diary):
        charge = diary.ledger.entries[int(table.measurement) - 1]
        assert (charge.kind, charge.cliques, charge.scale) == ("table", (table.clique,), table.sigma)


def test_a_chosen_pair_takes_its_other_levels_out_of_the_round() -> None:
    diary, model = Diary("0.5"), Adaptive()
    released = carry_out(adaptive_default(DOMAIN), model, diary)
    pairs = [table.clique for table in released if len(table.clique.columns) == 2]
    assert len(pairs) == 4
    for first, second in (pairs[:2], pairs[2:]):
        assert set(first.columns) != set(second.columns)
    assert [(number, rounds) for _, number, rounds in model.asked] == [(0, 2), (1, 2)]
    assert (model.budget, model.planned) == (pytest.approx(0.5), 0)
    last = [rho_of(table) for table in released[-2:]]
    assert rho_of(table_of(model.asked[-1][0])) == pytest.approx(sum(last) / 2, rel=1e-6)


def test_of_a_round_a_table_of_more_cells_gets_more() -> None:
    released = [t for t in carry_out(adaptive_default(DOMAIN), Adaptive(), Diary("0.5")) if len(t.clique.axes) == 2]
    for first, second in (released[:2], released[2:]):
        cells = first.counts.size / second.counts.size
        assert rho_of(first) / rho_of(second) == pytest.approx(cells ** (1 / 3), rel=1e-6)


def table_of(sigma: float) -> NoisyMarginal:
    return NoisyMarginal(Clique.of("a"), np.zeros(3, np.int64), sigma, "m")


def rho_of(table: NoisyMarginal) -> float:
    return 1 / (2 * table.sigma**2)


def test_strong_dependence_is_chosen_first() -> None:
    """a and b depend on each other, c on nothing: with this budget the choice is all but certain."""
    first = carry_out(ROUNDS, Onlooker(), Diary("5"), rho="5")[3]
    assert set(first.clique.columns) == {"a", "b"}


class Pessimist(Adaptive):
    """Foresees that chance alone brings every candidate's distance, and more."""

    def candidates(self, *, sigma: float, round: int, rounds: int) -> tuple[Candidate, ...]:
        return tuple(replace(each, chance=50 * ROWS) for each in super().candidates(sigma=sigma, round=0, rounds=2))


def test_where_nothing_promises_more_than_chance_the_rest_buys_the_one_way_tables_again() -> None:
    diary = Diary("0.5")
    released = carry_out(adaptive_default(DOMAIN), Pessimist(), diary)
    assert [table.clique for table in released] == [Clique.of(column) for column in DOMAIN.columns] * 2
    assert released[3].sigma < released[0].sigma
    assert Decimal("0.499") < diary.ledger.spent <= Decimal("0.5")


def test_chance_below_what_is_there_chooses_as_before() -> None:
    class Hopeful(Adaptive):
        def candidates(self, *, sigma: float, round: int, rounds: int) -> tuple[Candidate, ...]:
            found = super().candidates(sigma=sigma, round=round, rounds=rounds)
            return tuple(replace(each, chance=-50 * ROWS) for each in found)

    released = carry_out(adaptive_default(DOMAIN), Hopeful(), Diary("0.5"))
    assert sum(len(table.clique.columns) == 2 for table in released) >= 2


def test_release_is_near_the_truth_and_not_the_truth() -> None:
    diary = Diary("0.5")
    released = carry_out(all_pairs(DOMAIN), Onlooker(), diary)
    gaps = [(t.counts - diary.counter.counts(t.clique)) / t.sigma for t in released]
    joined = np.concatenate([gap.ravel() for gap in gaps])
    assert 0.5 < joined.std() < 1.6
    assert np.abs(joined).max() < 6


def test_a_model_of_the_wrong_shape_is_refused() -> None:
    class Wrong(Onlooker):
        def expected(self, clique: Clique) -> IntArray:
            return np.zeros(3, dtype=np.int64)

    with pytest.raises(ValueError, match="shape"):
        carry_out(ROUNDS, Wrong(), Diary("0.5"))


def test_open_rounds_need_an_adaptive_model() -> None:
    with pytest.raises(ValueError, match="adaptive"):
        carry_out(adaptive_default(DOMAIN), Onlooker(), Diary("0.5"))


def test_a_purpose_measures_every_column_with_its_targets_at_its_weights() -> None:
    purpose = Purpose(("a",), (("b", 4),))
    plan = for_purpose(DOMAIN, purpose)
    assert [set(clique.columns) for clique in plan.fixed] == [{"a", "b"}, {"a", "c"}]
    assert plan.fixed_weights == (4, 1)
    diary = Diary("0.5")
    released = carry_out(plan, Adaptive(), diary)
    heavy, light = (table.sigma for table in released[3:5])  # after the three one-way tables
    assert light == pytest.approx(2 * heavy, rel=1e-6)  # a quarter of rho is twice the noise
    assert for_purpose(DOMAIN, Purpose(("b", "c"), (("a", 0),))).fixed == (Clique.of("b", "c"),)
    with pytest.raises(ValueError, match="column z"):
        for_purpose(DOMAIN, Purpose(("z",)))
    with pytest.raises(ValueError, match="not declared"):
        replace(plan, purpose=Purpose(("z",))).check(DOMAIN)


class Coarse(Adaptive):
    """Sees every planned table with column b in two halves."""

    halves = Axis("b", (0,) * 5 + (1,) * 5)

    def view(self, clique: Clique, *, sigma: float) -> Clique:
        super().view(clique, sigma=sigma)
        return Clique(tuple(self.halves if axis.column == "b" else axis for axis in clique.axes))


def test_a_purposes_tables_are_seen_as_the_model_sees_them_and_no_other_planned_table_is() -> None:
    model = Coarse()
    released = carry_out(for_purpose(DOMAIN, Purpose(("a",))), model, Diary("0.5"))
    planned = released[3:5]
    assert [table.counts.shape for table in planned] == [(3, 2), (3, 4)]
    assert [sigma for _, sigma in model.views] == pytest.approx([table.sigma for table in planned])
    assert model.planned == 2
    by_hand = replace(adaptive_default(DOMAIN), fixed_share=Decimal("0.2"), fixed=(Clique.of("a", "b"),))
    assert carry_out(by_hand, Coarse(), Diary("0.5"))[3].counts.shape == (3, 10)


def test_a_purposes_tables_get_as_much_each_as_the_chosen_ones_and_at_most_the_plans_share() -> None:
    plan = for_purpose(DOMAIN, Purpose(("a",)))
    released = carry_out(plan, Adaptive(), Diary("0.5"))
    assert [2 * rho_of(table) for table in released[3:5]] == pytest.approx([0.7 / 6] * 2, rel=1e-6)
    capped = carry_out(replace(plan, fixed_share=Decimal("0.1")), Adaptive(), Diary("0.5"))
    assert [2 * rho_of(table) for table in capped[3:5]] == pytest.approx([0.05] * 2, rel=1e-6)


@pytest.mark.parametrize("seen", [Clique.of("a", "c"), Clique.of("a", "b", "c")])
def test_a_view_of_other_columns_or_of_more_cells_is_refused_before_any_look(seen: Clique) -> None:
    class Wrong(Adaptive):
        def view(self, clique: Clique, *, sigma: float) -> Clique:
            return seen

    diary = Diary("0.5")
    with pytest.raises(ValueError, match="own columns"):
        carry_out(for_purpose(DOMAIN, Purpose(("a",), (("c", 0),))), Wrong(), diary)
    assert {len(what.axes) for kind, what in diary.notes if kind == "count"} == {1}
