"""Side channels of measuring: no moment that is stored or logged depends on how long the exact stage took."""

from __future__ import annotations

import io
import math
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from audit.models import LogEntry
from privacy import ledger, measuring, pacing, selectors, services
from privacy.dp import execution
from privacy.errors import MeasuringFailed
from privacy.models import Dataset, LedgerEntry, ReleaseRecord
from tests import privacy_site
from tests.integration.test_privacy_measuring import Onlooker, opened, plan
from tests.unit.test_privacy_pacing import REAL_WAIT, Clock

pytestmark = pytest.mark.django_db(databases=["default", "log"])
START = datetime(2030, 1, 1, 12, tzinfo=timezone.get_fixed_timezone(0))


@pytest.fixture
def dataset(site: Any) -> Dataset:
    privacy_site.make_keys()
    return privacy_site.dataset(privacy_site.person("olivia", "owner"), maximumRows=1000)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Time passes only where a test says so, and while waiting for the tick."""
    found = Clock()
    monkeypatch.setattr(pacing.time, "monotonic", found)
    monkeypatch.setattr(pacing.Tick, "__init__", _by(found))
    monkeypatch.setattr(pacing.Tick, "wait", REAL_WAIT)
    monkeypatch.setattr(pacing, "sleep", found.pass_by)
    monkeypatch.setattr(timezone, "now", lambda: START + timedelta(seconds=found.now))
    return found


def _by(clock: Clock) -> Any:
    make = pacing.Tick.__init__
    return lambda tick, seconds: make(tick, seconds, now=clock)


def slow(monkeypatch: pytest.MonkeyPatch, clock: Clock, seconds: float) -> None:
    """Every step of the exact stage takes this long, as a larger table's would."""
    measure = execution._Run.measure

    def slower(*args: Any, **values: Any) -> None:
        measure(*args, **values)
        clock.pass_by(seconds)

    monkeypatch.setattr(execution._Run, "measure", slower)


def moments(release: ReleaseRecord, clock: Clock) -> dict[str, Any]:
    """Every time that anybody could read of a release, in seconds after the present."""
    release.refresh_from_db()
    assert release.finished_at is not None
    lines = LedgerEntry.objects.filter(request=release.key).order_by("id")
    logged = [entry for entry in LogEntry.objects.order_by("index") if f'"{release.key}"'.encode() in bytes(entry.leaf)]
    now = START + timedelta(seconds=clock.now)
    return {
        "release": [(at - now).total_seconds() for at in (release.created_at, release.finished_at)],
        "beat": release.beat_at,
        "ledger": [(line.kind, (line.at - now).total_seconds()) for line in lines],
        "log": [(entry.action, (entry.at - now).total_seconds()) for entry in logged],
    }


@pytest.mark.parametrize("fail_after", [10**9, 0, 3])
def test_the_same_moments_are_told_whatever_the_exact_stage_took(
    dataset: Dataset, clock: Clock, monkeypatch: pytest.MonkeyPatch, fail_after: int
) -> None:
    told = [moments_of(dataset, clock, monkeypatch, fail_after, seconds) for seconds in (0.0, 1.7)]
    assert told[0] == told[1]
    assert told[0]["release"][1] == 0, "it is finished when its tick comes"
    assert told[0]["beat"] is None


def moments_of(
    dataset: Dataset, clock: Clock, monkeypatch: pytest.MonkeyPatch, fail_after: int, seconds: float
) -> dict[str, Any]:
    with monkeypatch.context() as patch:
        slow(patch, clock, seconds)
        clock.now = math.ceil(clock.now) + 1000.0
        return moments(measured(dataset, fail_after), clock)


def measured(dataset: Dataset, fail_after: int) -> ReleaseRecord:
    """One more release of the same data."""
    number = LedgerEntry.objects.filter(kind="RESERVE").count()
    release = opened(dataset, key=f"request {number}", rho=Decimal("0.5"))
    try:
        measuring.run(plan(dataset), Onlooker(dataset, fail_after=fail_after), release=release)
    except MeasuringFailed:
        assert fail_after < 10**9
    return release


def test_with_times_of_their_own_the_charges_would_tell(
    dataset: Dataset, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The planted defect: charges that say when they were made."""
    monkeypatch.setattr(ledger, "_moment", lambda reservation, kind: {"at": timezone.now()})
    monkeypatch.setattr("audit.entering.UNTIMED", frozenset())
    found = [moments_of(dataset, clock, monkeypatch, 10**9, seconds) for seconds in (0.0, 1.7)]
    assert found[0]["release"] == found[1]["release"]
    assert found[0]["ledger"] != found[1]["ledger"]
    assert found[0]["log"] != found[1]["log"]


def test_a_release_that_is_not_done_by_its_tick_has_failed(
    dataset: Dataset, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = opened(dataset)
    slow(monkeypatch, clock, 1.1 * measuring.tick_seconds(plan(dataset), release))
    with pytest.raises(MeasuringFailed) as failed:
        measuring.run(plan(dataset), Onlooker(dataset), release=release)
    assert str(failed.value) == "measuring stopped"
    release.refresh_from_db()
    assert release.state == "FAILED"
    assert selectors.budget(dataset.population_id).spent == release.rho, "it touched the data, so it keeps its charge"


def test_a_model_may_think_as_long_as_it_needs(dataset: Dataset, clock: Clock) -> None:
    """It sees released tables alone, so its time is no one's secret, and costs nobody a paid release."""

    class Thinker(Onlooker):
        def observe(self, marginal: Any) -> None:
            clock.pass_by(1000.0)
            super().observe(marginal)

    release = opened(dataset)
    measuring.run(plan(dataset), Thinker(dataset), release=release)
    release.refresh_from_db()
    assert release.state == "MEASURED"


def test_the_tick_follows_the_declaration_and_not_the_file(dataset: Dataset) -> None:
    first = opened(dataset)
    before = measuring.tick_seconds(plan(dataset), first)
    stream = io.BytesIO(privacy_site.table(3))
    version = services.receive_upload(by=dataset.owner, dataset=dataset, stream=stream, filename="u.csv")
    second = opened(dataset, key="request 2")
    assert second.version_id == version.pk
    assert measuring.tick_seconds(plan(dataset), second) == before
    larger = privacy_site.dataset(dataset.owner, maximumRows=10**6, content=privacy_site.table(4))
    assert measuring.tick_seconds(plan(larger), opened(larger, key="request 3")) > before


def test_a_file_beyond_the_declared_rows_is_refused(dataset: Dataset) -> None:
    from privacy.problems import UploadRefused

    stream = io.BytesIO(privacy_site.table(1001))
    with pytest.raises(UploadRefused, match="1000 rows"):
        services.receive_upload(by=dataset.owner, dataset=dataset, stream=stream, filename="u.csv")


def test_what_was_spent_is_stored_as_a_curve_by_opendp(dataset: Dataset) -> None:
    release = opened(dataset)
    measuring.run(plan(dataset), Onlooker(dataset), release=release)
    release.refresh_from_db()
    dataset.population.refresh_from_db()
    assert release.curve == dataset.population.curve
    assert [line["delta"] for line in release.curve][:2] == ["0.0001", "0.00001"]
    epsilons = [Decimal(line["epsilon"]) for line in release.curve]
    assert epsilons == sorted(epsilons)
    at_millionth = next(line for line in release.curve if Decimal(line["delta"]) == Decimal("1e-6"))
    assert Decimal(at_millionth["epsilon"]) == measuring.epsilon_of(rho=release.rho, delta=Decimal("1e-6"))
    spent = measuring.curve_of(rho=Decimal("0.5"), delta=Decimal("5e-5"))
    assert [line["delta"] for line in spent] == ["0.0001"]
    assert Decimal(spent[0]["epsilon"]) > epsilons[0], "delta spent on discovery leaves less for the conversion"
