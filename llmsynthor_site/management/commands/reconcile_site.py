"""manage.py reconcile_site: make a restored, older database of the site usable again; nothing spent comes back."""

from __future__ import annotations

from collections import Counter
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from audit import events, log, restored
from audit.errors import AuditError
from audit.leaves import Leaf
from privacy import reentering


class Command(BaseCommand):
    help = "Enter again, from the log, the ledger lines that a restored older database lacks; list all else it lacks."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--reason", help="why an older state was restored; goes into the log")
        parser.add_argument("--by", help="who reconciles; goes into the log")
        parser.add_argument("--confirmed-by", help="a second person, who agrees; goes into the log")
        parser.add_argument("--list", action="store_true", help="only list what is lacking")
        parser.add_argument(
            "--without-populations", action="store_true",
            help="go on although whole populations, with all that was spent on them, are unknown to this state",
        )  # fmt: skip

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            log.check_whole()
            leaves = restored.forgotten()
        except AuditError as error:
            raise CommandError(str(error)) from error
        found = reentering.lost(leaves)
        self._list(leaves, found)
        if options["list"] or not leaves:
            return
        _require(options, found)
        self._reconcile(leaves, found, options)

    def _list(self, leaves: list[Leaf], found: reentering.Lost) -> None:
        self.stdout.write(f"The log tells of {len(leaves)} events that the site's database does not know.")
        for leaf in leaves:
            if not leaf.action.startswith(reentering.ACTIONS):
                self.stdout.write(f"  {leaf.time}  {leaf.action}  {leaf.subject}  by {leaf.by}")
        self.stdout.write(f"Lines of the privacy ledger that can be entered again: {len(found.lines)}.")
        for name in sorted(found.populations):
            self.stdout.write(f"Unknown here, with all that was spent on it: population {name}.")

    def _reconcile(self, leaves: list[Leaf], found: reentering.Lost, options: dict[str, Any]) -> None:
        with transaction.atomic():
            restored.remember(leaves)
            count = reentering.reenter(found.lines)
            facts = {
                "forgotten": len(leaves), "actions": dict(Counter(leaf.action for leaf in leaves)), "lines": count,
                "populations": sorted(found.populations), "reason": options["reason"],
                "proposed_by": options["by"], "confirmed_by": options["confirmed_by"],
            }  # fmt: skip
            events.record(action="audit:site:reconciled", by=options["by"], subject="site:database", facts=facts)
        self.stdout.write(f"{count} lines of the privacy ledger are back. Do again by hand what is listed above:")
        self.stdout.write("roles, votes, withdrawals and kill switches of that time are NOT back.")


def _require(options: dict[str, Any], found: reentering.Lost) -> None:
    by, second, reason = (options[name] or "" for name in ("by", "confirmed_by", "reason"))
    if not (by and second and reason.strip()) or by == second:
        raise CommandError("two different people (--by, --confirmed-by), and a --reason, are needed")
    if found.populations and not options["without_populations"]:
        raise CommandError(
            "what was spent on the unknown populations cannot be entered here: restore a newer state, or accept with "
            "--without-populations that nobody may register their data again"
        )
