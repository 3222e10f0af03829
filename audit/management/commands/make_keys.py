"""manage.py make_keys: the log's signing key, the key its bodies are sealed with, and the key of packages."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from audit import keys


class Command(BaseCommand):
    help = "Make the keys of log and packages where they are missing, and print the log's public key, for auditors."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(str(keys.make()))
