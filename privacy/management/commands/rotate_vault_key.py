"""manage.py rotate_vault_key: a new vault key, with every version's key wrapped to it."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from audit.actors import SYSTEM
from privacy import vault_keys
from privacy.errors import SealBroken


class Command(BaseCommand):
    help = "Make a new vault key and retire the old one; run it where the measuring worker runs. Both are logged."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--forget-retired", action="store_true", help="make no new key; destroy the one retired by the last turn"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            if options["forget_retired"]:
                gone = vault_keys.forget(by=SYSTEM)
                self.stdout.write("the retired key is destroyed" if gone else "there is no retired key")
                return
            self.stdout.write(f"wrapped to the new key: {vault_keys.rotate(by=SYSTEM)}")
        except SealBroken as problem:
            raise CommandError(str(problem)) from problem
