"""manage.py backup_site --out FOLDER: state, log and sealed files, while the site goes on; no keys and no anchors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from llmsynthor_site.operations import backups


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--out", type=Path, required=True, help="a new or empty folder")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            made = backups.make(options["out"])
        except (backups.NoBackup, OSError) as problem:
            raise CommandError(str(problem)) from None
        self.stdout.write(f"{len(made['files'])} files, {made['log_size']} entries of the log; keep keys elsewhere.")
