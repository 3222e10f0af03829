"""manage.py export_custody: the site's key files, split among custodians."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from audit import custody
from audit.errors import AuditError


class Command(BaseCommand):
    help = "Seal every key file of this site in one bundle that any NEEDED of SHARES custodians open together."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--out", type=Path, required=True, help="an empty or new folder")
        parser.add_argument("--needed", type=int, default=2, help="how many custodians must come together")
        parser.add_argument("--shares", type=int, default=3, help="how many custodians there are")
        parser.add_argument("--by", default="console", help="who asked for it; goes into the log")

    def handle(self, *args: Any, **options: Any) -> None:
        asked = {name: options[name] for name in ("needed", "shares", "by")}
        try:
            names = custody.split(options["out"], **asked)
        except (AuditError, OSError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"Sealed: {', '.join(names)}")
        self.stdout.write(f"Give each custodian one share and a copy of {custody.BUNDLE}, then remove this folder.")
