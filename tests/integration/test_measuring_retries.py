"""A database that is away for a moment before anything was charged costs a request time, and nothing else."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.db import OperationalError

from llmsynthor_site import joining
from privacy import holding, ledger, measuring, pacing, selectors, vault
from privacy.dp.counting import BatchCounter
from privacy.errors import TryAgain
from privacy.models import LedgerEntry, ReleaseRecord
from synthesis import jobs
from synthesis.models import Job, SynthesisRequest
from synthesis.states import RequestState as S
from tests import request_site
from tests.request_site import Site

pytestmark = pytest.mark.django_db(databases=["default", "log"], transaction=True)
Call = Callable[..., Any]


@pytest.fixture
def house() -> Site:
    return request_site.make()


@pytest.fixture(autouse=True)
def _no_naps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pacing, "sleep", lambda seconds: None)


def away(monkeypatch: pytest.MonkeyPatch, place: Any, name: str, *, times: int, after: int = 0) -> list[int]:
    """This function fails as if the database were away, so many times, after it worked so many; the calls made."""
    honest: Call = getattr(place, name)
    calls: list[int] = []

    def asked(*args: Any, **values: Any) -> Any:
        calls.append(1)
        if after < len(calls) <= after + times:
            raise OperationalError("83749canary is locked")
        return honest(*args, **values)

    monkeypatch.setattr(place, name, asked)
    return calls


def come_again(request: SynthesisRequest) -> SynthesisRequest:
    """What the sweeper does once the while is over."""
    Job.objects.filter(request=request).update(leased_until=None)
    joining.measure(str(request.pk))
    return SynthesisRequest.objects.get(pk=request.pk)


PLACES: list[tuple[Any, str]] = [
    (ledger, "reserve"),
    (ledger, "commit_all"),
    (vault, "passes"),
    (joining.services, "open_release"),
    (measuring.holding, "claim"),
    (joining.envelope, "draw_up"),
]


@pytest.mark.parametrize(("place", "name"), PLACES, ids=[name for _, name in PLACES])
def test_a_request_is_measured_once_the_database_is_back(
    house: Site, monkeypatch: pytest.MonkeyPatch, place: Any, name: str
) -> None:
    calls = away(monkeypatch, place, name, times=2)
    request = house.measured()
    assert request.state not in (S.FAILED, S.MEASURED)
    job = Job.objects.get(request=request)
    assert job.done_at is None
    assert job.leased_until is not None, "the job waits its while"
    assert jobs.sweep() == 0
    assert come_again(request).state not in (S.FAILED, S.MEASURED)
    done = come_again(request)
    assert (done.state, len(calls)) == (S.MEASURED, 3 if name != "commit_all" else len(calls))
    budget = selectors.budget(house.dataset.population_id)
    assert (budget.spent, budget.reserved) == (done.rho, 0)
    assert LedgerEntry.objects.filter(kind="RESERVE").count() == ReleaseRecord.objects.count() == 1


def test_a_database_that_stays_away_ends_the_request_and_costs_nothing(
    house: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = away(monkeypatch, ledger, "commit_all", times=100)
    request = house.measured()
    for _ in range(jobs.MOST_CLAIMS):
        request = come_again(request)
    assert (request.state, len(calls)) == (S.FAILED, jobs.MOST_CLAIMS)
    assert "database" in request.note
    assert "83749canary" not in request.note
    budget = selectors.budget(house.dataset.population_id)
    assert (budget.spent, budget.reserved) == (0, 0)
    assert set(ReleaseRecord.objects.values_list("state", flat=True)) == {ReleaseRecord.State.FAILED}


def test_after_the_first_charge_nothing_is_tried_again(house: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody may have drawn on it already, so the rest is forfeited as ever."""
    calls = away(monkeypatch, ledger, "commit_all", times=1, after=1)
    request = house.measured()
    assert (request.state, len(calls)) == (S.FAILED, 2)
    assert come_again(request).state == S.FAILED
    assert len(calls) == 2
    assert selectors.budget(house.dataset.population_id).spent == request.rho


def test_a_charge_whose_answer_was_lost_counts_as_charged(house: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection broke after the commit: the line is there, so the release is not handed back."""
    honest = ledger.commit_all

    def lost(**values: Any) -> Any:
        honest(**values)
        raise OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(ledger, "commit_all", lost)
    monkeypatch.setattr(BatchCounter, "tables", lambda *_: pytest.fail("counted after a lost answer"))
    request = house.measured()
    assert request.state == S.FAILED
    assert selectors.budget(house.dataset.population_id).spent == request.rho


def test_what_is_told_holds_no_word_of_the_database(house: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    away(monkeypatch, ledger, "commit_all", times=1)
    told: list[str] = []
    honest = measuring.run

    def listening(*args: Any, **values: Any) -> Any:
        try:
            return honest(*args, **values)
        except TryAgain as problem:
            told.extend(traceback.format_exception(problem))
            raise

    monkeypatch.setattr(measuring, "run", listening)
    request = house.measured()
    assert told
    assert "83749canary" not in "".join(told)
    record = ReleaseRecord.objects.get(key=str(request.pk))
    assert (record.state, record.beat_at) == (ReleaseRecord.State.RESERVED, None)
    assert selectors.budget(house.dataset.population_id).spent == Decimal(0)


def test_a_database_that_stays_away_too_long_to_ask_fails_the_release_at_no_cost(
    house: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody can tell for a minute whether something was charged; it is closed as any other that stopped."""
    away(monkeypatch, ledger, "commit_all", times=100)
    naps: list[float] = []
    monkeypatch.setattr(pacing, "sleep", naps.append)
    monkeypatch.setattr(holding, "close_old_connections", lambda: (_ for _ in ()).throw(OperationalError("away")))
    request = house.measured()
    assert naps == list(holding.PATIENCE)
    assert request.state == S.FAILED
    assert selectors.budget(house.dataset.population_id).spent == 0
