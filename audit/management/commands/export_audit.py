"""manage.py export_audit --out FOLDER: everything an outsider needs to check the log."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from audit import bundling
from audit.errors import AuditError
from audit.export import export


class Command(BaseCommand):
    help = "Write the audit log for an outside check with 'python -m audit.verify'."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--out", type=Path, required=True, help="an empty or new folder")
        parser.add_argument("--reason", default="requested on the command line", help="goes into the log")
        parser.add_argument("--tiles", action="store_true", help="also as static files for outside tools (tlog-tiles)")
        parser.add_argument("--by", default="console", help="who asked for it; goes into the log")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            made = export(options["out"], by=options["by"], reason=options["reason"], with_tiles=options["tiles"])
            verifier = made.folder.with_name(f"{made.folder.name}.verify.pyz")
            digest = bundling.write(verifier)
        except (AuditError, OSError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{made.size} entries, {made.files} files, root {made.root}")
        # Beside the export, not in it: whoever forged an export would forge a verifier in it as well.
        self.stdout.write(f"verifier {verifier.name}, SHA-256 {digest}")
