"""manage.py list_keys: the keys of the log and of packages by fingerprint, age and use; never a key itself."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from audit import key_care, package_keys
from audit.errors import AuditError


class Command(BaseCommand):
    help = "List the keys of the log and of packages: kind, fingerprint, since when, and what each is used for."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            known = key_care.listed() + package_keys.listed()
        except AuditError as error:
            raise CommandError(str(error)) from error
        for key in known:
            self.stdout.write(f"{key.kind:8}  {key.fingerprint:16}  {key.since or 'no entry yet':20}  {key.use}")
        if key_care.half_done():
            self.stdout.write("A turn to a new signing key is half done: finish it with rotate_log_key.")
        if package_keys.half_done():
            self.stdout.write("A turn to a new key of packages is half done: finish it with rotate_package_key.")
