"""``manage.py migrate`` is killed: nothing is lost, nobody is served by half a database, and the next one ends well."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from django.db import connections

from benchmarks.postgres_server import Server, available
from tests.half_migrated import COUNT

pytestmark = pytest.mark.django_db(databases=["default", "log"], transaction=True)
ROOT = Path(__file__).resolve().parents[2]
Act = Callable[..., dict[str, Any]]
KILLS = {"data": ("privacy.0010_sealed_exact_counts", False), "noting": ("synthesis.0015_reused_release", True)}
"""Where, the first migration that is missing then, and whether the one that changes data was done."""


def copy_of_the_tests_databases(folder: Path) -> None:
    """Migrated as a whole already, which saves the time."""
    for alias, name in (("default", "site.sqlite3"), ("log", "log.sqlite3")):
        if connections[alias].vendor == "sqlite":
            connections[alias].ensure_connection()
            with closing(sqlite3.connect(folder / name)) as copy:
                connections[alias].connection.backup(copy)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.long_only)])
def act(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Act]:
    """Acts of tests.half_migrated on databases of their own."""
    own = {name: value for name, value in os.environ.items() if not name.endswith("DATABASE_URL")}
    environment, server = own | {"SITE_DIR": str(tmp_path), "RUST_BACKTRACE": "0"}, None
    if request.param == "sqlite":
        copy_of_the_tests_databases(tmp_path)
    elif available():
        server = Server()
        environment |= {"DATABASE_URL": server.create("state"), "LOG_DATABASE_URL": server.create("log")}
    else:
        pytest.skip("NOT TESTED HERE: an interrupted migration of PostgreSQL needs PostgreSQL")
    with subprocess.Popen(
        [sys.executable, "-m", "tests.half_migrated"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env=environment, cwd=ROOT,
    ) as site:  # fmt: skip

        def do(*asked: str) -> dict[str, Any]:
            print(json.dumps(asked), file=site.stdin, flush=True)
            answer = site.stdout.readline()
            assert answer, f"it ended in {asked}"
            return dict(json.loads(answer))

        yield do
        site.stdin.close()
    if server is not None:
        server.close()


def test_a_killed_migration_serves_nobody_and_the_next_one_ends_well(act: Act, tmp_path: Path) -> None:
    """Killed in the middle of changing data, and between a migration's last statement and its being noted as done."""
    assert act("older")["ended"] == [0, 0, 0, 0]
    for point, (first, sealed) in KILLS.items():
        seen = act("killed", point)
        assert (seen["ended"], seen["missing"][0]) == (-9, first), point
        assert ("sealed" in seen["columns"]) == sealed, f"{point}: a migration is done whole or not at all"
        assert (str(COUNT) in seen["results"]) == (not sealed), f"{point}: the count is in the one form or the other"
        for who in ("web", "worker"):
            assert f"the first is {first}: back up, then 'manage.py migrate'" in seen["said"][who], (point, who)
        assert (seen["ready"], seen["parts"]["migrations"], seen["parts"]["database"]) == (503, False, True)
    seen = act("ended_well")
    assert (seen["ended"], seen["missing"], seen["said"]["web"]) == (0, [], "")
    assert seen["parts"]["migrations"] is True
    assert act("sealed") == {"count": COUNT}, "nothing was lost"
    files = [path.read_bytes() for path in tmp_path.glob("site.sqlite3*")]
    assert not any(str(COUNT).encode() in content for content in files), "nor does it lie in the open any more"
