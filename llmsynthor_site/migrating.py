"""Whether the databases are as this version needs them: a site half-way through its migrations serves nobody."""

from __future__ import annotations

from functools import lru_cache
from itertools import groupby

from django.db import connections
from django.db.migrations import Migration
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

ALIASES = {"default": "manage.py migrate", "log": "manage.py migrate --database log"}
"""What completes each database."""
APPS = {"log": ["audit"]}
"""The apps that have models in a database (llmsynthor_site.routers); where none is named, every app."""


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


def concerns(alias: str, migration: Migration) -> bool:
    """Whether it may do anything to a database: its app has models there, or an operation names that database."""
    named = any(getattr(each, "hints", {}).get("database") == alias for each in migration.operations)
    return named or migration.app_label in APPS.get(alias, [migration.app_label])


class WholeMigrations(MigrationExecutor):
    """Django's, but each migration is carried out and noted as done in one transaction.

    Django leaves statements such as foreign keys for the end and notes a migration that has some afterwards: killed in
    between, the next attempt finds tables that it wants to make.

    And a migration that has nothing for this database is noted at once: rendering every model at that point, which
    Django does for each, is most of what making the log's database would take.
    """

    def migrate(self, targets, plan=None, state=None, fake=False, fake_initial=False):
        plan = self.migration_plan(targets) if plan is None else plan
        if state is None or fake or fake_initial or not plan or any(backwards for _, backwards in plan):
            return super().migrate(targets, plan, state, fake, fake_initial)
        self.recorder.ensure_schema()
        for wanted, found in groupby(self._in_order(plan), key=self._wanted):
            steps = list(found)
            state = super().migrate(targets, steps, state) if wanted else self._noted(state, steps)
        return state

    def _wanted(self, step):
        return concerns(self.connection.alias, step[0])

    def _in_order(self, plan):
        every = self.migration_plan(self.loader.graph.leaf_nodes(), clean_start=True)
        places = {migration: place for place, (migration, _) in enumerate(every)}
        return sorted(plan, key=lambda step: places[step[0]])

    def _noted(self, state, steps):
        state.__dict__.pop("apps", None)  # as rendered for the migrations before
        told = self.progress_callback or (lambda *_: None)
        for migration, _ in steps:
            told("apply_start", migration, False)
            migration.mutate_state(state, preserve=False)
            self.record_migration(migration)  # type: ignore[call-arg]  # the stubs are of an older Django
            told("apply_success", migration, False)
        return state

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
