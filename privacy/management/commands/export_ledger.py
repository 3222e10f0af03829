"""manage.py export_ledger: the whole privacy ledger of one population, as JSON or CSV."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from audit import events
from privacy import exporting
from privacy.models import Population


class Command(BaseCommand):
    help = "Write a population's privacy ledger to standard output or a file. That it was exported is logged."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("population", help="its name or id")
        parser.add_argument("--format", choices=["json", "csv"], default="json")
        parser.add_argument("--out", type=Path, help="a file that does not exist yet")
        parser.add_argument("--reason", required=True, help="why; it stands in the log")

    def handle(self, *args: Any, **options: Any) -> None:
        population = _population(options["population"])
        text = exporting.as_csv(population) if options["format"] == "csv" else exporting.as_json(population)
        facts = {"population": str(population.pk), "reason": options["reason"], "format": options["format"]}
        subject = f"population:{population.pk}"
        events.append(action="privacy:ledger_export:made", by="system", subject=subject, facts=facts)
        if options["out"] is None:
            self.stdout.write(text, ending="")
            return
        try:
            with options["out"].open("x", encoding="utf-8", newline="") as file:
                file.write(text)
        except OSError as problem:
            raise CommandError(f"cannot write {options['out']}: {problem.strerror}") from problem


def _population(name: str) -> Population:
    for population in Population.objects.all():
        if name in (str(population.pk), population.name) or name.casefold() == population.key:
            return population
    raise CommandError("no population has this name or id")
