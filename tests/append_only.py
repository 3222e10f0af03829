"""A pytest plugin: every database test gets a site folder of its own, with keys and an empty anchor, and
tables that refuse deletion can still be emptied between tests (and only there)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.db import connections
from django.test import TransactionTestCase


@contextmanager
def triggers_lifted(connection: Any) -> Iterator[None]:
    """Without its append-only triggers, as only the owner of a database can."""
    lift, restore = _postgres() if connection.vendor == "postgresql" else _sqlite(connection)
    with connection.cursor() as cursor:
        for statement in lift:
            cursor.execute(statement)
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            for statement in restore:
                cursor.execute(statement)


def _postgres() -> tuple[list[str], list[str]]:
    return ["SET session_replication_role TO replica"], ["SET session_replication_role TO DEFAULT"]


def _sqlite(connection: Any) -> tuple[list[str], list[str]]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
        found = cursor.fetchall()
    return [f'DROP TRIGGER "{name}"' for name, _ in found], [sql for _, sql in found]


@pytest.fixture(scope="session", autouse=True)
def _emptied_between_tests() -> Iterator[None]:
    original = TransactionTestCase._fixture_teardown

    def teardown(case: TransactionTestCase) -> None:
        aliases = [alias for alias in case._databases_names(include_mirrors=False)]
        with _all_lifted(aliases):
            original(case)

    patch = pytest.MonkeyPatch()
    patch.setattr(TransactionTestCase, "_fixture_teardown", teardown)
    yield
    patch.undo()


@contextmanager
def _all_lifted(aliases: list[str]) -> Iterator[None]:
    if not aliases:
        yield
        return
    with triggers_lifted(connections[aliases[0]]), _all_lifted(aliases[1:]):
        yield


_NEEDS_KEYS = {"db", "transactional_db", "live_server"}


@pytest.fixture(autouse=True)
def site(request: pytest.FixtureRequest, tmp_path: Path, settings: Any) -> Path:
    """The folder of this test's own site."""
    settings.SITE_DIR = tmp_path / "site"
    if _NEEDS_KEYS & set(request.fixturenames) or request.node.get_closest_marker("django_db"):
        from audit import keys

        keys.make()
    return settings.SITE_DIR
