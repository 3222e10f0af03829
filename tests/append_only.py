"""A pytest plugin: every database test gets a site folder of its own, with keys and an empty anchor, and
empty databases: SQLite's are put back as they were migrated, and PostgreSQL's tables that refuse deletion are
emptied all the same (only here)."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.db import connections, transaction
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
def _nothing_to_be_kept() -> None:
    """Test databases end with the run, so no write of theirs waits for the disk."""
    for alias in connections:
        if connections[alias].vendor == "sqlite":
            options = connections.settings[alias]["OPTIONS"]
            durable = options["init_command"]
            connections.settings[alias]["OPTIONS"] = {
                **options, "init_command": durable.replace("synchronous=FULL", "synchronous=OFF")
            }  # fmt: skip


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """Emptying table by table and making the permissions again after each test took longer than most tests."""
    with django_db_blocker.unblock():
        kept = {alias: _copy(alias) for alias in connections if _is_a_tests_file(connections[alias])}
    original, patch = TransactionTestCase._fixture_teardown, pytest.MonkeyPatch()

    def teardown(case: TransactionTestCase) -> None:
        aliases = case._databases_names(include_mirrors=False)
        if kept.keys() >= set(aliases):
            for alias in aliases:
                _put_back(alias, kept[alias])
        else:
            with _all_lifted(aliases):
                original(case)

    patch.setattr(TransactionTestCase, "_fixture_teardown", teardown)
    yield
    patch.undo()


def _is_a_tests_file(connection: Any) -> bool:
    """The databases that no test of this run asks for are still the site's own."""
    return connection.vendor == "sqlite" and connection.settings_dict["NAME"] == connection.creation._get_test_db_name()


def _copy(alias: str) -> sqlite3.Connection:
    copy = sqlite3.connect(":memory:")
    connections[alias].ensure_connection()
    connections[alias].connection.backup(copy)
    return copy


def _put_back(alias: str, copy: sqlite3.Connection) -> None:
    with transaction.atomic(alias):  # waits for a writer that was left behind, and says so; a copy would wait for ever
        pass
    copy.backup(connections[alias].connection)


@contextmanager
def _all_lifted(aliases: Collection[str]) -> Iterator[None]:
    with ExitStack() as lifted:
        for alias in aliases:
            lifted.enter_context(triggers_lifted(connections[alias]))
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
