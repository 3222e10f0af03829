"""manage.py restore_custody: put key files back from a bundle and enough shares of its key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from audit import custody, keys
from audit.errors import AuditError


class Command(BaseCommand):
    help = "Restore the key files of a site into its keys folder; nothing there is overwritten."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--bundle", type=Path, required=True)
        parser.add_argument("--share", type=Path, action="append", required=True, help="one file for each custodian")
        parser.add_argument("--to", type=Path, help="another folder than this site's own")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            shares = [path.read_text() for path in options["share"]]
            names = custody.restore(options["bundle"].read_bytes(), shares, options["to"] or keys.folder())
        except (AuditError, OSError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"Restored: {', '.join(names)}")
