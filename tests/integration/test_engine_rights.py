"""An owner has those tables of an engine counted that the administrator opened to them, and no other ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import Client
from django.urls import reverse

from llmsynthor_site import environment
from privacy import connecting, engine_rights, measuring, pacing, selectors, services
from privacy.errors import DeclarationRefused, MeasuringFailed
from tests import engine_tables, privacy_site
from tests.integration.test_engine_datasets import Fill, attached, declared, in_duckdb, opened
from tests.integration.test_privacy_measuring import Onlooker

pytestmark = pytest.mark.django_db(databases=["default", "log"], transaction=True)


@pytest.fixture
def duckdb(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fill:
    privacy_site.make_keys()
    monkeypatch.setattr(pacing, "sleep", lambda seconds: None)
    return in_duckdb(settings, tmp_path)


@pytest.mark.parametrize("listed", [{}, {"otto": ["*", "*.*"]}, {"olivia": ["visit", "main.*", "Visits", "*.visits"]}])
def test_nobody_has_a_table_counted_that_was_not_opened_to_them(
    duckdb: Fill, settings: Any, monkeypatch: pytest.MonkeyPatch, listed: dict[str, list[str]]
) -> None:
    """When it is declared, asked for again, looked at and measured: before the engine hears of it."""
    duckdb(engine_tables.rows(50, seed=2, wild=True))
    dataset = declared(row=True)
    settings.DATA_ENGINES = {"held": listed}
    with pytest.raises(DeclarationRefused, match="has not opened this table"):
        services.register_dataset(by=dataset.owner, declaration=engine_tables.declaration(population="others"))
    with monkeypatch.context() as silent:
        silent.setitem(connecting.CONNECT, "duckdb", lambda values: pytest.fail("the engine was asked"))
        check = attached(dataset)
    assert [one["rule"] for one in check.problems] == [engine_rights.NOT_OPENED]
    with pytest.raises(DeclarationRefused, match="has not opened this table"):
        services.look_again(by=dataset.owner, dataset=dataset)
    client = Client()
    client.force_login(dataset.owner)
    told = client.post(reverse("dataset-look-again", args=[dataset.pk]), follow=True).content.decode()
    assert "has not opened this table" in told


def test_a_table_that_is_closed_again_is_not_measured(
    duckdb: Fill, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    duckdb(engine_tables.rows(50, seed=2))
    dataset = declared(row=True)
    attached(dataset)
    plan, release = opened(dataset)
    settings.DATA_ENGINES = {"held": {"otto": ["visits"]}}
    monkeypatch.setitem(connecting.CONNECT, "duckdb", lambda values: pytest.fail("the engine was asked"))
    with pytest.raises(MeasuringFailed):
        measuring.run(plan, Onlooker(dataset), release=release)
    assert selectors.budget(dataset.population_id).spent == 0


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("", {}),
        ("warehouse, lake", {"warehouse": {}, "lake": {}}),
        ('{"lake": {"olivia": ["claims.*"]}}', {"lake": {"olivia": ["claims.*"]}}),
        ('{"lake": {"olivia": "claims.*"}}', None),
        ('{"lake": ["claims"]}', None),
        ('{"lake": ', None),
    ],
)
def test_the_list_of_engines_is_read_whole_or_not_at_all(
    monkeypatch: pytest.MonkeyPatch, given: str, found: dict[str, Any] | None
) -> None:
    """An engine that is only named is open to nobody."""
    monkeypatch.setenv("DATA_ENGINES", given)
    if found is not None:
        assert environment.data_engines() == found
        return
    with pytest.raises(ImproperlyConfigured, match="DATA_ENGINES is JSON"):
        environment.data_engines()
