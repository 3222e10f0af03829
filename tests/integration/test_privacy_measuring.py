"""Measuring: charged and logged before the vault is read, once, and silent about everything exact."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from django.db import connections
from django.utils import timezone

from audit import events, log
from audit.models import LogEntry
from privacy import ledger, manifesting, measuring, places, plans, selectors, services, vault
from privacy.dp.counting import BatchCounter, NumpyCounter
from privacy.errors import AlreadyMeasuring, MeasuringFailed, NotReady
from privacy.models import Dataset, LedgerEntry, MeasurementRecord, ReleaseRecord
from privacy.values import Clique, IntArray, NoisyMarginal
from tests import privacy_site

pytestmark = pytest.mark.django_db(databases=["default", "log"])
RHO = Decimal("0.5")
State = ReleaseRecord.State


class Onlooker:
    """Expects nothing; fails with a telling message when it is told to."""

    def __init__(self, dataset: Dataset, *, fail_after: int = 10**9) -> None:
        self.domain, self.seen, self.fail_after = selectors.domain(dataset), 0, fail_after

    def expected(self, clique: Clique) -> IntArray:
        return np.zeros(clique.shape(self.domain), dtype=np.int64)

    def observe(self, marginal: NoisyMarginal) -> None:
        self.seen += 1
        if self.seen > self.fail_after:
            raise ValueError("a value such as 83749canary")


@pytest.fixture
def dataset(site: Any) -> Dataset:
    privacy_site.make_keys()
    return privacy_site.dataset(privacy_site.person("olivia", "owner"))


def opened(dataset: Dataset, *, key: str = "request 1", rho: Decimal = RHO) -> ReleaseRecord:
    ledger.reserve(dataset=dataset, rho=rho, delta=Decimal(0), key=key, by="system")
    return services.open_release(dataset=dataset, rho=rho, plan=plan(dataset), key=key)


def plan(dataset: Dataset) -> plans.MeasurementPlan:
    return plans.all_pairs(selectors.domain(dataset))


def logged(release: ReleaseRecord) -> list[str]:
    return [
        entry.action for entry in LogEntry.objects.order_by("index") if str(release.pk).encode() in bytes(entry.leaf)
    ]


def test_a_release_is_near_the_truth_and_paid_for(dataset: Dataset) -> None:
    release = opened(dataset)
    found = measuring.run(plan(dataset), Onlooker(dataset), release=release)
    counter = NumpyCounter(vault.codes(release.version), found.domain)
    assert len(found.marginals) == 6
    for table in found.marginals:
        gaps = (table.counts - counter.counts(table.clique)) / table.sigma
        assert np.abs(gaps).max() < 7
        entry = LedgerEntry.objects.get(pk=table.measurement)
        assert entry.facts["cliques"] == [table.clique.to_json()]
        assert float(entry.facts["scale"]) == table.sigma
    assert found.rho == RHO
    assert selectors.budget(dataset.population_id).spent == RHO
    assert selectors.epsilon_of(release.pk, delta=Decimal("1e-6")) == measuring.epsilon_of(
        rho=RHO, delta=Decimal("1e-6")
    )
    release.refresh_from_db()
    assert release.state == State.MEASURED
    assert logged(release)[-1] == "privacy:release:measured"


def test_every_charge_is_in_the_log_before_the_vault_is_counted(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables = BatchCounter.tables
    looks: list[Clique] = []

    def counted(self: BatchCounter, cliques: Sequence[Clique]) -> tuple[IntArray, ...]:
        looks.extend(cliques)
        assert LogEntry.objects.filter(action="privacy:ledger:commit").count() >= len(looks)
        assert LedgerEntry.objects.filter(kind="COMMIT").count() >= len(looks)
        return tables(self, cliques)

    monkeypatch.setattr(BatchCounter, "tables", counted)
    measuring.run(plan(dataset), Onlooker(dataset), release=opened(dataset))
    assert len(looks) == 6


def test_a_finished_release_is_returned_and_never_measured_twice(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = opened(dataset)
    first = measuring.run(plan(dataset), Onlooker(dataset), release=release)
    monkeypatch.setattr(vault, "codes", lambda version: pytest.fail("the vault was opened again"))
    again = measuring.run(plan(dataset), Onlooker(dataset), release=opened(dataset))
    assert [table.counts.tolist() for table in again.marginals] == [table.counts.tolist() for table in first.marginals]
    assert selectors.budget(dataset.population_id).spent == RHO
    assert logged(release).count("privacy:release:measured") == 1


def test_a_worker_that_died_half_way_costs_the_whole_reservation(dataset: Dataset) -> None:
    release = opened(dataset)
    long_ago = timezone.now() - timedelta(hours=1)
    ReleaseRecord.objects.filter(pk=release.pk).update(state=State.MEASURING, beat_at=long_ago)
    ledger.commit(reservation=release.reservation, measurement=some_step(), by="system")
    with pytest.raises(MeasuringFailed):
        measuring.run(plan(dataset), Onlooker(dataset), release=release)
    release.refresh_from_db()
    assert release.state == State.FAILED
    found = selectors.budget(dataset.population_id)
    assert (found.spent, found.reserved) == (RHO, 0)
    with pytest.raises(MeasuringFailed):
        measuring.run(plan(dataset), Onlooker(dataset), release=release)
    assert selectors.budget(dataset.population_id).spent == RHO


def some_step() -> Any:
    from tests.integration.test_privacy_ledger import step

    return step("0.01")


def test_a_release_that_another_worker_holds_is_left_alone(dataset: Dataset) -> None:
    release = opened(dataset)
    ReleaseRecord.objects.filter(pk=release.pk).update(state=State.MEASURING, beat_at=timezone.now())
    with pytest.raises(AlreadyMeasuring):
        measuring.run(plan(dataset), Onlooker(dataset), release=release)
    release.refresh_from_db()
    assert release.state == State.MEASURING


@pytest.mark.parametrize(("beyond", "left_alone"), [(-0.2, True), (0.0, False)])
def test_a_worker_is_dead_once_it_was_silent_for_longer_than_counting_may_take(
    dataset: Dataset, settings: Any, monkeypatch: pytest.MonkeyPatch, beyond: float, left_alone: bool
) -> None:
    """Its silence grows with what counting takes, so within the tick nothing may follow from it."""
    monkeypatch.setattr(measuring, "tick_seconds", lambda *_: 5000.0)
    release, lease = opened(dataset), settings.JOB_LEASE_SECONDS
    last = timezone.now() - timedelta(seconds=5000 + lease * (1 + beyond))
    ReleaseRecord.objects.filter(pk=release.pk).update(state=State.MEASURING, beat_at=last)
    with pytest.raises(AlreadyMeasuring if left_alone else MeasuringFailed):
        measuring.run(plan(dataset), Onlooker(dataset), release=release)
    release.refresh_from_db()
    assert release.state == (State.MEASURING if left_alone else State.FAILED)


@pytest.mark.parametrize("fail_after", [0, 1, 4])
def test_nothing_of_the_exact_stage_is_told(dataset: Dataset, fail_after: int, caplog: Any, capfd: Any) -> None:
    release = opened(dataset)
    with pytest.raises(MeasuringFailed) as failed:
        measuring.run(plan(dataset), Onlooker(dataset, fail_after=fail_after), release=release)
    told = "".join(traceback.format_exception(failed.value)) + caplog.text + "".join(capfd.readouterr())
    assert "83749canary" not in told
    assert failed.value.__cause__ is None
    assert failed.value.__context__ is None
    assert str(failed.value) == "measuring stopped"
    assert all(b"83749canary" not in bytes(entry.leaf) for entry in LogEntry.objects.all())
    release.refresh_from_db()
    assert release.state == State.FAILED
    assert selectors.budget(dataset.population_id).spent == RHO
    assert not MeasurementRecord.objects.exists()


def test_before_any_charge_a_failure_costs_nothing(dataset: Dataset) -> None:
    """The vault's key is missing: no step was charged, so no count was made."""
    release = opened(dataset)
    places.vault_key().unlink()
    with pytest.raises(MeasuringFailed):
        measuring.run(plan(dataset), Onlooker(dataset), release=release)
    found = selectors.budget(dataset.population_id)
    assert (found.spent, found.reserved, found.left) == (0, 0, 2)


def test_without_the_log_nothing_is_measured(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    release = opened(dataset)

    def broken(*args: Any, **values: Any) -> None:
        raise events.LogUnavailable("planted")

    monkeypatch.setattr(BatchCounter, "tables", lambda *_: pytest.fail("counted without a log entry"))
    monkeypatch.setattr(log, "append_all", broken)
    with pytest.raises((MeasuringFailed, events.LogUnavailable)):
        measuring.run(plan(dataset), Onlooker(dataset), release=release)
    assert not MeasurementRecord.objects.exists()


def test_a_swapped_vault_file_does_not_open(dataset: Dataset) -> None:
    """Another version's sealed rows under this version's name."""
    services.receive_upload(
        by=dataset.owner, dataset=dataset, stream=__import__("io").BytesIO(privacy_site.table(50)), filename="u.csv"
    )
    first, second = dataset.versions.all()
    places.sealed(first.pk).replace(places.sealed(second.pk))
    with pytest.raises(MeasuringFailed):
        measuring.run(plan(dataset), Onlooker(dataset), release=opened(dataset))


def test_a_plan_that_was_not_opened_is_not_run(dataset: Dataset) -> None:
    with pytest.raises(NotReady, match="plan"):
        measuring.run(plans.adaptive_default(selectors.domain(dataset)), Onlooker(dataset), release=opened(dataset))


def test_a_release_needs_its_reservation(dataset: Dataset) -> None:
    with pytest.raises(NotReady, match="reservation"):
        services.open_release(dataset=dataset, rho=RHO, plan=plan(dataset), key="never reserved")
    ledger.reserve(dataset=dataset, rho=RHO, delta=Decimal(0), key="k", by="system")
    with pytest.raises(NotReady, match="another amount"):
        services.open_release(dataset=dataset, rho=RHO * 2, plan=plan(dataset), key="k")


def test_an_unfinished_release_has_no_result(dataset: Dataset) -> None:
    with pytest.raises(NotReady):
        selectors.released(opened(dataset).pk)


def test_the_manifest_lists_every_table_with_its_noise(dataset: Dataset) -> None:
    release = opened(dataset)
    found = measuring.run(plan(dataset), Onlooker(dataset), release=release)
    lines = manifesting.released_statistics(release.pk)
    assert [line["measurement"] for line in lines] == [table.measurement for table in found.marginals]
    assert sum(Decimal(line["rho"]) for line in lines) <= RHO
    assert {line["mechanism"] for line in lines} == {"discrete gaussian"}
    for line, table in zip(lines, found.marginals, strict=True):
        assert line["error_19_in_20"] == pytest.approx(1.96 * table.sigma, abs=1)


def test_the_caller_is_told_with_every_step(dataset: Dataset) -> None:
    beats: list[int] = []
    measuring.run(plan(dataset), Onlooker(dataset), release=opened(dataset), beat=lambda: beats.append(1))
    assert len(beats) == 3, "one-way tables, pairs, and while waiting for the tick"


@pytest.mark.django_db(databases=["default", "log"], transaction=True)
def test_two_workers_at_once_measure_once(dataset: Dataset) -> None:
    release, outcomes = opened(dataset), []
    barrier = threading.Barrier(2)

    def work() -> None:
        barrier.wait()
        try:
            outcomes.append(measuring.run(plan(dataset), Onlooker(dataset), release=release).id)
        except AlreadyMeasuring:
            outcomes.append("held by another")
        finally:
            connections.close_all()

    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert str(release.pk) in outcomes
    assert set(outcomes) <= {str(release.pk), "held by another"}
    assert MeasurementRecord.objects.filter(release=release).count() == 6
    assert selectors.budget(dataset.population_id).spent == RHO
