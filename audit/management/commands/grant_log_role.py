"""manage.py grant_log_role ROLE: let a PostgreSQL role append to the log and read it, and do nothing else to it."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from audit import log_roles
from audit.errors import AuditError


class Command(BaseCommand):
    help = "Run as the owner of the log's database, after migrate: the role may then append and read, no more."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("role", help="an existing role that LOG_DATABASE_URL will name")
        parser.add_argument("--print", action="store_true", help="print the statements and change nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            if options["print"]:
                self.stdout.write(";\n".join([*log_roles.statements(options["role"]), ""]))
                return
            log_roles.grant(options["role"])
        except AuditError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{options['role']} may append to the log and read it, and do nothing else to it")
