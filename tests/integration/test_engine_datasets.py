"""A dataset whose rows stay in DuckDB or PostgreSQL: looked at, accepted, measured there, and silent about values."""

from __future__ import annotations

import io
import json
import os
import traceback
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from django.core.exceptions import ValidationError
from django.test import Client
from django.urls import reverse

from audit import events
from audit.models import LogEntry
from privacy import (
    attaching,
    connecting,
    ledger,
    measuring,
    pacing,
    plans,
    retention,
    selectors,
    services,
)
from privacy.dp.engines import EngineCounter
from privacy.errors import DeclarationRefused, MeasuringFailed, TryAgain
from privacy.models import Dataset, DatasetVersion, LedgerEntry, ReleaseRecord, SourceCheck
from privacy.problems import UploadRefused
from privacy.values import Clique, IntArray
from synthesis import disclosures
from synthesis.states import Disclosure
from tests import engine_tables, privacy_site
from tests.integration.test_privacy_measuring import Onlooker

pytestmark = pytest.mark.django_db(databases=["default", "log"], transaction=True)
RHO = Decimal(2)
PASSWORD = "not-in-any-database-83749"
Fill = Callable[[pd.DataFrame], None]


@pytest.fixture(autouse=True)
def _keys(monkeypatch: pytest.MonkeyPatch) -> None:
    privacy_site.make_keys()
    monkeypatch.setattr(pacing, "sleep", lambda seconds: None)


def reached_by(settings: Any, folder: Path, values: dict[str, Any]) -> Path:
    path = folder / "engines.json"
    path.write_text(json.dumps({"held": values}))
    path.chmod(0o600)
    settings.ENGINES_FILE, settings.DATA_ENGINES = path, {"held": {"olivia": ["visits", "main.*"], "otto": ["visits"]}}
    return path


@pytest.fixture
def duckdb(settings: Any, tmp_path: Path) -> Fill:
    return in_duckdb(settings, tmp_path)


def in_duckdb(settings: Any, tmp_path: Path) -> Fill:
    """Fills the table ``visits`` of a DuckDB file that the site knows as the engine ``held``."""
    import duckdb as native

    path = tmp_path / "held.duckdb"
    reached_by(settings, tmp_path, {"kind": "duckdb", "path": str(path)})

    def fill(table: pd.DataFrame) -> None:
        with native.connect(str(path)) as connection:
            connection.execute("DROP TABLE IF EXISTS visits")
            engine_tables.into_duckdb(connection, table)

    return fill


@pytest.fixture
def postgres(settings: Any, tmp_path: Path) -> Iterator[Fill]:
    psycopg = pytest.importorskip("psycopg")
    place = {"host": "127.0.0.1", "port": 5432, "user": "postgres"}
    name = f"held_{os.getpid()}"
    try:
        connection = psycopg.connect(**place, dbname="postgres", autocommit=True, connect_timeout=3)
    except psycopg.OperationalError:
        if os.environ.get("CI"):
            raise
        pytest.skip("NOT TESTED ON POSTGRESQL: no server answers")
    connection.execute(f"DROP SCHEMA IF EXISTS {name} CASCADE")
    connection.execute(f"CREATE SCHEMA {name}")
    connection.execute(f"SET search_path TO {name}")
    connection.autocommit = False
    reached_by(
        settings, tmp_path,
        {"kind": "postgres", **place, "database": "postgres", "schema": name, "password": PASSWORD},
    )  # fmt: skip
    yield lambda table: engine_tables.into_postgres(connection, table, "visits")
    connection.autocommit = True
    connection.execute(f"DROP SCHEMA {name} CASCADE")
    connection.close()


def declared(**changes: Any) -> Dataset:
    owner = privacy_site.person("olivia", "owner")
    return services.register_dataset(by=owner, declaration=engine_tables.declaration(**changes))


def attached(dataset: Dataset) -> SourceCheck:
    attaching.attach(str(dataset.pk))
    return SourceCheck.objects.get(dataset=dataset)


def opened(dataset: Dataset, key: str = "request 1") -> tuple[plans.MeasurementPlan, ReleaseRecord]:
    ledger.reserve(dataset=dataset, rho=RHO, delta=Decimal(0), key=key, by="system")
    plan = plans.all_pairs(selectors.domain(dataset))
    return plan, services.open_release(dataset=dataset, rho=RHO, plan=plan, key=key)


def everything_kept() -> bytes:
    """All that the site's databases say of it, as text."""
    events.flush()
    rows = [str(list(model.objects.values())) for model in (Dataset, DatasetVersion, SourceCheck, LedgerEntry)]
    return "".join(rows).encode() + b"".join(bytes(entry.leaf) for entry in LogEntry.objects.all())


@pytest.mark.parametrize("engine", ["duckdb", "postgres"])
def test_a_table_is_measured_where_it_is(
    engine: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill: Fill = request.getfixturevalue(engine)
    table = engine_tables.rows(200, seed=5)
    fill(table)
    dataset = declared()
    assert not selectors.is_ready(dataset)
    check = attached(dataset)
    assert (check.state, check.problems) == ("ACCEPTED", [])
    version = dataset.versions.get()
    assert version.rows_read == 200
    assert version.rows_kept < 200
    assert version.source["table"] == "visits"
    assert version.source["kind"] == engine
    honest = EngineCounter.tables
    looks: list[Clique] = []

    def charged_first(self: EngineCounter, cliques: Sequence[Clique]) -> tuple[IntArray, ...]:
        looks.extend(cliques)
        assert LogEntry.objects.filter(action="privacy:ledger:commit").count() >= len(looks)
        return honest(self, cliques)

    monkeypatch.setattr(EngineCounter, "tables", charged_first)
    plan, release = opened(dataset)
    found = measuring.run(plan, Onlooker(dataset), release=release)
    monkeypatch.setattr(engine_tables, "KEY", connecting.bounding_key(version))
    exact = engine_tables.by_numpy(table, selectors.schema(dataset))
    assert exact.counts(Clique.of("size")).sum() == version.rows_kept
    assert len(found.marginals) == len(looks) > 50
    for noisy in found.marginals:
        assert np.abs((noisy.counts - exact.counts(noisy.clique)) / noisy.sigma).max() < 7
    assert selectors.budget(dataset.population_id).spent == RHO
    entry = LogEntry.objects.get(action="privacy:upload:accepted")
    assert json.loads(bytes(entry.leaf))["facts"]["source"] == version.source
    assert PASSWORD.encode() not in everything_kept()


def test_a_table_that_breaks_its_declaration_is_refused_by_column_and_rule(duckdb: Fill) -> None:
    duckdb(engine_tables.rows(60, seed=1, wild=True).replace({"place": {"A1": "83749canary"}}))
    place = {name: value for name, value in engine_tables.FIELDS[-1].items() if name != "other"}
    dataset = declared(fields=[*engine_tables.FIELDS[:-1], place])
    check = attached(dataset)
    assert check.state == "REFUSED"
    told = {(one["column"], one["rule"].rsplit(",", 1)[0]) for one in check.problems}
    assert ("pay", "a cell is missing") in told
    assert ("place", "a value is in none of the declared groups") in told
    assert not selectors.is_ready(dataset)
    kept = everything_kept()
    assert b"83749canary" not in kept
    assert b"2030" not in kept
    duckdb(engine_tables.rows(60, seed=1).replace({"place": {"D9": "A1"}}))
    services.look_again(by=dataset.owner, dataset=dataset)
    assert attached(dataset).state == "ACCEPTED"


def test_rows_that_break_the_declaration_later_are_counted_nowhere(duckdb: Fill) -> None:
    duckdb(engine_tables.rows(80, seed=2))
    dataset = declared(row=True)
    assert attached(dataset).state == "ACCEPTED"
    duckdb(engine_tables.rows(80, seed=2, wild=True))
    plan, release = opened(dataset)
    found = measuring.run(plan, Onlooker(dataset), release=release)
    size = next(one for one in found.marginals if one.clique == Clique.of("size"))
    assert size.counts.sum() == pytest.approx(78, abs=7 * size.sigma * 2)


def test_what_an_engine_says_never_leaves_it(
    duckdb: Fill, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    duckdb(engine_tables.rows(50, seed=2))
    dataset = declared(row=True)
    attached(dataset)
    plan, release = opened(dataset)

    def broken(*_: Any) -> Any:
        raise RuntimeError("cast of 83749canary failed")

    monkeypatch.setattr(connecting, "ibis_groups", lambda *_: broken)
    with pytest.raises(MeasuringFailed) as failed:
        measuring.run(plan, Onlooker(dataset), release=release)
    told = "".join(traceback.format_exception(failed.value)) + caplog.text
    assert "83749canary" not in told
    assert selectors.budget(dataset.population_id).spent == RHO, "it was charged before, and is forfeited"
    monkeypatch.setattr(connecting, "answer", connecting.answer)
    monkeypatch.setattr(attaching.engine_coding, "faults", lambda *_: Broken())
    services.look_again(by=dataset.owner, dataset=dataset)
    check = attached(dataset)
    assert [one["rule"] for one in check.problems] == [connecting.FAILED]
    assert b"83749canary" not in everything_kept()


class Broken:
    def to_pyarrow(self) -> Any:
        raise RuntimeError("83749canary")


def test_an_engine_that_is_away_costs_nothing(duckdb: Fill, monkeypatch: pytest.MonkeyPatch) -> None:
    duckdb(engine_tables.rows(50, seed=2))
    dataset = declared(row=True)
    attached(dataset)
    plan, release = opened(dataset)
    with monkeypatch.context() as down:
        down.setitem(connecting.CONNECT, "duckdb", lambda values: 1 / 0)
        with pytest.raises(TryAgain):
            measuring.run(plan, Onlooker(dataset), release=release)
    release.refresh_from_db()
    assert release.state == "RESERVED"
    assert selectors.budget(dataset.population_id).spent == 0
    assert measuring.run(plan, Onlooker(dataset), release=release).marginals


def test_a_table_of_another_form_or_a_destroyed_version_is_not_measured(duckdb: Fill) -> None:
    table = engine_tables.rows(50, seed=2)
    duckdb(table)
    dataset = declared(row=True)
    attached(dataset)
    version = dataset.versions.get()
    plan, release = opened(dataset)
    DatasetVersion.objects.update(source=version.source | {"structure": "0" * 64})
    with pytest.raises(MeasuringFailed):
        measuring.run(plan, Onlooker(dataset), release=ReleaseRecord.objects.get(pk=release.pk))
    assert selectors.budget(dataset.population_id).spent == 0
    DatasetVersion.objects.update(source=version.source)
    plan, release = opened(dataset, "request 2")
    retention.destroy_version(by=dataset.owner, version=version, reason="over")
    with pytest.raises(MeasuringFailed):
        measuring.run(plan, Onlooker(dataset), release=release)


def test_who_may_be_reached_is_the_administrators_to_say(duckdb: Fill, settings: Any) -> None:
    duckdb(engine_tables.rows(50, seed=2))
    with pytest.raises(DeclarationRefused, match="no engine of that name"):
        declared(source={"engine": "other", "table": "visits"}, row=True)
    dataset = services.register_dataset(
        by=privacy_site.person("otto", "owner"), declaration=engine_tables.declaration(row=True)
    )
    settings.ENGINES_FILE.chmod(0o644)
    assert [one["rule"] for one in attached(dataset).problems] == [connecting.UNREADABLE]
    settings.ENGINES_FILE.chmod(0o600)
    settings.ENGINES_FILE.write_text('{"held": {"kind": "excel"}}')
    services.look_again(by=dataset.owner, dataset=dataset)
    assert [one["rule"] for one in attached(dataset).problems] == [connecting.UNKNOWN]
    with pytest.raises(UploadRefused, match="stay in their engine"):
        services.receive_upload(by=dataset.owner, dataset=dataset, stream=io.BytesIO(b"a\n1\n"), filename="a.csv")


def test_one_table_keeps_to_one_populations_cap(duckdb: Fill) -> None:
    duckdb(engine_tables.rows(50, seed=2))
    dataset = declared(row=True)
    attached(dataset)
    other = engine_tables.declaration(row=True, population="the same people, called otherwise")
    second = services.register_dataset(by=dataset.owner, declaration=other)
    check = attached(second)
    assert check.state == "REFUSED"
    assert "another population" in check.problems[0]["rule"]
    assert not second.versions.exists()


def test_a_finished_table_is_not_compared_with_rows_in_an_engine(duckdb: Fill) -> None:
    dataset = declared(row=True)
    disclosures.check_allowed(dataset, Disclosure.NONE, reused=False)
    with pytest.raises(ValidationError, match="stay in their engine"):
        disclosures.check_allowed(dataset, Disclosure.CHARGED, reused=False)


def test_how_long_a_release_takes_follows_from_what_was_declared(duckdb: Fill, settings: Any) -> None:
    settings.ENGINE_PACE = {"base_seconds": 50.0, "nanoseconds_per_row": 0.0, "microseconds_per_cell": 0.0}
    duckdb(engine_tables.rows(50, seed=2))
    dataset = declared(row=True)
    attached(dataset)
    plan, release = opened(dataset)
    assert measuring.tick_seconds(plan, release) == 50.0


def test_the_owner_sees_how_the_table_stands_and_asks_again(duckdb: Fill) -> None:
    duckdb(engine_tables.rows(50, seed=1, wild=True))
    dataset, client = declared(row=True), Client()
    client.force_login(dataset.owner)
    page = reverse("dataset-detail", args=[dataset.pk])
    told = client.get(page).content.decode()
    assert "table visits in the engine held" in told
    assert "waits for the measuring worker" in told
    assert reverse("dataset-upload", args=[dataset.pk]) not in told
    attached(dataset)
    told = client.get(page).content.decode()
    assert "a cell is missing" in told
    assert client.get(reverse("dataset-look-again", args=[dataset.pk])).status_code == 405
    client.post(reverse("dataset-look-again", args=[dataset.pk]))
    assert SourceCheck.objects.get().state == "WAITING"
    stranger = Client()
    stranger.force_login(privacy_site.person("stella", "steward"))
    assert stranger.post(reverse("dataset-look-again", args=[dataset.pk])).status_code in (403, 404)
    assert "a cell is missing" not in stranger.get(page).content.decode()
