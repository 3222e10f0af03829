"""Collect every text of the pages into the catalogues of locale/, or with --check say whether they are complete."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from llmsynthor_site.catalogue import building


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--check", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        languages = [code for code, _ in settings.LANGUAGES if code != settings.LANGUAGE_CODE]
        if options["check"]:
            if found := [problem for code in languages for problem in building.problems(code)]:
                raise CommandError("\n".join([*found, "Run: manage.py build_messages, and translate what is empty."]))
            self.stdout.write("The catalogues are complete.")
            return
        for code in languages:
            open_ = building.build(code)
            self.stdout.write(f"{code}: {open_} texts are still to be translated.")
