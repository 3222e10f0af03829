"""Whether the databases are as this version needs them: a site half-way through its migrations serves nobody."""

from __future__ import annotations

from functools import lru_cache

from django.db import connections
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

ALIASES = {"default": "manage.py migrate", "log": "manage.py migrate --database log"}
"""What completes each database."""


def missing(alias: str) -> list[str]:
    """The migrations of this version that a database does not have; those of a newer one do no harm. DatabaseError."""
    had = MigrationRecorder(connections[alias]).applied_migrations()
    return [f"{app}.{name}" for app, name in known() if (app, name) not in had]


@lru_cache(maxsize=1)
def known() -> list[tuple[str, str]]:
    return sorted(MigrationLoader(None).disk_migrations or ())


def problems() -> list[str]:
    """In words what keeps this site from serving, database by database. DatabaseError while one cannot be asked."""
    lacking = {alias: missing(alias) for alias in ALIASES}
    return [
        f"the {alias} database lacks {len(found)} migrations, the first is {found[0]}: back up, then '{ALIASES[alias]}'"
        for alias, found in lacking.items()
        if found
    ]


class WholeMigrations(MigrationExecutor):
    """Django's, but each migration is carried out and noted as done in one transaction.

    Django leaves statements such as foreign keys for the end and notes a migration that has some afterwards: killed in
    between, the next attempt finds tables that it wants to make.
    """

    def apply_migration(self, state, migration, fake=False, fake_initial=False):
        honest = migration.apply

        def apply(project_state, schema_editor, collect_sql=False):
            after = honest(project_state, schema_editor, collect_sql)
            while not collect_sql and schema_editor.deferred_sql:
                schema_editor.execute(schema_editor.deferred_sql.pop(0), None)
            return after

        migration.apply = apply
        try:
            return super().apply_migration(state, migration, fake, fake_initial)
        finally:
            migration.apply = honest
