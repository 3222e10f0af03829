"""manage.py rotate_package_key: hand over to a new key that signs packages."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from audit import package_keys
from audit.errors import AuditError


class Command(BaseCommand):
    help = "Turn to a new signing key of packages, logged and signed by the old one; print the new public key."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--by", default="console", help="who asked for it; goes into the log")
        parser.add_argument("--lost", action="store_true", help="the old key is gone: the log alone vouches")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            self.stdout.write(str(package_keys.rotate(by=options["by"], lost=options["lost"])))
        except (AuditError, OSError) as error:
            raise CommandError(str(error)) from error
