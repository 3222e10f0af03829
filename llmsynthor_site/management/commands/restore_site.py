"""manage.py restore_site --from FOLDER: a backup into an empty site; an older state is refused until reconciled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from audit import log, restored
from audit.errors import LogUnavailable
from llmsynthor_site.operations import backups


class Command(BaseCommand):
    help = __doc__
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--from", type=Path, required=True, dest="folder", help="made by backup_site")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            told = backups.restore(options["folder"])
        except (backups.NoBackup, OSError) as problem:
            raise CommandError(str(problem)) from None
        self.stdout.write(f"Restored what was copied at {told['made']}: {told['log_size']} entries of the log.")
        self.stdout.write(verdict())


def verdict() -> str:
    """Whether the site may start as it is now, or what two people have to do first."""
    try:
        log.check_whole()
        restored.check()
    except LogUnavailable as problem:
        return f"It does not start yet: {problem}\nTwo people make it usable (docs/audit-log.md)."
    return "It is as new as its anchors: start it."
