"""The ledger against a model: whatever is asked of it in whatever order, both agree on every figure and refusal."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from privacy import caps, ledger, selectors, services
from privacy.errors import CapExceeded, NotAffordable, PrivacyError
from privacy.models import Dataset, LedgerEntry, Population
from tests import privacy_site
from tests.integration.test_privacy_ledger import step
from tests.sizes import Note, Repeats

pytestmark = [pytest.mark.django_db(databases=["default", "log"]), pytest.mark.long_sizes]
AMOUNTS = st.sampled_from(["0.000000000001", "0.1", "0.25", "0.3", "0.7", "1.000000000001", "2", "NaN", "-0.1", "0"])
DELTAS = st.sampled_from(["0", "0", "1e-9", "4e-8", "1e-7", "1"])
Owners = tuple[Any, Any]


class Held:
    """A reservation as the model sees it."""

    def __init__(self, entry: LedgerEntry, rho: Decimal, delta: Decimal) -> None:
        self.entry, self.rho, self.delta = entry, rho, delta
        self.drawn, self.open = False, True


class LedgerModel(RuleBasedStateMachine):
    """Cap 2 of rho and 1e-7 of delta; the model keeps what is spent and what is held."""

    reservations = Bundle("reservations")
    dataset: Dataset
    owners: Owners

    def __init__(self) -> None:
        super().__init__()
        self.savepoint = transaction.atomic()
        self.savepoint.__enter__()
        name = f"people {Population.objects.count()} {id(self)}"
        declared = privacy_site.declaration(
            population=name, cap={"rho": "2", "delta": "1e-6", "discoveryDelta": "1e-7"}
        )
        self.dataset = services.register_dataset(by=self.owners[0], declaration=declared)
        self.cap, self.cap_delta = Decimal(2), Decimal("1e-7")
        self.spent = self.spent_delta = Decimal(0)
        self.held: list[Held] = []

    def teardown(self) -> None:
        self.savepoint.__exit__(None, None, None)

    def left(self) -> tuple[Decimal, Decimal]:
        rho = self.cap - self.spent - sum((each.rho for each in self.held if each.open), Decimal(0))
        return rho, self.cap_delta - self.spent_delta - sum((e.delta for e in self.held if e.open), Decimal(0))

    @rule(target=reservations, rho=AMOUNTS, delta=DELTAS, key=st.integers(0, 10**9))
    def reserve(self, rho: str, delta: str, key: int) -> Held | None:
        wanted = Decimal(rho), Decimal(delta)
        left = self.left()
        fits = wanted[0].is_finite() and 0 < wanted[0] <= left[0] and wanted[1] <= min(left[1], Decimal("0.5"))
        try:
            entry = ledger.reserve(
                dataset=self.dataset, rho=wanted[0], delta=wanted[1], key=f"{self.dataset.pk}-{key}", by="system"
            )
        except CapExceeded:
            assert not fits
            return None
        except PrivacyError:  # the same request asked before for another amount
            return None
        again = next((each for each in self.held if each.entry.pk == entry.pk), None)
        if again is not None:
            return again
        assert fits
        self.held.append(Held(entry, *wanted))
        return self.held[-1]

    @rule(held=reservations, rho=AMOUNTS, delta=DELTAS)
    def commit(self, held: Held | None, rho: str, delta: str) -> None:
        if held is None:
            return
        measurement = step("1")
        object.__setattr__(measurement, "rho", Decimal(rho))
        object.__setattr__(measurement, "delta", Decimal(delta))
        fits = held.open and measurement.rho.is_finite() and 0 < measurement.rho <= held.rho
        fits = fits and measurement.delta <= held.delta
        try:
            ledger.commit(reservation=held.entry, measurement=measurement, by="system")
        except NotAffordable:
            assert not fits
            return
        assert fits
        held.rho, held.delta, held.drawn = held.rho - measurement.rho, held.delta - measurement.delta, True
        self.spent, self.spent_delta = self.spent + measurement.rho, self.spent_delta + measurement.delta

    @rule(held=reservations)
    def give_back(self, held: Held | None) -> None:
        if held is None:
            return
        try:
            ledger.release_reserve(reservation=held.entry, by="system")
        except PrivacyError:
            assert held.drawn
            assert held.open
            return
        assert not (held.open and held.drawn)
        held.open = False

    @rule(held=reservations)
    def forfeit(self, held: Held | None) -> None:
        if held is None:
            return
        ledger.forfeit(reservation=held.entry, by="system", reason="model")
        if held.open:
            self.spent, self.spent_delta = self.spent + held.rho, self.spent_delta + held.delta
            held.open = False

    @rule(rho=st.sampled_from(["2", "2.5", "3"]))
    def raise_cap(self, rho: str) -> None:
        try:
            proposal = caps.propose_raise(
                by=self.owners[0], population=self.dataset.population, rho=Decimal(rho), reason="model"
            )
        except PrivacyError:
            assert Decimal(rho) <= self.cap
            return
        caps.confirm_raise(by=self.owners[1], proposal=proposal)
        self.cap = Decimal(rho)

    @invariant()
    def agrees(self) -> None:
        budget = selectors.budget(self.dataset.population_id)
        assert (budget.cap, budget.spent, budget.left) == (self.cap, self.spent, self.left()[0])
        assert (budget.spent_delta, budget.left_delta) == (self.spent_delta, self.left()[1])
        assert 0 <= budget.spent <= budget.cap
        assert budget.left >= 0
        assert budget.reserved >= 0


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> type[LedgerModel]:
    """The log is left out: the sums are the matter here, and hundreds of ledgers are."""
    monkeypatch.setattr("audit.events.flush", lambda: 0)
    monkeypatch.setattr("audit.log.check_whole", lambda: None)
    monkeypatch.setattr(ledger, "_locked", _within)
    owners = privacy_site.person("olivia", "owner"), privacy_site.person("oscar", "owner")
    return type("Machine", (LedgerModel,), {"owners": owners})


def _within(population_id: Any, write: Any) -> LedgerEntry:
    """The ledger's own lock, inside the test's transaction."""
    with transaction.atomic():
        entry: LedgerEntry = write(Population.objects.select_for_update().get(pk=population_id))
    return entry


def sized(is_long: bool) -> settings:
    return settings(
        max_examples=20 if is_long else 12, stateful_step_count=40 if is_long else 20, deadline=None,
        suppress_health_check=list(HealthCheck), database=None, derandomize=not is_long,
    )  # fmt: skip


def test_the_ledger_agrees_with_its_model(
    machine: type[LedgerModel], is_long: bool, repeats: Repeats, note: Note
) -> None:
    stories = 0
    for _ in repeats(20 if is_long else 1):
        run_state_machine_as_test(machine, settings=sized(is_long))
        stories += sized(is_long).max_examples
    size = f"{stories} stories of up to {sized(is_long).stateful_step_count} steps"
    note("C1", "stateful model of the ledger", size, "0 figures or refusals differ", "all agree with the model")


@pytest.mark.parametrize("defect", ["forgets what is reserved", "a closed reservation still pays", "delta is free"])
def test_a_ledger_with_a_planted_defect_disagrees(
    machine: type[LedgerModel], defect: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    budget = selectors.budget
    if defect == "forgets what is reserved":
        monkeypatch.setattr(selectors.Budget, "left", property(lambda each: each.cap - each.spent))
    elif defect == "a closed reservation still pays":
        monkeypatch.setattr(ledger, "CLOSING", ())
    else:
        monkeypatch.setattr(ledger, "_rest", lambda held, charges: (_rho(held, charges), Decimal(1)))
    assert selectors.budget is budget
    with pytest.raises(Exception):  # noqa: B017  (hypothesis groups what it found)
        run_state_machine_as_test(machine, settings=settings(sized(False), max_examples=60))


def _rho(held: LedgerEntry, charges: list[LedgerEntry]) -> Decimal:
    return held.rho - sum((charge.rho for charge in charges), Decimal(0))
