"""One table of an engine is one table, by whatever name it is declared: its people have one population and one cap."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connections
from django.db.backends.postgresql.base import DatabaseWrapper

from privacy import attaching, connecting, locks, measuring, resolving, selectors, services
from privacy.errors import EngineTrouble, MeasuringFailed
from privacy.models import Dataset, DatasetVersion
from privacy.schema_source import Source
from tests import engine_tables
from tests.integration.test_engine_datasets import _keys as _keys
from tests.integration.test_engine_datasets import attached, declared, opened, reached_by
from tests.integration.test_engine_datasets import duckdb as duckdb
from tests.integration.test_engine_datasets import postgres as postgres
from tests.integration.test_privacy_measuring import Onlooker

pytestmark = pytest.mark.django_db(databases=["default", "log"], transaction=True)
SCHEMA = {"duckdb": "main", "postgres": f"held_{os.getpid()}"}
PLACE = {"host": "127.0.0.1", "port": 5432, "user": "postgres"}


@pytest.fixture
def engine(request: pytest.FixtureRequest, settings: Any) -> str:
    """An engine of this kind with a table ``visits``, that its administrator calls both ``held`` and ``again``."""
    request.getfixturevalue(request.param)(engine_tables.rows(50, seed=2))
    known = json.loads(settings.ENGINES_FILE.read_text())
    known["again"] = dict(known["held"])
    if request.param == "duckdb":
        link = Path(known["held"]["path"]).with_name("link.duckdb")
        link.symlink_to(known["held"]["path"])
        known["again"]["path"] = str(link)
    else:
        known["again"]["host"] = "localhost"
    settings.ENGINES_FILE.write_text(json.dumps(known))
    settings.DATA_ENGINES = {name: {"olivia": ["*", "*.*"]} for name in known}
    return str(request.param)


def named(engine: str, table: str, owner: Any, population: str = "the same people, called otherwise") -> Dataset:
    changes = {"source": {"engine": engine, "table": table}, "population": population}
    return services.register_dataset(by=owner, declaration=engine_tables.declaration(row=True, **changes))


@pytest.mark.parametrize("engine", ["duckdb", "postgres"], indirect=True)
def test_no_other_name_gives_a_table_another_cap(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    first = declared(row=True)
    assert attached(first).state == "ACCEPTED"
    names = [("held", f"{SCHEMA[engine]}.visits"), ("again", "visits"), ("again", f"{SCHEMA[engine]}.visits")]
    names += [("held", "VISITS"), ("held", "Main.visits")] if engine == "duckdb" else []
    honest = attaching.engine_coding.faults
    for which, table in names:
        monkeypatch.setattr(attaching.engine_coding, "faults", lambda *_: pytest.fail("a row was asked for"))
        check = attached(named(which, table, first.owner))
        assert [one["rule"].split(",")[0] for one in check.problems] == [
            "this very table is registered under another population"
        ], table
        monkeypatch.setattr(attaching.engine_coding, "faults", honest)
        assert attached(named(which, table, first.owner, "visitors")).state == "ACCEPTED", "under its own population"
    assert len(set(DatasetVersion.objects.values_list("fingerprint", flat=True))) == 1


@pytest.mark.parametrize("engine", ["duckdb"], indirect=True)
def test_a_view_is_refused_and_a_catalogue_is_no_schema(engine: str, settings: Any) -> None:
    import duckdb as native

    path = json.loads(settings.ENGINES_FILE.read_text())["held"]["path"]
    with native.connect(path) as connection:
        connection.execute("CREATE VIEW seen AS SELECT * FROM visits")
    owner = declared(row=True).owner
    for table, rule in [("seen", resolving.VIEW), ("held.visits", resolving.NO_TABLE), ("no", resolving.NO_TABLE)]:
        assert [one["rule"] for one in attached(named("held", table, owner)).problems] == [rule]


def test_postgres_tells_views_and_parts_from_tables(request: pytest.FixtureRequest, settings: Any) -> None:
    import psycopg

    request.getfixturevalue("postgres")(engine_tables.rows(5, seed=2))
    settings.DATA_ENGINES = {"held": {"olivia": ["*"]}}
    with psycopg.connect(**PLACE, dbname="postgres", autocommit=True) as server:
        server.execute(f"SET search_path TO {SCHEMA['postgres']}")
        server.execute("CREATE VIEW seen AS SELECT * FROM visits")
        server.execute("CREATE MATERIALIZED VIEW kept AS SELECT * FROM visits")
        server.execute("CREATE TABLE years (line int) PARTITION BY RANGE (line)")
        server.execute("CREATE TABLE year PARTITION OF years FOR VALUES FROM (0) TO (9)")
        server.execute('CREATE TABLE "Visits" (line int)')
    for name in ("seen", "kept"):
        with pytest.raises(EngineTrouble, match="this is a view"), connecting.opened(Source("held", name), "olivia"):
            pass
    marks = {}
    for name in ("visits", "Visits", "years", "year"):
        with connecting.opened(Source("held", name), "olivia") as held:
            marks[name] = held.place.fingerprint
    assert marks["year"] == marks["years"]
    assert len(set(marks.values())) == 3


def test_another_table_in_an_accepted_ones_place_is_not_measured(
    request: pytest.FixtureRequest, settings: Any, tmp_path: Path
) -> None:
    """The administrator's name leads to another file now, with a table of the same name and form."""
    fill = request.getfixturevalue("duckdb")
    fill(engine_tables.rows(50, seed=2))
    dataset = declared(row=True)
    attached(dataset)
    plan, release = opened(dataset)
    (tmp_path / "held.duckdb").rename(tmp_path / "other.duckdb")
    reached_by(settings, tmp_path, {"kind": "duckdb", "path": str(tmp_path / "other.duckdb")})
    with pytest.raises(MeasuringFailed):
        measuring.run(plan, Onlooker(dataset), release=release)
    assert selectors.budget(dataset.population_id).spent == 0


@pytest.mark.parametrize("engine", ["duckdb"], indirect=True)
def test_of_two_workers_that_look_at_once_one_population_gets_the_table(
    engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second looks while the first has found the table to be new and not recorded it."""
    first = declared(row=True)
    second, honest = named("again", "visits", first.owner), attaching.engine_coding.faults

    def meanwhile(*args: Any) -> Any:
        monkeypatch.setattr(attaching.engine_coding, "faults", honest)
        assert attached(second).state == "ACCEPTED"
        return honest(*args)

    monkeypatch.setattr(attaching.engine_coding, "faults", meanwhile)
    assert "another population" in attached(first).problems[0]["rule"]
    assert DatasetVersion.objects.get().dataset == second


@pytest.fixture
def servers() -> Iterator[list[DatabaseWrapper]]:
    """Two connections to a PostgreSQL, as two workers have them."""
    psycopg = pytest.importorskip("psycopg")
    told = connections["default"].settings_dict | {
        "ENGINE": "django.db.backends.postgresql", "NAME": "postgres", "OPTIONS": {}, "PASSWORD": "",
        **{name.upper(): value for name, value in PLACE.items()},
    }  # fmt: skip
    two = [DatabaseWrapper(told) for _ in range(2)]
    try:
        for one in two:
            one.inc_thread_sharing()
            one.ensure_connection()
    except psycopg.OperationalError:
        if os.environ.get("CI"):
            raise
        pytest.skip("NOT TESTED ON POSTGRESQL: no server answers")
    yield two
    for one in two:
        one.close()


def test_testing_and_creating_are_one_step_between_workers(servers: list[DatabaseWrapper]) -> None:
    one, other = servers
    entered = threading.Event()

    def enter() -> None:
        other.set_autocommit(False)
        locks.alone_in(other)
        entered.set()
        other.rollback()

    one.set_autocommit(False)
    locks.alone_in(one)
    worker = threading.Thread(target=enter)
    worker.start()
    assert not entered.wait(0.3)
    one.commit()
    worker.join(10)
    assert entered.is_set()
