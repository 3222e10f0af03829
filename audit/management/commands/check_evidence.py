"""manage.py check_evidence PACK --key PUB: check an evidence pack; needs no database."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from audit import check_evidence


class Command(BaseCommand):
    help = "Check an evidence pack, as 'python -m audit.check_evidence' does without Django."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        check_evidence.add_options(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        code = check_evidence.run(
            options["pack"], key=options["key"], checkpoints=options["checkpoint"], as_json=options["json"]
        )
        if code:
            sys.exit(code)
