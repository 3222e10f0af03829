"""One signed file that shows an outsider what the log holds of a request, a dataset or a period."""

from __future__ import annotations

import re
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from audit.errors import AuditError
from audit.selection import Scope
from llmsynthor_site.evidence.making import make

DAY = re.compile(r"\d{4}-\d\d-\d\d")


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--request", help="the request's id")
        parser.add_argument("--dataset", help="the dataset's id")
        parser.add_argument("--since", help="first day of a period, UTC: 2026-01-31")
        parser.add_argument("--until", help="last day of a period, UTC")
        parser.add_argument("--out", type=Path, required=True, help="a ZIP file that does not exist yet")
        parser.add_argument("--reason", required=True, help="why; it stands in the log and in the pack")
        parser.add_argument("--by", default="console", help="who asked for it; goes into the log")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            made = make(scope_of(options), by=options["by"], reason=options["reason"], target=options["out"])
        except (AuditError, OSError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{made.path}: pack {made.number}, {made.entries} entries in scope, the log {made.verdict}")


def scope_of(options: dict[str, Any]) -> Scope:
    asked = [kind for kind in ("request", "dataset") if options[kind]]
    days = [options[name] for name in ("since", "until")]
    if len(asked) + any(days) != 1 or (any(days) and not all(days)):
        raise CommandError("give one of: --request, --dataset, or --since together with --until")
    if asked:
        return Scope(asked[0], options[asked[0]])
    return period(*days)


def period(since: str, until: str) -> Scope:
    if not DAY.fullmatch(since) or not DAY.fullmatch(until):
        raise CommandError("days read 2026-01-31")
    return Scope("period", since=f"{since}T00:00:00Z", until=f"{until}T23:59:59Z")
