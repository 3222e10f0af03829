"""manage.py build_verifier --out FILE: an offline verifier as one file, for auditors, or for who gets a package."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from audit import bundling


class Command(BaseCommand):
    help = "Write the offline verifier as one file that needs Python and the cryptography package alone."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--out", type=Path, default=Path("llmsynthor-verify.pyz"))
        parser.add_argument("--package", action="store_true", help="the one that checks packages, not exports")

    def handle(self, *args: Any, **options: Any) -> None:
        entry = bundling.OF_PACKAGES if options["package"] else bundling.ENTRY
        try:
            digest = bundling.write(options["out"], entry)
        except OSError as error:
            raise CommandError(f"{options['out']}: {error.strerror}") from error
        self.stdout.write(f"{options['out']}: {len(bundling.modules(entry))} modules, SHA-256 {digest}")
