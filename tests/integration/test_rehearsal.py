"""A rehearsal: a steward tries a plan on invented rows; nothing is charged, no data is read, its time is bounded."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from html import unescape
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.test import Client

from llmsynthor_site import rehearsing, tasks
from llmsynthor_site.models import User
from privacy import selectors as privacy
from privacy.models import LedgerEntry
from synthesis import simulating
from synthesis.models import Simulation, SynthesisRequest
from tests import privacy_site, request_site
from tests.request_site import Site

pytestmark = pytest.mark.django_db(databases=["default", "log"], transaction=True)


@pytest.fixture
def house() -> Site:
    made = request_site.make()
    made.dataset = privacy_site.dataset(made.owner, content=request_site.table(), title="Public", publicLabels=True)
    return made


@pytest.fixture
def submitted(house: Site) -> SynthesisRequest:
    return house.submitted(epsilon=Decimal(2), targets=["pay"])


@pytest.fixture
def one_epsilon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulating, "FACTORS", (Decimal(1),))


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def gate(house: Site, request: SynthesisRequest) -> str:
    found = client_of(house.stella).get(f"/requests/{request.pk}/gate/measure/")
    return unescape(found.content.decode())


def test_from_the_button_to_the_figures(house: Site, submitted: SynthesisRequest, one_epsilon: None) -> None:
    """The steward asks on gate A's page, a worker computes, the page shows it; the ledger has no new line."""
    lines = LedgerEntry.objects.count()
    assert "Rehearse it" in gate(house, submitted)
    answer = client_of(house.stella).post(f"/requests/{submitted.pk}/simulation/")
    assert answer.status_code == 302
    waiting = gate(house, submitted)
    assert "It waits for a worker" in waiting
    assert "hx-trigger" in waiting.split('id="simulation"')[1][:200]
    tasks.simulate(str(Simulation.objects.get().pk))
    shown = gate(house, submitted).split('id="simulation"')[1].split("</section>")[0]
    assert "hx-trigger" not in shown
    assert "pay" in shown
    (told,) = Simulation.objects.get().found
    assert 0 < told["pairs_tvd"] < 1
    assert told["bought"] >= 5  # three columns, and the column of interest with each other
    assert LedgerEntry.objects.count() == lines
    assert privacy.budget(submitted.dataset.population_id).spent == 0


def test_it_is_made_once_a_snapshot(house: Site, submitted: SynthesisRequest) -> None:
    """Two stewards who ask at once get the same one; a changed request gets its own."""
    first = simulating.ask_for(by=house.stella, request=submitted)
    assert simulating.ask_for(by=house.stefan, request=submitted) == first
    assert simulating.claim(str(first.pk)) is not None
    assert simulating.claim(str(first.pk)) is None


def test_only_stewards_ask(house: Site, submitted: SynthesisRequest) -> None:
    for user in (house.rosa, house.owner, house.amir, house.ada):
        with pytest.raises(PermissionDenied):
            simulating.ask_for(by=user, request=submitted)
    assert client_of(house.rosa).post(f"/requests/{submitted.pk}/simulation/").status_code in (403, 404)
    assert not Simulation.objects.exists()


def test_one_that_takes_too_long_is_ended_and_may_be_asked_for_again(
    house: Site, submitted: SynthesisRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(simulating, "LONGEST", timedelta(seconds=0.01))
    made = simulating.ask_for(by=house.stella, request=submitted)
    rehearsing.carry_out(str(made.pk))
    assert "took longer" in Simulation.objects.get().problem
    assert "Rehearse it" in gate(house, submitted)
    again = simulating.ask_for(by=house.stefan, request=submitted)
    again.refresh_from_db()
    assert again.finished_at is None


def test_a_lost_worker_is_noticed(house: Site, submitted: SynthesisRequest, monkeypatch: Any) -> None:
    made = simulating.ask_for(by=house.stella, request=submitted)
    simulating.claim(str(made.pk))
    simulating.sweep()
    assert Simulation.objects.get().finished_at is None
    monkeypatch.setattr(simulating, "LONGEST", timedelta(seconds=-1))
    simulating.sweep()
    assert Simulation.objects.get().problem == simulating.LOST


def test_twice_the_epsilon_never_exceeds_the_cap(house: Site) -> None:
    request = house.submitted(epsilon=Decimal(8))
    _, rho = simulating.price(request, Decimal(50))
    assert rho == privacy.schema(house.dataset).cap_rho
