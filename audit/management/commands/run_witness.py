"""manage.py run_witness: the same witness as 'python -m audit.witness', with the same options."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from audit import witness
from audit.notes import NoteError


class Command(BaseCommand):
    help = "Cosign a log's checkpoints, in a process that needs neither the site's database nor its keys."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        witness.add_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            witness.run(options["folder"], options["name"], options["log"], options["host"], options["port"])
        except (NoteError, OSError, RuntimeError) as error:
            raise CommandError(f"the witness does not start: {error}") from error
