"""Propose to destroy a prompt or an answer, confirm as a second person what somebody proposed, or withdraw it.

manage.py erase_body ID --by stella --reason "asked for by the data owner"
manage.py erase_body ID --by stefan --confirm
manage.py erase_body ID --by stella --withdraw
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied
from django.core.management.base import BaseCommand, CommandError, CommandParser

from audit import erasure
from audit.errors import AuditError
from audit.models import ErasureProposal


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("body", help="the id of a prompt's or an answer's body, as in the log's entry")
        parser.add_argument("--by", required=True, help="the user name of who asks for it, or of who confirms it")
        parser.add_argument("--reason", default="", help="stays in the log for ever: name no person")
        step = parser.add_mutually_exclusive_group()
        step.add_argument("--confirm", action="store_true", help="carry out what somebody else proposed")
        step.add_argument("--withdraw", action="store_true", help="take a proposal back; nothing is destroyed")

    def handle(self, *args: Any, **options: Any) -> None:
        by = get_user_model().objects.filter(username=options["by"], is_active=True).first()
        if by is None:
            raise CommandError(f"There is no person called {options['by']}.")
        try:
            told = self.step(options)(by, options)
        except (AuditError, PermissionDenied) as problem:
            raise CommandError(str(problem)) from problem
        self.stdout.write(told)

    def step(self, options: dict[str, Any]) -> Callable[[Any, dict[str, Any]], str]:
        if options["confirm"]:
            return self.carry_out
        return self.take_back if options["withdraw"] else self.ask

    def ask(self, by: Any, options: dict[str, Any]) -> str:
        made = erasure.propose(by=by, body=options["body"], reason=options["reason"])
        return f"Proposed to erase {', '.join(made.bodies)}. A second person confirms it."

    def carry_out(self, by: Any, options: dict[str, Any]) -> str:
        return f"Erased: {', '.join(erasure.confirm(by=by, proposal=self.waiting(options)))}."

    def take_back(self, by: Any, options: dict[str, Any]) -> str:
        proposal = self.waiting(options)
        erasure.withdraw(by=by, proposal=proposal)
        return f"Withdrawn: the proposal to erase {', '.join(proposal.bodies)}. Nothing was destroyed."

    def waiting(self, options: dict[str, Any]) -> ErasureProposal:
        proposal = erasure.proposal_of(options["body"])
        if proposal is None:
            raise CommandError("Nobody proposed to erase this, or it was carried out or withdrawn.")
        return proposal
