"""manage.py export_catalogue --out FOLDER: public records of released packages, to be put on any web server."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from synthesis import cataloguing


class Command(BaseCommand):
    help = "Write a DCAT catalogue and a Croissant record for every released package whose owner allows it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--out", type=Path, required=True, help="a folder that does not exist yet")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            named = cataloguing.write(options["out"])
        except OSError as problem:
            raise CommandError(f"{options['out']}: {problem.strerror}; name a folder that does not exist yet") from None
        self.stdout.write(f"{named} package{'' if named == 1 else 's'} in {options['out']}")
