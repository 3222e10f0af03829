"""Migrations that have nothing for a database are noted there and not carried out: they would have done nothing."""

from __future__ import annotations

import pytest
from django.apps import apps
from django.db import router
from django.db.migrations import Migration, RunPython
from django.db.migrations.loader import MigrationLoader

from llmsynthor_site.migrating import ALIASES, APPS, concerns

EVERY = sorted((MigrationLoader(None).disk_migrations or {}).items())


@pytest.mark.parametrize("alias", sorted(ALIASES))
def test_what_is_passed_over_would_have_done_nothing(alias: str) -> None:
    passed = [each for _, each in EVERY if not concerns(alias, each)]
    for migration in passed:
        for operation in migration.operations:
            hints = getattr(operation, "hints", {})
            assert not router.allow_migrate(alias, migration.app_label, **hints), migration
    labels = {migration.app_label for migration in passed}
    models = [model for model in apps.get_models() if model._meta.app_label in labels]
    assert not [model for model in models if router.allow_migrate_model(alias, model)]


def test_the_log_is_made_by_few_and_the_state_by_all() -> None:
    concerned = {alias: [each for _, each in EVERY if concerns(alias, each)] for alias in ALIASES}
    assert {each.app_label for each in concerned["log"]} == set(APPS["log"])
    assert len(concerned["default"]) == len(EVERY)


def test_an_operation_that_names_a_database_is_not_passed_over() -> None:
    for names, concerned in ((["log"], True), (["default"], False), (["default", "log"], True)):
        named = [RunPython(RunPython.noop, hints={"database": name}) for name in names]
        migration = type("Any", (Migration,), {"operations": named})("0001_any", "synthesis")
        assert concerns("log", migration) is concerned
