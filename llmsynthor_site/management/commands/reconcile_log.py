"""manage.py reconcile_log: make a restored, older log whole again from an export; nothing spent comes back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from audit import reconciling
from audit.errors import AuditError
from privacy.models import LedgerEntry


class Command(BaseCommand):
    help = "Enter again, from a verified export, the entries that a restored older log has lost."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--export", type=Path, required=True, help="made by export_audit after the newest anchor")
        parser.add_argument("--reason", required=True, help="why an older state was restored; goes into the log")
        parser.add_argument("--by", required=True, help="who reconciles; goes into the log")
        parser.add_argument("--confirmed-by", required=True, help="a second person, who agrees; goes into the log")

    def handle(self, *args: Any, **options: Any) -> None:
        people = {"by": options["by"], "confirmed_by": options["confirmed_by"]}
        try:
            lost = reconciling.examine(options["export"])
            _check_ledger(lost)
            count = reconciling.reenter(lost, reason=options["reason"], **people)
        except AuditError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{count} entries are back in the log; the reconciliation is an entry of its own")


def _check_ledger(lost: reconciling.Lost) -> None:
    """A ledger older than the log would spend again what was spent: it is restored first, or nothing is."""
    told = {leaf.facts["entry"] for leaf in lost.export.leaves if leaf.facts.get("entry")
            and leaf.action.startswith("privacy:ledger:")}  # fmt: skip
    missing = told - {str(key) for key in LedgerEntry.objects.values_list("pk", flat=True)}
    if missing:
        raise AuditError(
            f"the site's database lacks {len(missing)} lines of the privacy ledger that the log tells of: "
            "restore a state at least as new as the export first"
        )
