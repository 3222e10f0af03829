"""manage.py build_verifier --out FILE: the offline verifier as one file, to be handed to auditors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from audit import bundling


class Command(BaseCommand):
    help = "Write the offline verifier as one file that needs Python and the cryptography package alone."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--out", type=Path, default=Path("llmsynthor-verify.pyz"))

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            digest = bundling.write(options["out"])
        except OSError as error:
            raise CommandError(f"{options['out']}: {error.strerror}") from error
        self.stdout.write(f"{options['out']}: {len(bundling.modules())} modules, SHA-256 {digest}")
