"""manage.py verify_log: check the running log, its checkpoints and its triggers."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from audit import livecheck
from audit.errors import LogUnavailable


class Command(BaseCommand):
    help = "Re-hash the running log and compare it with its head, its checkpoints and its anchor."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            findings = livecheck.check()
        except LogUnavailable as error:
            raise CommandError(f"BROKEN: {error}") from error
        for one in findings.found:
            self.stderr.write(f"[{one.check}] {one.place}: {one.message}")
        if findings.found:
            raise CommandError(f"BROKEN: {len(findings.found)} findings")
        counts = ", ".join(f"{number} {name}" for name, number in sorted(findings.counts.items()))
        self.stdout.write(f"HOLDS: {counts}")
