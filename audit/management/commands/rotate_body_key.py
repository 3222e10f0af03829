"""manage.py rotate_body_key: a new key for the bodies kept beside the log."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from audit import key_care
from audit.errors import AuditError


class Command(BaseCommand):
    help = "Seal bodies with a new key from now on; with --reseal those that are there as well."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--reseal", action="store_true", help="seal every older body with the new key, too")
        parser.add_argument("--by", default="console", help="who asked for it; goes into the log")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            self.stdout.write(f"new body key {key_care.rotate_bodies(by=options['by'])}")
            if options["reseal"]:
                self.stdout.write(f"{key_care.reseal(by=options['by'])} bodies sealed again")
        except (AuditError, OSError) as error:
            raise CommandError(str(error)) from error
