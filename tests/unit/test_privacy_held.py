"""Tables that are held back: drawn in public, paid for, measured last, and never told to the model."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest

from privacy import ledger, plans
from privacy.dp import execution
from privacy.dp.charging import MemoryLedger
from privacy.dp.counting import NumpyCounter
from privacy.plans import Held, MeasurementPlan
from privacy.values import Clique, Domain, IntArray, NoisyMarginal, PrivacyUnit, Release

DOMAIN = Domain.from_mapping({"a": 2, "b": 3, "c": 4, "d": 2, "e": 3})
RHO = Decimal("0.5")


class Watcher:
    """A model that writes down what it was told."""

    def __init__(self) -> None:
        self.told: list[NoisyMarginal] = []

    def expected(self, clique: Clique) -> IntArray:
        return np.zeros(clique.shape(DOMAIN), dtype=np.int64)

    def observe(self, marginal: NoisyMarginal) -> None:
        self.told.append(marginal)


def measured(plan: MeasurementPlan) -> tuple[Watcher, MemoryLedger, tuple[NoisyMarginal, ...]]:
    rows = np.stack([np.random.default_rng(1).integers(0, size, 500) for size in DOMAIN.sizes], axis=1)
    model, purse = Watcher(), MemoryLedger(RHO)
    counter = NumpyCounter(rows, DOMAIN)
    found = execution.execute(plan, counter=counter, charge=purse, model=model, unit=PrivacyUnit(), rho=RHO)
    return model, purse, tuple(table for table in found if isinstance(table, NoisyMarginal))


def adaptive() -> MeasurementPlan:
    return MeasurementPlan(one_way_share=Decimal("0.3"), rounds=2, per_round=1)


def test_the_model_is_told_every_table_but_those_held_back() -> None:
    model, purse, found = measured(plans.keeping(adaptive(), seed=7))
    held = [table for table in found if table.held]
    assert len(held) == plans.HELD_TABLES
    assert held == list(found[-len(held) :])
    assert {id(table) for table in model.told} == {id(table) for table in found if not table.held}
    assert purse.spent <= RHO
    assert [entry.held for entry in purse.entries].count(True) == len(held)
    charged = sum((entry.rho for entry in purse.entries if entry.held), Decimal(0))
    assert charged == pytest.approx(RHO * plans.HELD_SHARE)
    assert ledger.facts_of(purse.entries[-1])["held"] is True
    assert "held" not in ledger.facts_of(purse.entries[0])


def test_what_is_held_back_is_no_part_of_what_a_release_hands_to_the_loop() -> None:
    _, _, found = measured(plans.keeping(adaptive(), seed=7))
    release = Release.of("r", DOMAIN, found, PrivacyUnit(), RHO, Decimal(0))
    assert len(release.held) == plans.HELD_TABLES
    assert not any(table.held for table in release.marginals)
    assert len(release.marginals) + len(release.held) == len(found)


def test_pairs_that_the_model_was_not_given_come_first_and_the_seed_says_which() -> None:
    held, given = Held(Decimal("0.05"), 3, 5), [frozenset("abc"), frozenset("de")]
    chosen = held.chosen(DOMAIN, given, max_cells=100)
    assert chosen == held.chosen(DOMAIN, reversed(given), max_cells=100)
    assert not any(columns.issuperset(pair.columns) for pair in chosen for columns in given)
    others = {Held(Decimal("0.05"), 3, seed).chosen(DOMAIN, given, max_cells=100) for seed in range(20)}
    assert len(others) > 5
    every = Held(Decimal("0.05"), 3, 5).chosen(DOMAIN, [frozenset("abcde")], max_cells=100)
    assert len(every) == 3  # nothing else is left: independent noise still judges the fit
    assert all(pair.cells(DOMAIN) <= 6 for pair in held.chosen(DOMAIN, [], max_cells=6))


def test_a_plan_that_holds_back_is_stored_and_read_again_and_older_ones_hold_nothing_back() -> None:
    plan = plans.keeping(plans.adaptive_default(DOMAIN), seed=2**47 + 1)
    assert MeasurementPlan.from_json(plan.to_json()) == plan
    older = {name: value for name, value in plans.adaptive_default(DOMAIN).to_json().items() if name != "held"}
    assert MeasurementPlan.from_json(older).held is None
    for wrong in (
        {"share": "2", "tables": 3, "seed": "1"},
        {"share": "0.1", "tables": 0, "seed": "1"},
        {"share": "0.1"},
    ):
        with pytest.raises(ValueError, match=r"held back|wrong kind"):
            MeasurementPlan.from_json({**older, "held": wrong})
