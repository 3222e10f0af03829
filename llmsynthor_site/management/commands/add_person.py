"""Add a person with one or more roles; the password is asked for, or read from standard input."""

from __future__ import annotations

import getpass
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from llmsynthor_site import services
from llmsynthor_site.roles import ROLES


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username")
        parser.add_argument("--role", action="append", required=True, choices=[role.name for role in ROLES])
        parser.add_argument("--email", default="")

    def handle(self, *args: Any, **options: Any) -> None:
        asked = getpass.getpass("Password: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
        try:
            user = services.add_person(
                by=None,
                username=options["username"],
                password=asked,
                roles=options["role"],
                email=options["email"],
            )
        except ValidationError as problem:
            raise CommandError(" ".join(problem.messages)) from None
        self.stdout.write(f"Added {user.username}: {', '.join(options['role'])}.")
