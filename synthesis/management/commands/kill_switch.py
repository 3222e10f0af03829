"""Stop everything that would leave, or everything of one dataset or request; or let it go on."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from synthesis import halts, switches
from synthesis.models import KillSwitch


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("way", choices=["on", "off"])
        what = parser.add_mutually_exclusive_group(required=True)
        what.add_argument("--all", dest="target", action="store_const", const=halts.ALL)
        what.add_argument("--dataset", dest="target", type="dataset:{}".format, metavar="ID")
        what.add_argument("--request", dest="target", type="request:{}".format, metavar="ID")
        parser.add_argument("--reason", required=True)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            self.stdout.write(self.turn(**{name: options[name] for name in ("way", "target", "reason")}))
        except ValidationError as problem:
            raise CommandError(" ".join(problem.messages)) from None

    def turn(self, *, way: str, target: str, reason: str) -> str:
        if way == "on":
            return f"Set {switches.set_switch(by=switches.CONSOLE, target=target, reason=reason)}."
        standing = KillSwitch.objects.filter(target=target, lifted_at=None).first()
        if standing is None:
            raise CommandError("No kill switch stands there.")
        return f"Lifted {switches.lift(by=switches.CONSOLE, switch=standing, reason=reason)}."
