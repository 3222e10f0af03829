"""manage.py rotate_log_key: hand over to a new key that signs the log's checkpoints."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from audit import key_care
from audit.errors import AuditError


class Command(BaseCommand):
    help = "Turn to a new signing key of the log, logged and signed by the old one; print the new public key."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--by", default="console", help="who asked for it; goes into the log")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            self.stdout.write(str(key_care.rotate_signing(by=options["by"])))
        except (AuditError, OSError) as error:
            raise CommandError(str(error)) from error
