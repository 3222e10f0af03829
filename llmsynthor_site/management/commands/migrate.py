"""manage.py migrate: Django's, whose every migration is done whole or not at all, whenever it is killed."""

from __future__ import annotations

from django.core.management.commands import migrate

from llmsynthor_site.migrating import WholeMigrations

migrate.MigrationExecutor = WholeMigrations  # type: ignore[attr-defined]  # the command has no other place to name one


class Command(migrate.Command):
    pass
