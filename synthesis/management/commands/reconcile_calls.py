"""Compare the door's own count with the log and with what endpoints report; every mismatch opens a finding."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from synthesis import reconciling


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--since", help="a day such as 2026-01-31: calls of that day (UTC) and later")
        parser.add_argument(
            "--reported", type=Path,
            help='endpoints\' own figures: {"name": {"calls": 7, "prompt_tokens": 900, "completion_tokens": 80}}',
        )  # fmt: skip

    def handle(self, *args: Any, **options: Any) -> None:
        since, reported = day(options["since"]), figures(options["reported"])
        account = reconciling.compare(since=since, reported=reported)
        opened = reconciling.open_findings(account)
        for one in account.mismatches:
            self.stderr.write(f"{one.kind}: {one.subject}: {one.detail}")
        words = f"{account.counted} calls counted by the door, {account.logged} sent by the log"
        if account.mismatches:
            raise CommandError(f"DIFFERS: {words}, {len(account.mismatches)} mismatches, {len(opened)} findings opened")
        self.stdout.write(f"AGREES: {words}")


def day(text: str | None) -> datetime | None:
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC) if text else None
    except ValueError:
        raise CommandError("--since is a day such as 2026-01-31") from None


def figures(path: Path | None) -> dict[str, dict[str, int]]:
    """What the file reports, strictly: endpoint name -> figure -> whole number."""
    if path is None:
        return {}
    try:
        told: dict[str, dict[str, int]] = json.loads(path.read_text())
        each = [pair for figures in told.values() for pair in figures.items()]
        whole = all(type(number) is int and name in reconciling.FIGURES for name, number in each)
    except (OSError, ValueError, AttributeError):
        whole = False
    if not whole:
        raise CommandError("--reported is JSON: endpoint -> calls, prompt_tokens, completion_tokens, in whole numbers")
    if unknown := sorted(set(told) - reconciling.endpoints()):
        raise CommandError(f"--reported names no endpoint of this site: {', '.join(unknown)}")
    return told
