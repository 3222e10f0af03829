"""Write the generated pages of docs/, or with --check say whether they are up to date."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from llmsynthor_site.generated_docs import pages


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--check", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        stale = []
        for name, text in pages().items():
            path = settings.BASE_DIR / "docs" / name
            if options["check"]:
                stale += [] if path.exists() and path.read_text() == text else [name]
            else:
                path.write_text(text)
        if stale:
            raise CommandError(f"Out of date: {', '.join(stale)}. Run: make docs")
        self.stdout.write("The generated pages are up to date.")
