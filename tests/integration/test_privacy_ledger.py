"""The ledger: charges never pass the cap or the reservation, whoever asks at once, and lines never change."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import threading
from collections import Counter
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, connections, transaction
from django.db.utils import DatabaseError

from audit import events, log
from audit.models import LogEntry
from privacy import ledger, selectors, services
from privacy.errors import CapExceeded, NotAffordable, PrivacyError
from privacy.models import Dataset, LedgerEntry
from privacy.values import Clique, Measurement, PrivacyUnit
from tests import privacy_site

pytestmark = pytest.mark.django_db(databases=["default", "log"])
concurrent = pytest.mark.django_db(databases=["default", "log"], transaction=True)


@pytest.fixture
def dataset() -> Dataset:
    owner = privacy_site.person("olivia", "owner")
    return services.register_dataset(by=owner, declaration=privacy_site.declaration())


def step(rho: str) -> Measurement:
    return Measurement(
        kind="table", mechanism="discrete gaussian", cliques=(Clique.of("sex", "age"),), sensitivity=1.0, scale=2.5,
        rho=Decimal(rho), delta=Decimal(0), unit=PrivacyUnit(), library="opendp 0.16.0",
    )  # fmt: skip


def reserve(dataset: Dataset, rho: str, key: str) -> LedgerEntry:
    return ledger.reserve(dataset=dataset, rho=Decimal(rho), delta=Decimal(0), key=key, by="system")


def figures(dataset: Dataset) -> tuple[Decimal, Decimal, Decimal]:
    found = selectors.budget(dataset.population_id)
    assert found.spent + found.reserved + found.left == found.cap == 2
    return found.reserved, found.spent, found.left


def test_the_lines_add_up(dataset: Dataset) -> None:
    assert figures(dataset) == (0, 0, 2)
    first, second = reserve(dataset, "1.5", "a"), reserve(dataset, "0.5", "b")
    assert figures(dataset) == (2, 0, 0)
    ledger.commit(reservation=first, measurement=step("0.4"), by="system")
    assert figures(dataset) == (Decimal("1.6"), Decimal("0.4"), 0)
    ledger.forfeit(reservation=first, by="system", reason="the rest")
    ledger.release_reserve(reservation=second, by="system")
    assert figures(dataset) == (0, Decimal("1.5"), Decimal("0.5"))


def test_a_commit_keeps_the_fact_and_not_only_the_price(dataset: Dataset) -> None:
    entry = ledger.commit(reservation=reserve(dataset, "1", "a"), measurement=step("0.08"), by="system")
    assert entry.facts == {
        "kind": "table",
        "mechanism": "discrete gaussian",
        "cliques": [[{"column": "sex", "bins": []}, {"column": "age", "bins": []}]],
        "sensitivity": "1.0",
        "scale": "2.5",
        "unit": {"kind": "row", "k": 1, "column": None, "neighbours": "add-remove"},
        "library": "opendp 0.16.0",
    }
    logged = LogEntry.objects.get(action="privacy:ledger:commit")
    told = entry.facts | {"entry": str(entry.pk), "rho": "0.08", "reservation": str(entry.reservation_id)}
    assert leaf_facts(logged) | told == leaf_facts(logged)


def test_the_cap_binds_over_all_datasets_of_a_population(dataset: Dataset) -> None:
    again = services.register_dataset(
        by=dataset.owner, declaration=privacy_site.declaration(population=" People OF the tests ")
    )
    assert again.population_id == dataset.population_id
    reserve(dataset, "1.5", "a")
    with pytest.raises(CapExceeded, match="less privacy loss left"):
        reserve(again, "0.500000000001", "b")
    reserve(again, "0.5", "b")
    assert figures(dataset) == (2, 0, 0)


@pytest.mark.parametrize("rho", ["0", "-1", "1e-13", "2.000000000001"])
def test_what_cannot_be_reserved_leaves_no_line(dataset: Dataset, rho: str) -> None:
    with pytest.raises(CapExceeded):
        reserve(dataset, rho, "a")
    assert figures(dataset) == (0, 0, 2)


def test_no_delta_is_spent(dataset: Dataset) -> None:
    with pytest.raises(CapExceeded, match="less privacy loss left"):
        ledger.reserve(dataset=dataset, rho=Decimal(1), delta=Decimal("1e-9"), key="a", by="system")


def test_a_repeated_reservation_is_the_first_one(dataset: Dataset) -> None:
    assert reserve(dataset, "1.5", "a").pk == reserve(dataset, "1.5", "a").pk
    assert figures(dataset) == (Decimal("1.5"), 0, Decimal("0.5"))
    with pytest.raises(PrivacyError, match="another amount"):
        reserve(dataset, "0.2", "a")


def test_a_step_beyond_its_reservation_is_refused(dataset: Dataset) -> None:
    held = reserve(dataset, "0.5", "a")
    ledger.commit(reservation=held, measurement=step("0.3"), by="system")
    for rho in ("0.200000000001", "0", "-0.1"):
        with pytest.raises(NotAffordable):
            ledger.commit(reservation=held, measurement=step(rho), by="system")
    ledger.commit(reservation=held, measurement=step("0.2"), by="system")
    assert figures(dataset) == (0, Decimal("0.5"), Decimal("1.5"))


def test_a_closed_reservation_pays_for_nothing_more(dataset: Dataset) -> None:
    held = reserve(dataset, "0.5", "a")
    closing = ledger.forfeit(reservation=held, by="system", reason="test")
    assert ledger.forfeit(reservation=held, by="system", reason="again").pk == closing.pk
    with pytest.raises(NotAffordable):
        ledger.commit(reservation=held, measurement=step("0.1"), by="system")


def test_what_was_drawn_on_is_not_given_back(dataset: Dataset) -> None:
    held = reserve(dataset, "0.5", "a")
    ledger.commit(reservation=held, measurement=step("0.1"), by="system")
    with pytest.raises(PrivacyError, match="not given back"):
        ledger.release_reserve(reservation=held, by="system")
    assert figures(dataset) == (Decimal("0.4"), Decimal("0.1"), Decimal("1.5"))


@pytest.mark.parametrize("rho", ["0.123456789012", "1.999999999999", "0.000000000001"])
def test_decimals_survive_the_database(dataset: Dataset, rho: str) -> None:
    held = reserve(dataset, rho, "a")
    held.refresh_from_db()
    assert held.rho == Decimal(rho)
    assert figures(dataset)[0] == Decimal(rho)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE privacy_ledgerentry SET rho = 0",
        "DELETE FROM privacy_ledgerentry",
        "INSERT OR REPLACE INTO privacy_ledgerentry SELECT * FROM privacy_ledgerentry LIMIT 1",
    ],
)
def test_the_database_itself_refuses_to_change_a_line(dataset: Dataset, statement: str) -> None:
    if connection.vendor != "sqlite" and "REPLACE" in statement:
        pytest.skip("a statement of SQLite")
    before = list(LedgerEntry.objects.values())
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
    assert list(LedgerEntry.objects.values()) == before


@pytest.mark.parametrize(
    "values",
    [
        {"kind": "COMMIT", "reservation": None},
        {"kind": "RESERVE", "rho": Decimal(-1)},
        {"kind": "RESET"},
    ],
)
def test_the_database_itself_refuses_lines_that_make_no_sense(dataset: Dataset, values: dict[str, Any]) -> None:
    line = {"population": dataset.population, "rho": Decimal(1), "key": "x", "by": "test"} | values
    with pytest.raises(DatabaseError), transaction.atomic():
        LedgerEntry.objects.create(**line)


def test_a_line_that_cannot_be_logged_is_not_written(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise events.LogUnavailable("planted")

    monkeypatch.setattr(log, "check_whole", broken)
    with pytest.raises(events.LogUnavailable):
        reserve(dataset, "1", "a")
    assert figures(dataset) == (0, 0, 2)


def at_once(count: int, work: Any) -> Counter[str]:
    """Run ``work(number)`` in that many threads at the same moment; how each ended."""
    outcomes: list[str] = []
    barrier = threading.Barrier(count)

    def one(number: int) -> None:
        barrier.wait()
        try:
            work(number)
            outcomes.append("passed")
        except NotAffordable:
            outcomes.append("refused")
        except Exception as problem:
            outcomes.append(type(problem).__name__)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=one, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return Counter(outcomes)


@concurrent
def test_sixteen_threads_at_the_cap(dataset: Dataset) -> None:
    """Exactly as many reservations pass as fit."""
    outcomes = at_once(16, lambda number: reserve(dataset, "0.3", f"request {number}"))
    assert outcomes == {"passed": 6, "refused": 10}
    assert figures(dataset) == (Decimal("1.8"), 0, Decimal("0.2"))


@concurrent
def test_sixteen_threads_on_one_reservation(dataset: Dataset) -> None:
    held = reserve(dataset, "1", "a")
    outcomes = at_once(16, lambda number: ledger.commit(reservation=held, measurement=step("0.15"), by="system"))
    assert outcomes == {"passed": 6, "refused": 10}
    assert figures(dataset) == (Decimal("0.1"), Decimal("0.9"), 1)


@concurrent
def test_the_same_request_from_sixteen_threads_reserves_once(dataset: Dataset) -> None:
    assert at_once(16, lambda number: reserve(dataset, "0.3", "the same")) == {"passed": 16}
    assert figures(dataset) == (Decimal("0.3"), 0, Decimal("1.7"))


def race(dataset: Dataset, number: int, asks: int, results: Any) -> None:
    """In a process of its own: ask again and again, and tell how often it passed."""
    connections.close_all()
    passed = 0
    for ask in range(asks):
        with contextlib.suppress(CapExceeded):
            reserve(dataset, "0.09", f"{number}-{ask}")
            passed += 1
    connections.close_all()
    results.put(passed)


@concurrent
def test_sixteen_processes_at_the_cap(dataset: Dataset) -> None:
    """They ask 64 times for 0.09 of 2: exactly 22 pass, and what is spent is the sum of the log."""
    connections.close_all()
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    racers = [context.Process(target=race, args=(dataset, number, 4, results)) for number in range(16)]
    for racer in racers:
        racer.start()
    passed = sum(results.get(timeout=60) for _ in racers)
    for racer in racers:
        racer.join()
    assert passed == 22
    assert figures(dataset) == (Decimal("1.98"), 0, Decimal("0.02"))
    logged = LogEntry.objects.filter(action="privacy:ledger:reserve")
    assert sum(Decimal(leaf_facts(entry)["rho"]) for entry in logged) == Decimal("1.98")


def leaf_facts(entry: LogEntry) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads(bytes(entry.leaf))["facts"]
    return facts


@concurrent
def test_a_lock_that_is_not_taken_would_be_caught(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """The planted defect: read, then check, then write. The same race lets more through than fits."""
    barrier = threading.Barrier(8)

    def unlocked(number: int) -> None:
        left = selectors.budget(dataset.population_id).left
        barrier.wait()
        if left < Decimal("0.3"):
            raise CapExceeded("no")
        LedgerEntry.objects.create(
            population=dataset.population, kind="RESERVE", rho=Decimal("0.3"), key=str(number), by="test"
        )

    assert at_once(8, unlocked)["passed"] == 8
    assert selectors.budget(dataset.population_id).left < 0
